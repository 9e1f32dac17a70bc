"""The command `serve` as a process of its own: it starts, answers, and on SIGTERM writes what waits and ends."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from include.perennial import cli
from include.perennial.errors import BadInput, SpecError
from include.perennial.serving.options import ServeOptions
from include.perennial.serving.server import build
from include.perennial.settings import PROJECT_ROOT, Settings
from include.perennial.stores.prediction_log import PredictionLog
from tests.closed_loop import WEEK, Loop
from tests.model_server import rows_of, until
from tests.servers import free_port
from tests.training_runs import toy_frame

SOAK_S = 120
# Between the end of the first quarter and the end: a leak of a kilobyte a request would be several times this.
MOST_GROWTH_MB = 16


@contextmanager
def served(loop: Loop, log: Path, **settings: str) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """Port and process of `serve toy`, ready; ended by SIGTERM."""
    port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        "PERENNIAL_HOME": str(loop.settings.home),
        "PERENNIAL_PIPELINES": str(loop.settings.pipelines),
        "PERENNIAL_SERVE_PORT": str(port),
        **settings,
    }
    command = [sys.executable, "-m", "include.perennial.cli", "serve", "toy"]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=env, stdout=output, stderr=output)
    try:
        until(lambda: process.poll() is not None or answers(port), "it is ready")
        yield port, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.mark.server
def test_it_answers_and_writes_what_waits_when_it_is_told_to_end(loop: Loop, tmp_path: Path) -> None:
    with served(loop, tmp_path / "log", PERENNIAL_SERVE_FLUSH_S="3600") as (port, _):
        body = {"rows": rows_of(toy_frame(6).head(7))}
        answer = requests.post(f"http://127.0.0.1:{port}/v1/predict/toy", json=body, timeout=30)
        assert (answer.status_code, len(answer.json()["predictions"])) == (200, 7), answer.text

    said = (tmp_path / "log").read_text()
    assert f"http://127.0.0.1:{port}" in said
    assert "toy: version 3 serves as champion" in said
    assert "Traceback" not in said
    assert len(PredictionLog(loop.objects).read_online("toy", WEEK[6])) == 7


@pytest.mark.heavy
def test_its_memory_stays_flat_while_it_answers_writes_and_refuses(loop: Loop, tmp_path: Path) -> None:
    """Four clients for two minutes, every tenth request malformed; the marks are a quarter of the time apart."""
    rows = rows_of(toy_frame(6).head(100))
    bodies = [json.dumps({"rows": rows}).encode()] * 9 + [b'{"rows": [{"at": NaN}]}']
    with served(loop, tmp_path / "log", PERENNIAL_SERVE_FLUSH_S="2") as (port, process):
        url, end, marks = f"http://127.0.0.1:{port}/v1/predict/toy", time.monotonic() + SOAK_S, []
        statuses: Counter[int] = Counter()

        def ask() -> None:
            with requests.Session() as session:
                session.headers["Content-Type"] = "application/json"
                while time.monotonic() < end:
                    statuses.update(session.post(url, data=body, timeout=30).status_code for body in bodies)

        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        for _ in range(4):
            time.sleep(SOAK_S / 4)
            marks.append(psutil.Process(process.pid).memory_info().rss / 2**20)
        for client in clients:
            client.join()

    print(f"{statuses} and resident MB at each quarter: {[round(mark) for mark in marks]}")
    assert set(statuses) == {200, 400}
    assert marks[-1] < marks[0] + MOST_GROWTH_MB


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/ready", timeout=5).status_code == 200
    except requests.ConnectionError:
        time.sleep(0.2)
        return False


def test_an_unknown_pipeline_and_an_empty_folder_are_refused(closed: Loop, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is no pipeline 'toi'"):
        build(["toi"], closed.settings, ServeOptions())
    with pytest.raises(BadInput, match="nothing to serve"):
        build([], Settings.from_env({"PERENNIAL_PIPELINES": str(tmp_path)}), ServeOptions())


def test_its_help_names_every_route(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["serve", "--help"])

    said = capsys.readouterr().out
    assert stopped.value.code == 0
    assert all(route in said for route in ("/v1/predict/", "/v1/models", "/health", "/ready", "/metrics"))
