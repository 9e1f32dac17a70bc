"""What the suite runs: in CI a test that skips itself is red; long tests take turns, and none is left out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TURNS, waiting

CONFTEST = Path(__file__).parents[1] / "conftest.py"
SKIPS = """\
import pytest

@pytest.fixture
def server():
    pytest.skip("no server")

def test_by_a_call():
    pytest.skip("no server")

def test_by_its_fixture(server):
    pass

@pytest.mark.skipif(True, reason="no server")
def test_by_a_mark():
    pass
"""


LONG = """\
import pytest

pytestmark = pytest.mark.{mark}

{alone}
def test_a():
    pass

{alone}
def test_b():
    pass
"""


def run(folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The tests of ``folder`` under the settings of this suite."""
    (folder / "conftest.py").write_text(CONFTEST.read_text())
    env = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | variables
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *options, str(folder)]
    return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(("may_skip", "told"), [("yes", "3 skipped"), ("no", "1 failed, 2 errors")])
def test_a_skip_fails_where_nothing_may_be_skipped(tmp_path: Path, may_skip: str, told: str) -> None:
    (tmp_path / "test_it.py").write_text(SKIPS)

    done = run(tmp_path, PERENNIAL_TESTS_MAY_SKIP=may_skip)

    assert told in done.stdout
    assert (done.returncode == 0) == (may_skip == "yes")


@pytest.mark.parametrize("n", range(8))
def test_each_long_test_runs_at_one_turn(n: int) -> None:
    long = [str(number) for number in range(n)]

    ran = [sorted({*long} - waiting(long, now)) for now in range(TURNS)]

    assert sorted(name for some in ran for name in some) == long
    assert max(map(len, ran)) - min(map(len, ran)) <= 1


def test_a_marked_file_moves_as_one_and_marked_tests_by_themselves(tmp_path: Path) -> None:
    """Outside a commit it is the first turn: of three in their order the first runs."""
    (tmp_path / "test_files.py").write_text(LONG.format(mark="long", alone=""))
    (tmp_path / "test_tests.py").write_text(LONG.format(mark="quick", alone="@pytest.mark.long"))

    done = run(tmp_path, "-m", "not heavy")

    assert "test_files.py::test_a PASSED" in done.stdout
    assert "test_files.py::test_b PASSED" in done.stdout
    assert "2 passed, 2 deselected" in done.stdout
    assert "this is turn 1 of 3" in done.stdout
