"""A program that ends by itself is started again; one that is asked to stop, ends well or never comes up is not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from embedded.config import PROJECT

KEEP = "import sys, embedded.keeper as k; k.COMES_UP_WITHIN_S, k.PAUSE_S = {up}, 0; sys.exit(k.main(sys.argv[1:]))"
# Notes that it was started; from its third start on it does as told.
PROGRAM = """
import pathlib, sys, time
starts = pathlib.Path(sys.argv[1])
starts.write_text(starts.read_text() + "x" if starts.exists() else "x")
if len(starts.read_text()) < 3:
    sys.exit(1)
exec(sys.argv[2])
"""


def keep(starts: Path, then: str, up: float = 0) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", KEEP.format(up=up), sys.executable, "-c", PROGRAM, str(starts), then]
    return subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, start_new_session=True)


def test_it_is_started_again_until_it_ends_well(tmp_path: Path) -> None:
    kept = keep(tmp_path / "starts", "sys.exit(0)")

    _, told = kept.communicate(timeout=60)

    assert kept.returncode == 0
    assert (tmp_path / "starts").read_text() == "xxx"
    assert told.count(b"ended with status 1: starting it again") == 2


def test_what_ends_at_once_does_not_come_up_and_its_status_says_so(tmp_path: Path) -> None:
    kept = keep(tmp_path / "starts", "", up=60)

    assert kept.wait(60) == 1
    assert (tmp_path / "starts").read_text() == "x"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_asked_to_stop_stays_away(tmp_path: Path, number: signal.Signals) -> None:
    starts = tmp_path / "starts"
    kept = keep(starts, "time.sleep(60)")
    deadline = time.monotonic() + 60
    while not starts.exists() or len(starts.read_text()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)

    os.killpg(kept.pid, number)
    kept.wait(60)

    assert starts.read_text() == "xxx"
