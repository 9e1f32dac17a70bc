"""The monitor's operators: waiting, asking for the training run that the ledger names, and telling people."""

import json
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from embedded.config import PROJECT, environment, open_stack
from include.perennial.spec.alerts import Alerts, Email, Webhook
from include.perennial.stores.ledger import Ledger
from tests.evaluations import Monitored
from tests.training_runs import make_toy
from tests.unit.monitor.measurements import WEEKS

Play = Callable[..., dict[str, Any]]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Play a scene over ``toy`` with weeks 0 to 9 published and a champion that has seen weeks up to 7."""
    world = Monitored(make_toy(tmp_path), Ledger.open(f"sqlite:///{tmp_path / 'home' / 'ledger.db'}"))
    world.publish(*range(10))
    world.crown("1", 7)
    env = environment(open_stack(tmp_path / "stack")) | {
        "PERENNIAL_HOME": str(tmp_path / "home"),
        "PERENNIAL_PIPELINES": str(tmp_path / "pipelines"),
        "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}",
    }

    def run(scene: str, *arguments: str, **variables: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "tests.dags.monitor_scenes", scene, *arguments]
        done = subprocess.run(
            command, env=env | variables, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False
        )
        line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
        assert line is not None, done.stderr[-3000:]
        return dict(json.loads(line.removeprefix("RESULT")))

    return run


def test_the_sensor_goes_on_at_once_or_waits_in_the_triggerer(play: Play) -> None:
    said = play("sensor")

    assert said["at_once"] == {"key": WEEKS[8], "is_ready": True, "waiting_for": []}
    assert said["deferred"] == [WEEKS[9], 7, "execute_complete"]
    assert said["made_anew"]
    assert said["resumed"] == said["at_once"]
    assert said["failed"] == "cannot be mended"


def test_the_trigger_fires_when_predictions_appear_and_never_blocks_its_loop(play: Play) -> None:
    said = play("trigger")

    assert said["event"] == {"key": WEEKS[8], "is_ready": True, "waiting_for": []}
    assert "2013-03-05" in said["error"]["error"]


def test_drift_starts_the_training_run_that_the_ledger_names(play: Play) -> None:
    said = play("asked")

    first = said["first"]
    assert (first["dag_id"], first["run_id"]) == ("toy.train", f"drift__{WEEKS[9]}__000001")
    assert first["logical_date"] is None
    assert first["conf"]["partition"] == WEEKS[9]
    assert first["conf"]["trigger"] == "drift"
    assert "feature hour" in first["conf"]["reason"]
    assert first["conf"]["evidence"]["partitions"] == [WEEKS[8], WEEKS[9]]
    assert first["alert"] == "Nothing that anybody wants to be told of."
    assert said["repeat"] == first


def test_whatever_is_not_asked_for_starts_nothing(play: Play) -> None:
    said = play("retrain")

    assert "nothing is outside" in said["quiet"]["skipped"]
    assert said["busy"]["reason"] == said["late"]["reason"] == "backfilled_not_latest"
    assert not any("run_id" in one for one in said.values())


def test_alerts_travel_by_mail_and_webhook_unrendered(play: Play) -> None:
    with smtp_sink() as (smtp_port, mails), http_sink() as (http_port, posts):
        alerts = Alerts(email=Email(to=("ml@example.com",)), webhook=Webhook(connection="chat", endpoint="hook"))
        smtp = {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": smtp_port,
            "extra": {"from_email": "perennial@example.com", "disable_tls": True, "disable_ssl": True},
        }
        said = play(
            "alert",
            alerts.model_dump_json(),
            AIRFLOW_CONN_SMTP_DEFAULT=json.dumps(smtp),
            AIRFLOW_CONN_CHAT=f"http://127.0.0.1:{http_port}",
        )

    assert said["sent"] == 2
    assert [json.loads(post)["text"].splitlines()[0] for post in posts] == [
        "toy 2013-03-04: drift",
        "toy.ingest: late",
        "still told",
    ]
    assert "{{ 1 / 0 }} <script>" in json.loads(posts[0])["text"]
    assert len(mails) == 2
    assert "Subject: toy 2013-03-04: drift" in mails[0]
    assert said["failed"]


@contextmanager
def http_sink() -> Iterator[tuple[int, list[str]]]:
    """A web server that takes whatever is posted to ``/hook``."""
    posts: list[str] = []

    class Sink(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            posts.extend([body] if self.path == "/hook" else [])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Sink)) as port:
        yield port, posts


@contextmanager
def smtp_sink() -> Iterator[tuple[int, list[str]]]:
    """A mail server that keeps what it is given."""
    mails: list[str] = []

    class Sink(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 ready")
            while line := self.rfile.readline().decode().strip():
                command = line.split(" ")[0].upper()
                if command == "DATA":
                    self._say("354 go on")
                    mails.append(self._message())
                self._say("221 bye" if command == "QUIT" else "250 fine")
                if command == "QUIT":
                    return

        def _message(self) -> str:
            lines: list[str] = []
            while (line := self.rfile.readline().decode()) != ".\r\n":
                lines.append(line.rstrip("\r\n"))
            return "\n".join(lines)

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with _serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Sink)) as port:
        yield port, mails


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
