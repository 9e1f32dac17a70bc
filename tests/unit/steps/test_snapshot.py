"""A delivery is kept once, whole, under the digest of its bytes."""

import json
from pathlib import Path

import pytest

from include.perennial.contracts import FileRecord, Snapshot
from include.perennial.digests import bytes_sha256
from include.perennial.errors import DataError, IntegrityError, Unavailable
from include.perennial.sources import SettingsConnections
from include.perennial.steps.snapshot import fetch_snapshot, load_snapshot, take_snapshot
from include.perennial.stores.objects import LocalObjects
from include.perennial.stores.snapshot_folder import MANIFEST
from tests.deliveries import COLUMNS, WEEK, csv, files, make_pipeline, put, row, settings, snapshot_of

GOOD = csv([row(n) for n in range(5)])
PYTHON = """
def deliver(partition, folder):
    (folder / "raw").mkdir()
    (folder / "raw" / "a.csv").write_text("x,y\\n1,2\\n")
    (folder / "b.jsonl").write_text('{"z": 1}\\n')
"""


def test_the_bytes_are_kept_with_a_manifest(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path)
    put(pipeline, "2013-06-03.csv", GOOD)

    snapshot, store = snapshot_of(pipeline, tmp_path)

    assert snapshot.new
    assert snapshot.prefix == f"snapshots/small/2013-06-03/{snapshot.digest[:16]}"
    assert (snapshot.rows, snapshot.columns) == (5, tuple(COLUMNS))
    assert snapshot.files == (FileRecord(name="2013-06-03.csv", sha256=bytes_sha256(GOOD.encode()), n_bytes=len(GOOD)),)
    manifest = json.loads(store.get_bytes(f"{snapshot.prefix}/{MANIFEST}"))
    assert manifest["source"]["path"] == "delivery/{key}.csv"
    assert manifest["tables"] == {"2013-06-03.csv": {"rows": 5, "columns": list(COLUMNS)}}
    assert manifest["delivered_at_utc"].endswith("+00:00")
    assert load_snapshot(snapshot.prefix, store) == snapshot.model_copy(update={"new": False})


def test_the_same_bytes_are_the_same_snapshot_and_change_nothing(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path)
    put(pipeline, "2013-06-03.csv", GOOD)
    first, store = snapshot_of(pipeline, tmp_path)
    manifest = store.get_bytes(f"{first.prefix}/{MANIFEST}")

    again, _ = snapshot_of(pipeline, tmp_path)

    assert again == first.model_copy(update={"new": False})
    assert store.get_bytes(f"{first.prefix}/{MANIFEST}") == manifest
    assert len(store.list("")) == 2


def test_other_bytes_are_another_snapshot_beside_the_first(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path)
    put(pipeline, "2013-06-03.csv", GOOD)
    first, store = snapshot_of(pipeline, tmp_path)
    put(pipeline, "2013-06-03.csv", GOOD + GOOD.splitlines()[-1])

    second, _ = snapshot_of(pipeline, tmp_path)

    assert second.new
    assert second.digest != first.digest
    assert load_snapshot(first.prefix, store).files == first.files


def test_another_name_of_a_file_is_another_snapshot(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path, files("delivery"))
    put(pipeline, "a.csv", GOOD)
    first, _ = snapshot_of(pipeline, tmp_path)
    (pipeline.folder / "delivery" / "a.csv").rename(pipeline.folder / "delivery" / "b.csv")
    assert snapshot_of(pipeline, tmp_path)[0].digest != first.digest


def test_the_files_of_a_python_source_keep_their_folders_and_are_tables_of_their_own(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path, {"kind": "python"}, source_py=PYTHON)

    snapshot, store = snapshot_of(pipeline, tmp_path)
    fetch_snapshot(snapshot, store, tmp_path / "back")

    assert [file.name for file in snapshot.files] == ["b.jsonl", "raw/a.csv"]
    assert (tmp_path / "back" / "raw" / "a.csv").read_text() == "x,y\n1,2\n"
    assert (snapshot.rows, snapshot.columns) == (None, ())
    manifest = json.loads(store.get_bytes(f"{snapshot.prefix}/{MANIFEST}"))
    assert manifest["tables"]["raw/a.csv"] == {"rows": 1, "columns": ["x", "y"]}


