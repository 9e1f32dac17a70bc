"""Weeks flow through ingest, score and monitor under the real scheduler; a shifted one asks for exactly one retrain."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from include.perennial.contracts import Trigger
from include.perennial.monitor.decision import Outcome
from include.perennial.partitions import Partition, Period
from include.perennial.steps.decide import Evaluation
from include.perennial.stores.ledger import EventKind
from tests.stack.conftest import Live

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack"), pytest.mark.timeout(900)]

SHIFTED = "flights_shifted"
WEEKS = [Partition.of_key("2013-01-07", Period.WEEK).shift(n).key for n in range(12)]
CUTOFF, QUIET, STRANGE = WEEKS[8], WEEKS[9], WEEKS[10]
POLICY = "\nmonitor:\n  policy: {violations: 1, of_last: 1}\n"


@pytest.fixture(scope="module")
def watched(live: Live) -> Live:
    """A third pipeline: the example, but from ``STRANGE`` on its clocks are eight hours ahead."""
    pipelines, dags = Path(os.environ["PERENNIAL_PIPELINES"]), Path(os.environ["PERENNIAL_DAGS"])
    shutil.copytree(pipelines / "flight_delays", pipelines / SHIFTED)
    spec, source = pipelines / SHIFTED / "pipeline.yaml", pipelines / SHIFTED / "source.py"
    # Without the replay the weekly schedule finds no data in the present, and 2013 has the newest week.
    text = spec.read_text().replace("name: flight_delays", f"name: {SHIFTED}").replace("replay: true", "replay: false")
    spec.write_text(text.split("\nmonitor:")[0].rstrip() + "\n" + POLICY)
    source.write_text(
        source.read_text()
        + "\n\n_as_it_was = assemble\n\n\ndef assemble(partition, folder):\n"
        + "    frame = _as_it_was(partition, folder)\n"
        + f'    return frame.assign(hour=(frame["hour"] + 8) % 24) if partition.key >= "{STRANGE}" else frame\n'
    )
    (dags / f"{SHIFTED}.py").write_text((dags / "flight_delays.py").read_text().replace("flight_delays", SHIFTED))
    for step in ("ingest", "train", "score", "monitor"):
        live.airflow.wait_for_dag(f"{SHIFTED}.{step}", timeout_s=120)
        if step != "train":
            live.airflow.unpause(f"{SHIFTED}.{step}")
    live.ingest(SHIFTED, WEEKS[0], CUTOFF)
    return live


def test_weeks_without_a_champion_are_not_monitored(watched: Live) -> None:
    _until(lambda: len(_ended(watched, "score")) >= 9)

    assert watched.airflow.runs(f"{SHIFTED}.monitor") == []


def test_an_ordinary_week_is_measured_and_asks_for_nothing(watched: Live) -> None:
    watched.airflow.unpause(f"{SHIFTED}.train")
    _end_scheduled_training(watched)
    run_id = watched.airflow.trigger(f"{SHIFTED}.train", {"partition": CUTOFF, "reason": "first model"})
    assert watched.airflow.wait(f"{SHIFTED}.train", run_id)["state"] == "success"

    watched.ingest(SHIFTED, QUIET, QUIET)

    evaluation = _evaluation(watched, QUIET)
    assert evaluation.decision.outcome is Outcome.QUIET, evaluation.decision.sentence


def test_a_shifted_week_starts_one_training_run_with_its_evidence(watched: Live) -> None:
    watched.ingest(SHIFTED, STRANGE, STRANGE)

    evaluation = _evaluation(watched, STRANGE)
    assert evaluation.decision.outcome is Outcome.ASKED, evaluation.decision.sentence
    assert evaluation.training_run_id is not None
    run = watched.airflow.wait(f"{SHIFTED}.train", evaluation.training_run_id)
    assert run["state"] == "success"
    decision = watched.decisions(SHIFTED)[STRANGE]
    assert decision.plan.request.trigger in (Trigger.DRIFT, Trigger.PERFORMANCE)
    assert "hour" in decision.plan.request.reason
    assert decision.plan.request.evidence["partitions"] == [STRANGE]


def test_monitoring_the_week_again_starts_no_second_run(watched: Live) -> None:
    before = watched.airflow.runs(f"{SHIFTED}.train")

    run_ids = [watched.airflow.trigger(f"{SHIFTED}.monitor", {"partition": STRANGE}) for _ in range(3)]
    states = {watched.airflow.wait(f"{SHIFTED}.monitor", run_id)["state"] for run_id in run_ids}

    assert states == {"success"}
    assert len(watched.airflow.runs(f"{SHIFTED}.train")) == len(before)
    suppressed = watched.ledger.events(SHIFTED, [EventKind.TRIGGER_SUPPRESSED])
    assert {event.payload["evaluation"] for event in suppressed} >= set(run_ids)
    assert len(watched.ledger.events(SHIFTED, [EventKind.TRIGGER_ASKED])) == 1
    assert watched.ledger.verify() == []


def test_an_unscored_week_waits_in_the_triggerer_until_it_is_scored(watched: Live) -> None:
    watched.airflow.pause(f"{SHIFTED}.score")
    watched.ingest(SHIFTED, WEEKS[11], WEEKS[11])
    run_id = watched.airflow.trigger(f"{SHIFTED}.monitor", {"partition": WEEKS[11]})
    _until(lambda: _states(watched, run_id).get("ready") == "deferred")

    watched.airflow.unpause(f"{SHIFTED}.score")
    watched.airflow.trigger(f"{SHIFTED}.score", {"partition": WEEKS[11]})

    assert watched.airflow.wait(f"{SHIFTED}.monitor", run_id)["state"] == "success"
    assert _states(watched, run_id)["decide"] == "success"


def _end_scheduled_training(live: Live) -> None:
    """The weekly schedule would wait for a week of the present, which has no data here, and the others for it."""
    dag_id = f"{SHIFTED}.train"
    _until(lambda: bool(live.airflow.runs(dag_id)))
    for run in live.airflow.runs(dag_id):
        live.airflow.call("PATCH", f"/dags/{dag_id}/dagRuns/{run['dag_run_id']}", json={"state": "failed"})


def _evaluation(live: Live, key: str) -> Evaluation:
    """The first evaluation of a week, once its monitor run has ended."""
    kinds = [EventKind.TRIGGER_ASKED, EventKind.TRIGGER_SUPPRESSED, EventKind.TRIGGER_NOT_NEEDED]

    def found() -> list[Evaluation]:
        evaluations = [Evaluation.model_validate(event.payload) for event in live.ledger.events(SHIFTED, kinds)]
        return [one for one in evaluations if one.decision.key == key]

    _until(lambda: bool(found()))
    evaluation = found()[0]
    assert live.airflow.wait(f"{SHIFTED}.monitor", evaluation.evaluation)["state"] == "success"
    return evaluation


def _states(live: Live, run_id: str) -> dict[str, str]:
    return {one["task_id"]: one["state"] for one in live.airflow.task_instances(f"{SHIFTED}.monitor", run_id)}


def _ended(live: Live, step: str) -> list[dict]:
    return [run for run in live.airflow.runs(f"{SHIFTED}.{step}") if run["state"] in ("success", "failed")]


def _until(reached: Callable[[], bool], timeout_s: float = 240) -> None:
    deadline = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < deadline, f"waited {timeout_s} s"
        time.sleep(0.5)
