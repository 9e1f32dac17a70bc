"""Weeks flow through ingest, score and monitor under the real scheduler; a shifted one asks for exactly one retrain."""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from embedded.light_pipeline import set_clocks_ahead
from include.perennial.contracts import Trigger
from include.perennial.monitor.decision import Outcome
from include.perennial.partitions import Partition, Period
from include.perennial.steps.decide import Evaluation
from include.perennial.stores.ledger import EventKind
from tests.stack.conftest import Live, end_scheduled_training, until

pytestmark = [pytest.mark.stack, pytest.mark.long, pytest.mark.timeout(900)]

SHIFTED = "flights_shifted"
WEEKS = [Partition.of_key("2013-01-07", Period.WEEK).shift(n).key for n in range(26)]
CUTOFF, QUIET, STRANGE, WAITING, BROKEN, STORM = WEEKS[8], WEEKS[9], WEEKS[10], WEEKS[11], WEEKS[12], WEEKS[13:25]
POLICY = """
monitor:
  policy: {violations: 1, of_last: 1}
alerts:
  webhook: {connection: people, endpoint: told}
  late_after_hours: 0.001
"""


class People(BaseHTTPRequestHandler):
    """Whoever listens to the alerts; keeps the texts."""

    told: list[str] = []  # noqa: RUF012 - the server makes a handler for each request

    def do_POST(self) -> None:
        self.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def people(live: Live) -> Iterator[list[str]]:
    """A webhook on the loopback, and Airflow's connection to it; what it was told."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), People)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    connection = {"connection_id": "people", "conn_type": "http", "host": "127.0.0.1", "port": server.server_port}
    live.airflow.call("POST", "/connections", json=connection)
    yield People.told
    server.shutdown()


@pytest.fixture(scope="module")
def watched(live: Live, people: list[str]) -> Live:
    """A third pipeline: the example, but from ``STRANGE`` on its clocks are eight hours ahead; ``BROKEN`` is worse."""
    pipelines, dags = Path(os.environ["PERENNIAL_PIPELINES"]), Path(os.environ["PERENNIAL_DAGS"])
    shutil.copytree(pipelines / "flight_delays", pipelines / SHIFTED)
    spec, source = pipelines / SHIFTED / "pipeline.yaml", pipelines / SHIFTED / "source.py"
    # Without the replay the weekly schedule finds no data in the present, and 2013 has the newest week.
    text = spec.read_text().replace("name: flight_delays", f"name: {SHIFTED}").replace("replay: true", "replay: false")
    spec.write_text(text.split("\nmonitor:")[0].rstrip() + "\n" + POLICY)
    set_clocks_ahead(pipelines / SHIFTED, STRANGE)
    source.write_text(
        source.read_text()
        + "\n\n_as_it_was = assemble\n\n\ndef assemble(partition, folder):\n"
        + "    frame = _as_it_was(partition, folder)\n"
        + f'    return frame.assign(hour=99) if partition.key == "{BROKEN}" else frame\n'
    )
    (dags / f"{SHIFTED}.py").write_text((dags / "flight_delays.py").read_text().replace("flight_delays", SHIFTED))
    for step in ("ingest", "train", "score", "monitor"):
        live.airflow.wait_for_dag(f"{SHIFTED}.{step}", timeout_s=120)
        if step != "train":
            live.airflow.unpause(f"{SHIFTED}.{step}")
    live.ingest(SHIFTED, WEEKS[0], CUTOFF)
    return live


def test_weeks_without_a_champion_are_not_monitored(watched: Live) -> None:
    until(lambda: len(_ended(watched, "score")) >= 9, "nine weeks to be scored", 300)

    assert watched.airflow.runs(f"{SHIFTED}.monitor") == []


def test_an_ordinary_week_is_measured_and_asks_for_nothing(watched: Live) -> None:
    watched.airflow.unpause(f"{SHIFTED}.train")
    end_scheduled_training(watched.airflow, SHIFTED)
    run_id = watched.airflow.trigger(f"{SHIFTED}.train", {"partition": CUTOFF, "reason": "first model"})
    assert watched.airflow.wait(f"{SHIFTED}.train", run_id)["state"] == "success"

    watched.ingest(SHIFTED, QUIET, QUIET)

    evaluation = _evaluation(watched, QUIET)
    assert evaluation.decision.outcome is Outcome.QUIET, evaluation.decision.sentence


def test_a_shifted_week_starts_one_training_run_though_the_asking_task_is_killed(watched: Live) -> None:
    before = len(watched.airflow.runs(f"{SHIFTED}.train"))
    run_id = watched.airflow.trigger(f"{SHIFTED}.ingest", {"partition": STRANGE})

    _kill_retrain(watched)

    assert watched.airflow.wait(f"{SHIFTED}.ingest", run_id)["state"] == "success"
    evaluation = _evaluation(watched, STRANGE)
    assert evaluation.decision.outcome is Outcome.ASKED, evaluation.decision.sentence
    assert len(watched.airflow.runs(f"{SHIFTED}.train")) == before + 1
    assert evaluation.training_run_id is not None
    run = watched.airflow.wait(f"{SHIFTED}.train", evaluation.training_run_id)
    assert run["state"] == "success"
    decision = watched.decisions(SHIFTED)[STRANGE]
    assert decision.plan.request.trigger in (Trigger.DRIFT, Trigger.PERFORMANCE)
    assert "hour" in decision.plan.request.reason
    assert decision.plan.request.evidence["partitions"] == [STRANGE]


def test_people_are_told_of_drift_and_of_what_is_late(watched: Live, people: list[str]) -> None:
    until(
        lambda: any(text.startswith(f"{SHIFTED}.train: late") for text in people),
        "people to be told of what is late",
        300,
    )

    [drift] = [text for text in people if "a retrain was asked for" in text.splitlines()[0]]
    assert drift.startswith(f"{SHIFTED} {STRANGE}: ")
    assert "feature hour" in drift


@pytest.mark.parametrize("n", [3, pytest.param(100, marks=[pytest.mark.heavy, pytest.mark.timeout(2400)])])
def test_monitoring_the_week_again_starts_no_second_run(watched: Live, n: int) -> None:
    before = watched.airflow.runs(f"{SHIFTED}.train")

    # One after the other: eight clients at once lock the SQLite database of the embedded Airflow.
    run_ids = [watched.airflow.trigger(f"{SHIFTED}.monitor", {"partition": STRANGE}) for _ in range(n)]
    states = {watched.airflow.wait(f"{SHIFTED}.monitor", run_id, timeout_s=2300)["state"] for run_id in run_ids}

    assert states == {"success"}
    assert len(watched.airflow.runs(f"{SHIFTED}.train")) == len(before)
    suppressed = watched.ledger.events(SHIFTED, [EventKind.TRIGGER_SUPPRESSED])
    assert {event.payload["evaluation"] for event in suppressed} >= set(run_ids)
    assert len(watched.ledger.events(SHIFTED, [EventKind.TRIGGER_ASKED])) == 1
    assert watched.ledger.verify() == []


def test_an_unscored_week_waits_in_the_triggerer_until_it_is_scored(watched: Live) -> None:
    watched.airflow.pause(f"{SHIFTED}.score")
    watched.ingest(SHIFTED, WAITING, WAITING)
    run_id = watched.airflow.trigger(f"{SHIFTED}.monitor", {"partition": WAITING})
    until(lambda: _states(watched, run_id).get("ready") == "deferred", "the sensor to wait in the triggerer", 300)

    watched.airflow.unpause(f"{SHIFTED}.score")
    watched.airflow.trigger(f"{SHIFTED}.score", {"partition": WAITING})

    assert watched.airflow.wait(f"{SHIFTED}.monitor", run_id)["state"] == "success"
    assert _states(watched, run_id)["decide"] == "success"


def test_people_are_told_of_refused_data(watched: Live, people: list[str]) -> None:
    run_id = watched.airflow.trigger(f"{SHIFTED}.ingest", {"partition": BROKEN})

    assert watched.airflow.wait(f"{SHIFTED}.ingest", run_id)["state"] == "failed"
    until(
        lambda: any(text.startswith(f"{SHIFTED} {BROKEN}: the delivery was refused") for text in people),
        "people to be told of the refusal",
        300,
    )
    [refused] = [text for text in people if text.startswith(f"{SHIFTED} {BROKEN}")]
    assert "hour" in refused
    events = watched.ledger.events(SHIFTED, [EventKind.DATA_REFUSED])
    assert [event.payload["key"] for event in events].count(BROKEN) == 1


@pytest.mark.heavy
def test_twelve_weeks_at_once_start_no_storm(watched: Live) -> None:
    dag_id, asked = f"{SHIFTED}.train", [EventKind.TRIGGER_ASKED]
    before_runs, before_asks = len(watched.airflow.runs(dag_id)), len(watched.ledger.events(SHIFTED, asked))

    watched.backfill(f"{SHIFTED}.ingest", STORM[0], STORM[-1], max_active_runs=12)
    for key in STORM:
        _evaluation(watched, key)

    asks = watched.ledger.events(SHIFTED, asked)[before_asks:]
    measured = [event.payload["key"] for event in watched.ledger.events(SHIFTED, [EventKind.MEASURED])]
    assert [key for key in dict.fromkeys(measured) if key in STORM] == list(STORM), "not in order of partition"
    assert len(asks) <= 2
    for ask in asks:
        published = watched.ledger.events(SHIFTED, [EventKind.PARTITION_PUBLISHED])
        newest_then = max(event.payload["key"] for event in published if event.seq < ask.seq)
        assert ask.payload["decision"]["key"] == newest_then
    assert len(watched.airflow.runs(dag_id)) == before_runs + len(asks)


def _kill_retrain(live: Live) -> None:
    """Kill -9 the process that would trigger the training run, as soon as it is seen."""
    dag_id = f"{SHIFTED}.monitor"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        tasks = [task for task in live.airflow.task_instances(dag_id) if task["task_id"] == "retrain"]
        assert "success" not in {task["state"] for task in tasks}, "the task was quicker than the killer"
        for task in tasks:
            if task["state"] == "running" and task["pid"]:
                os.kill(task["pid"], signal.SIGKILL)
                return
        time.sleep(0.01)
    raise TimeoutError(f"{dag_id}.retrain never ran")


def _evaluation(live: Live, key: str) -> Evaluation:
    """The first evaluation of a week, once its monitor run has ended."""
    kinds = [EventKind.TRIGGER_ASKED, EventKind.TRIGGER_SUPPRESSED, EventKind.TRIGGER_NOT_NEEDED]

    def found() -> list[Evaluation]:
        evaluations = [Evaluation.model_validate(event.payload) for event in live.ledger.events(SHIFTED, kinds)]
        return [one for one in evaluations if one.decision.key == key]

    until(lambda: bool(found()), "the evaluation", 300)
    evaluation = found()[0]
    assert live.airflow.wait(f"{SHIFTED}.monitor", evaluation.evaluation)["state"] == "success"
    return evaluation


def _states(live: Live, run_id: str) -> dict[str, str]:
    return {one["task_id"]: one["state"] for one in live.airflow.task_instances(f"{SHIFTED}.monitor", run_id)}


def _ended(live: Live, step: str) -> list[dict]:
    return [run for run in live.airflow.runs(f"{SHIFTED}.{step}") if run["state"] in ("success", "failed")]
