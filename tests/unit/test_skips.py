"""In CI a test that skips itself is red."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(("may_skip", "told"), [("yes", "3 skipped"), ("no", "1 failed, 2 errors")])
def test_a_skip_fails_where_nothing_may_be_skipped(tmp_path: Path, may_skip: str, told: str) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (tmp_path / "test_it.py").write_text(SKIPS)
    env = os.environ | {"PERENNIAL_TESTS_MAY_SKIP": may_skip, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert told in done.stdout
    assert (done.returncode == 0) == (may_skip == "yes")