def test_garbage_is_kept_as_well(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path)
    put(pipeline, "2013-06-03.csv", bytes(range(256)))
    snapshot, _ = snapshot_of(pipeline, tmp_path)
    assert (snapshot.new, snapshot.rows, snapshot.columns) == (True, None, ())


class Dying(LocalObjects):
    """A store whose process dies at the n-th write."""

    def __init__(self, root: Path, writes: int):
        super().__init__(root)
        self.writes = writes

    def _put(self, key: str, stream: object) -> None:
        if self.writes == 0:
            raise Unavailable("killed")
        self.writes -= 1
        super()._put(key, stream)  # type: ignore[arg-type]  # passed on as it came


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_half_written_snapshot_is_never_seen_and_is_completed_by_the_retry(tmp_path: Path, writes: int) -> None:
    pipeline = make_pipeline(tmp_path, files("delivery"))
    put(pipeline, "a.csv", GOOD)
    put(pipeline, "b.csv", GOOD)
    root = tmp_path / "home" / "store"
    with pytest.raises(Unavailable):
        take_snapshot(pipeline, WEEK, Dying(root, writes), SettingsConnections(settings(tmp_path)))
    assert [key for key in LocalObjects(root).list("") if key.endswith(MANIFEST)] == []

    snapshot, store = snapshot_of(pipeline, tmp_path)

    assert snapshot.new
    fetch_snapshot(snapshot, store, tmp_path / "back")


def test_a_sidecar_that_agrees_is_noted_and_does_not_rename_the_snapshot(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path)
    put(pipeline, "2013-06-03.csv", GOOD)
    put(pipeline, "2013-06-03.csv.sha256", bytes_sha256(GOOD.encode()).upper() + " *2013-06-03.csv\n")

    with_sidecar, store = snapshot_of(pipeline, tmp_path)
    manifest = json.loads(store.get_bytes(f"{with_sidecar.prefix}/{MANIFEST}"))
    (pipeline.folder / "delivery" / "2013-06-03.csv.sha256").unlink()

    assert manifest["verified_by_sidecar"] == ["2013-06-03.csv"]
    assert snapshot_of(pipeline, tmp_path)[0].digest == with_sidecar.digest


@pytest.mark.parametrize(
    ("sidecar", "told"),
    [
        ("0" * 64, "cut off or changed on its way"),
        ("", "no SHA-256 in it"),
        ("d41d8cd98f00b204e9800998ecf8427e  2013-06-03.csv", "no SHA-256 in it"),
        (b"\xff\xfe\x00", "no SHA-256 in it"),
    ],
)
def test_a_sidecar_that_disagrees_refuses_the_delivery(tmp_path: Path, sidecar: str | bytes, told: str) -> None:
    pipeline = make_pipeline(tmp_path)
    put(pipeline, "2013-06-03.csv", GOOD)
    put(pipeline, "2013-06-03.csv.sha256", sidecar)
    with pytest.raises(DataError, match=told):
        snapshot_of(pipeline, tmp_path)


@pytest.mark.parametrize("code", ['(folder / "manifest.json").touch()', '(folder / "link").symlink_to("/etc/passwd")'])
def test_a_file_that_cannot_be_kept_is_refused(tmp_path: Path, code: str) -> None:
    source_py = f"def deliver(partition, folder):\n    {code}\n"
    pipeline = make_pipeline(tmp_path, {"kind": "python"}, source_py=source_py)
    with pytest.raises(DataError, match="cannot be kept"):
        snapshot_of(pipeline, tmp_path)


def changed(snapshot: Snapshot, tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "home" / "store" / snapshot.prefix / MANIFEST
    path.write_text(path.read_text().replace(old, new))


def test_a_manifest_that_was_changed_is_not_believed(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path)
    put(pipeline, "2013-06-03.csv", GOOD)
    snapshot, store = snapshot_of(pipeline, tmp_path)
    changed(snapshot, tmp_path, snapshot.files[0].sha256, "0" * 64)
    with pytest.raises(IntegrityError, match="is of another snapshot"):
        load_snapshot(snapshot.prefix, store)
