"""Every panel of the dashboard and every alert, asked of a real Prometheus that has scraped what the loop emits.

The exporter's text is real, over a history in which everything has happened. The model server's and Airflow's are made
of the names and labels that their own definitions have (``serving/metrics.py``, ``monitoring/statsd/mapping.yml``).
"""

import datetime as dt
import json
import re
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import yaml
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from include.perennial.exporter.exporter import Exporter
from include.perennial.serving.follower import Follower
from include.perennial.serving.metrics import Metrics
from include.perennial.serving.predict import Answers
from include.perennial.serving.recorder import Recorder
from include.perennial.serving.shadow import Shadow
from include.perennial.settings import Settings
from include.perennial.stores.objects import LocalObjects
from include.perennial.stores.prediction_log import PredictionLog
from tests.evaluations import Monitored
from tests.histories import History
from tests.monitoring.promtool import program
from tests.monitoring.test_files import DASHBOARD, MONITORING, mappings
from tests.servers import free_port
from tests.training_runs import make_toy
from tests.unit.exporter.conftest import everything
from tests.unit.views.conftest import history, ledger, settings, world

__all__ = ["history", "ledger", "settings", "world"]
_WAIT_S = 60


def of_the_model_server(folder: Path) -> bytes:
    serving = SimpleNamespace(version="3")
    roster = SimpleNamespace(champion=serving, challenger=serving, looked_utc=dt.datetime.now(dt.UTC), problems=[])
    recorder = Recorder(PredictionLog(LocalObjects(folder)), 60, max_rows=10)
    followers = cast("Mapping[str, Follower]", {"toy": SimpleNamespace(roster=roster)})
    metrics = Metrics(followers, recorder, Shadow(recorder))
    answers = SimpleNamespace(versions=np.array(["3"]), is_canary=np.array([True]), fell_back=False)
    metrics.answered("toy", cast("Answers", answers), 0.02)
    metrics.refused("toy", 422)
    return metrics.text()


def of_airflow() -> bytes:
    registry = CollectorRegistry()
    labels = {str(one["name"]): tuple(cast("dict[str, str]", one.get("labels") or {})) for one in mappings()}
    for name, of_it in labels.items():
        values = ["toy.train"] * len(of_it)
        if name.endswith("_total"):
            counter = Counter(name, name, of_it, registry=registry)
            (counter.labels(*values) if of_it else counter).inc()
        elif name.endswith("_seconds"):
            histogram = Histogram(name, name, of_it, registry=registry)
            (histogram.labels(*values) if of_it else histogram).observe(3)
        else:
            gauge = Gauge(name, name, of_it, registry=registry)
            (gauge.labels(*values) if of_it else gauge).set(1)
    return generate_latest(registry)


@contextmanager
def scraped(texts: Mapping[str, bytes]) -> Iterator[int]:
    """A port on which each text stands under its own path."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(texts[self.path.removeprefix("/")])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


class Prometheus:
    """One that runs, and its API."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str, **asked: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/{path}?{urllib.parse.urlencode(asked)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def finds(self, expression: str) -> list[dict[str, Any]]:
        return list(self.get("query", query=expression)["result"])


@contextmanager
def prometheus(folder: Path, scraped_port: int) -> Iterator[Prometheus]:
    """The containers' configuration and rules as they are, but for addresses, passwords and a second as interval."""
    given = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text())
    for job in given["scrape_configs"]:
        job.pop("authorization", None)
        job |= {"scrape_interval": "1s", "scrape_timeout": "1s", "metrics_path": f"/{job['job_name']}"}
        job["static_configs"] = [{"targets": [f"127.0.0.1:{scraped_port}"]}]
    given["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    given["rule_files"] = [str(MONITORING / "prometheus" / name) for name in given["rule_files"]]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(given))
    port = free_port()
    command = [program("prometheus"), f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        running = Prometheus(port)
        # Rates need two scrapes of every job.
        wait_until(lambda: _scrapes(running) >= 2, process, folder / "log")
        yield running
    finally:
        process.terminate()
        process.wait(20)


def _scrapes(running: Prometheus) -> int:
    try:
        found = running.finds("count_over_time(up[1m])")
    except OSError:
        return 0
    return min((int(one["value"][1]) for one in found), default=0) if len(found) == 4 else 0


def wait_until(holds: Any, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not holds():
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.1)


def panels() -> dict[str, str]:
    """Expressions by panel, as Grafana asks them with all pipelines chosen."""
    found = {}
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            text = target["expr"].replace("$__rate_interval", "1m").replace("$pipeline", ".*")
            found[f"{panel['title']}: {text}"] = text
    return found


@pytest.mark.server
@pytest.mark.long
def test_every_panel_shows_data_and_every_alert_is_evaluated(
    settings: Settings, world: Monitored, history: History, tmp_path: Path
) -> None:
    make_toy(settings.pipelines.parent, approval="required")
    everything(world, history)
    texts = {
        "perennial": Exporter(settings).text(),
        "model-server": of_the_model_server(tmp_path),
        "airflow": of_airflow(),
        "prometheus": b"",
    }
    with scraped(texts) as port, prometheus(tmp_path, port) as running:
        assert {one["metric"]["job"]: one["value"][1] for one in running.finds("up")} == dict.fromkeys(texts, "1")
        empty = [panel for panel, expression in panels().items() if not running.finds(expression)]
        assert empty == []

        [source] = json.loads(DASHBOARD.read_text())["templating"]["list"]
        metric, label = re.findall(r"label_values\((\w+), (\w+)\)", source["query"]["query"])[0]
        assert {one["metric"][label] for one in running.finds(metric)} == {"toy"}

        rules = [rule for group in running.get("rules")["groups"] for rule in group["rules"]]
        asked_of = {name for rule in rules for name in re.findall(r"\b(?:perennial|airflow)_[a-z0-9_]+", rule["query"])}
        assert len(rules) > 20
        assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] == "err"} == {}
        assert [name for name in sorted(asked_of) if not running.finds(name)] == []
