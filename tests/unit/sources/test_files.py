"""Which files of a folder are the delivery."""

import errno
import os
from pathlib import Path

import pytest

from include.perennial.errors import DataError
from include.perennial.sources import SettingsConnections, deliver
from tests.deliveries import WEEK, files, make_pipeline, put, settings


def delivered(tmp_path: Path, source: dict[str, object], names: list[str]) -> list[str]:
    pipeline = make_pipeline(tmp_path, source)
    for name in names:
        put(pipeline, name, name)
    target = tmp_path / "target"
    target.mkdir()
    paths = deliver(pipeline, WEEK, target, SettingsConnections(settings(tmp_path)))
    assert all(path.read_text().endswith(path.name) for path in paths)
    return [path.relative_to(target).as_posix() for path in paths]


@pytest.mark.parametrize(
    ("path", "kind", "expected"),
    [
        ("delivery/{key}.csv", "csv", ["2013-06-03.csv", "2013-06-03.csv.sha256"]),
        ("delivery/{key}", "csv", ["a.CSV", "b.csv.gz"]),
        ("delivery/{key}/", "jsonl", ["a.jsonl", "b.ndjson", "c.json.gz"]),
        ("delivery/{key}", "parquet", ["a.parquet"]),
        ("delivery/all.csv", "csv", ["all.csv"]),
    ],
)
def test_a_file_or_the_files_of_a_folder_are_taken(tmp_path: Path, path: str, kind: str, expected: list[str]) -> None:
    names = ["2013-06-03.csv", "2013-06-03.csv.sha256", "2013-06-10.csv", "all.csv"]
    in_folder = ["a.CSV", "b.csv.gz", "_c.csv", ".d.csv", "sub/e.csv", "a.jsonl", "b.ndjson", "c.json.gz", "a.parquet"]
    names += [f"2013-06-03/{name}" for name in in_folder]
    assert delivered(tmp_path, files(path, kind), names) == expected


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "2013-06-03.csv").write_text("2013-06-03.csv")
    assert delivered(tmp_path, files(f"{tmp_path}/inbox/{{key}}.csv"), []) == ["2013-06-03.csv"]


@pytest.mark.parametrize("path", ["delivery/{key}.csv", "delivery/{key}", "nowhere/at/all/{key}.csv"])
def test_no_file_is_said_with_the_place(tmp_path: Path, path: str) -> None:
    with pytest.raises(DataError, match=r"partition 2013-06-03, source\.path .*: no file\. Expected: "):
        delivered(tmp_path, files(path), ["2013-06-10.csv"])


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A second writer, at the one moment when it matters.
    def copy_late(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes())
        with source.open("a") as file:
            file.write("more")

    monkeypatch.setattr("include.perennial.sources.files.shutil.copyfile", copy_late)
    with pytest.raises(DataError, match="changed while it was read"):
        delivered(tmp_path, files("delivery/{key}.csv"), ["2013-06-03.csv"])


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root, who runs tests in containers, may read everything.
    def refuse(source: Path, _target: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(source))

    monkeypatch.setattr("include.perennial.sources.files.shutil.copyfile", refuse)
    with pytest.raises(DataError, match=r"2013-06-03\.csv: cannot be read \(Permission denied\)"):
        delivered(tmp_path, files("delivery/{key}.csv"), ["2013-06-03.csv"])
