"""The commands behind the Makefile start what they say and leave nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests

from embedded.config import PROJECT, USER, open_stack
from tests.stack.conftest import until

pytestmark = [pytest.mark.stack, pytest.mark.long, pytest.mark.timeout(300)]


def command(home: Path, *words: str) -> subprocess.Popen[str]:
    env = os.environ | {"PERENNIAL_HOME": str(home), "HOME": str(home / "empty")}
    return subprocess.Popen(
        [sys.executable, "-m", "embedded", *words], cwd=PROJECT, env=env, text=True, stdout=subprocess.PIPE
    )


def left_behind(home: Path) -> list[str]:
    """Processes whose environment or command line belongs to this installation."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(home) in process.environ().get("AIRFLOW_HOME", ""):
                found.append(" ".join(process.cmdline()))
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def test_up_keeps_the_stack_running_behind_a_login_and_down_ends_all_of_it(tmp_path: Path) -> None:
    told, _ = command(tmp_path, "up").communicate(timeout=200)
    stack = open_stack(tmp_path)

    try:
        assert stack.airflow_url in told
        assert f"user {USER}, password {stack.password}" in told
        assert command(tmp_path, "status").wait(60) == 0
        assert requests.get(f"{stack.airflow_url}/api/v2/dags", timeout=10).status_code == 401
        address = f"{stack.airflow_url}/perennial/documents/flight_delays.ingest/2013-01-07/x.html"
        assert requests.get(address, timeout=10).status_code == 401
        assert (stack.airflow_home / "passwords.json").stat().st_mode & 0o077 == 0
    finally:
        assert command(tmp_path, "down").wait(60) == 0
    assert left_behind(tmp_path) == []
    assert command(tmp_path, "status").wait(60) == 3


def test_ctrl_c_stops_everything_that_run_started(tmp_path: Path) -> None:
    running = command(tmp_path, "run")
    assert running.stdout is not None
    while "starting" not in running.stdout.readline():
        assert running.poll() is None
    until(lambda: len(left_behind(tmp_path)) > 1, "processes of the stack")

    running.send_signal(signal.SIGINT)

    assert running.wait(60) == 130
    assert left_behind(tmp_path) == []
