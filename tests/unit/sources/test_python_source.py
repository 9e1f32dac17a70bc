"""The pipeline's own source.py: what it may do, and what its failures read like."""

from pathlib import Path

import pandas as pd
import pytest

from include.perennial.errors import DataError, IntegrityError, PerennialError, SpecError, Unavailable
from include.perennial.sources import SettingsConnections, deliver, read
from tests.deliveries import WEEK, make_pipeline, settings

WORKS = """
import pandas as pd

def deliver(partition, folder, *, rows=1):
    (folder / "raw").mkdir()
    (folder / "raw" / "ids.txt").write_text("\\n".join(f"r{n}" for n in range(rows)))

def assemble(partition, folder):
    ids = (folder / "raw" / "ids.txt").read_text().split()
    return pd.DataFrame({"id": ids, "at": partition.start_utc, "ok": True, "extra": 1})
"""
COLUMNS = {"at": "timestamp", "id": "string", "ok": "boolean"}


def run(tmp_path: Path, code: str, **options: object) -> tuple[list[str], pd.DataFrame]:
    source = {"kind": "python", "options": options}
    pipeline = make_pipeline(tmp_path, source, columns=COLUMNS, source_py=code)
    target = tmp_path / "target"
    target.mkdir()
    paths = deliver(pipeline, WEEK, target, SettingsConnections(settings(tmp_path)))
    return [path.relative_to(target).as_posix() for path in paths], read(pipeline, WEEK, target)


def test_it_delivers_files_and_assembles_them_to_the_declared_columns(tmp_path: Path) -> None:
    names, frame = run(tmp_path, WORKS, rows=3)

    assert names == ["raw/ids.txt"]
    assert list(frame.columns) == ["at", "id", "ok"]
    assert frame["id"].tolist() == ["r0", "r1", "r2"]
    assert str(frame["at"].dtype) == "datetime64[ns, UTC]"


DELIVER = "def deliver(partition, folder):\n    "
ASSEMBLE = "def deliver(partition, folder):\n    (folder / 'a').touch()\ndef assemble(partition, folder):\n    "


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        (
            DELIVER + "1 / 0\n",
            DataError,
            "source.py, line 2, partition 2013-06-03: ZeroDivisionError: division by zero.",
        ),
        (ASSEMBLE + "return folder['x']\n", DataError, "source.py, line 4, partition 2013-06-03: TypeError: "),
        (ASSEMBLE + "raise KeyError('x' * 9000)\n", DataError, "KeyError: 'xxx"),
        (ASSEMBLE + "raise ValueError('a\\nTraceback (most')\n", DataError, "ValueError: a. Correct source.py"),
        (DELIVER + "raise ConnectionResetError('peer')\n", Unavailable, "ConnectionResetError: peer. Retry later."),
        (DELIVER + "raise TimeoutError\n", Unavailable, "TimeoutError: TimeoutError. Retry later."),
        (
            DELIVER + "import socket; socket.create_connection(('127.0.0.1', 1))\n",
            Unavailable,
            "ConnectionRefusedError",
        ),
        (DELIVER + "pass\n", DataError, "deliver wrote no file for partition 2013-06-03"),
        (ASSEMBLE + "return [1]\n", DataError, "assemble returned list, expected a pandas DataFrame"),
        ("assemble = deliver = 3\n", SpecError, "no function 'deliver'"),
        (DELIVER + "(folder / 'a').touch()\n", SpecError, "no function 'assemble'"),
        (
            DELIVER.replace("folder)", "folder, *, week)") + "pass\n",
            DataError,
            "missing 1 required keyword-only argument",
        ),
    ],
)
def test_its_failures_are_one_sentence(tmp_path: Path, code: str, kind: type[PerennialError], told: str) -> None:
    with pytest.raises(kind) as caught:
        run(tmp_path, code)
    assert told in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("kind", [IntegrityError, DataError, Unavailable])
def test_an_error_of_our_own_kind_passes_unchanged(tmp_path: Path, kind: type[PerennialError]) -> None:
    code = f"from include.perennial.errors import {kind.__name__}\n" + DELIVER + f"raise {kind.__name__}('as it is')\n"
    with pytest.raises(kind, match=r"^as it is$"):
        run(tmp_path, code)


def test_a_frame_that_is_not_what_was_declared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"assemble for '2013-06-03': missing 1 of 3 declared columns: 'ok'"):
        run(tmp_path, WORKS.replace('"ok": True, ', ""))
    with pytest.raises(DataError, match="row 1, column 'ok': '7'"):
        run(tmp_path / "2", WORKS.replace("True", "7"))
