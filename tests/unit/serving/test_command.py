"""The command `serve` as a process of its own: it starts, answers, and on SIGTERM writes what waits and ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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


@pytest.mark.server
def test_it_answers_and_writes_what_waits_when_it_is_told_to_end(loop: Loop, tmp_path: Path) -> None:
    port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        "PERENNIAL_HOME": str(loop.settings.home),
        "PERENNIAL_PIPELINES": str(loop.settings.pipelines),
        "PERENNIAL_SERVE_PORT": str(port),
        "PERENNIAL_SERVE_FLUSH_S": "3600",
    }
    command = [sys.executable, "-m", "include.perennial.cli", "serve", "toy"]
    with (tmp_path / "log").open("w") as output:
        process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=env, stdout=output, stderr=output)
    try:
        until(lambda: process.poll() is not None or answers(port), "it is ready")
        body = {"rows": rows_of(toy_frame(6).head(7))}
        answer = requests.post(f"http://127.0.0.1:{port}/v1/predict/toy", json=body, timeout=30)
        assert (answer.status_code, len(answer.json()["predictions"])) == (200, 7), answer.text
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)

    said = (tmp_path / "log").read_text()
    assert f"http://127.0.0.1:{port}" in said
    assert "toy: version 3 serves as champion" in said
    assert "Traceback" not in said
    assert len(PredictionLog(loop.objects).read_online("toy", WEEK[6])) == 7


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
