"""Scenes of the monitor's operators, played in a process of their own: Airflow reads its configuration on import.

``python -m tests.dags.monitor_scenes <scene>`` prints what happened as one line of JSON.
"""

import asyncio
import json
import sys
import threading
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, DagRunTriggerException, TaskDeferred

from include.perennial.alerts import Alert
from include.perennial.pipeline_folder import load_pipeline
from include.perennial.settings import Settings
from include.perennial.spec.alerts import AlertKind, Alerts
from include.perennial.steps.decide import measurement_digest
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.prediction_folder import predictions_of
from perennial_airflow import notifiers
from perennial_airflow.operators.monitor import AlertOperator, DecideOperator, PartitionReadySensor, RetrainOperator
from perennial_airflow.triggers.partition_ready import PartitionReadyTrigger
from tests.evaluations import Monitored
from tests.unit.monitor.measurements import WEEKS

SETTINGS = Settings.from_env()
TOY = load_pipeline("toy", SETTINGS.pipelines)


def _world() -> Monitored:
    return Monitored(TOY, Ledger.open(SETTINGS.ledger_url))


def _context(key: str, *, running: int = 0) -> dict[str, Any]:
    kind = SimpleNamespace(value="asset_triggered")
    run = SimpleNamespace(
        dag_id="toy.monitor", run_id=f"run-{key}", partition_key=key, conf={}, run_type=kind, triggering_user_name=None
    )
    return {"dag_run": run, "params": {}, "ti": Mock(get_dr_count=Mock(return_value=running))}


def _make_scored(*weeks: int) -> None:
    for week in weeks:
        ObjectStore.open(SETTINGS).put_bytes(f"{predictions_of('toy', WEEKS[week])}v1.parquet", b"")


def sensor() -> dict[str, Any]:
    """A week that is scored and one that is not."""
    operator = PartitionReadySensor(task_id="ready", pipeline="toy", poke_interval=7)
    _make_scored(8)
    at_once = operator.execute(_context(WEEKS[8]))
    try:
        operator.execute(_context(WEEKS[9]))
        raise AssertionError("it did not defer")
    except TaskDeferred as deferred:
        path, arguments = deferred.trigger.serialize()
        method = deferred.method_name
    module, _, name = path.rpartition(".")
    again = getattr(__import__(module, fromlist=[name]), name)(**arguments)
    try:
        operator.execute_complete({}, {"error": "cannot be mended"})
        failed = ""
    except AirflowFailException as error:
        failed = str(error)
    return {
        "at_once": at_once,
        "deferred": [arguments["key"], arguments["poke_interval_s"], method],
        "made_anew": again.serialize() == (path, arguments),
        "resumed": operator.execute_complete({}, at_once),
        "failed": failed,
    }


def trigger() -> dict[str, Any]:
    """The trigger sees predictions appear; a slow store does not stop the triggerer's loop."""
    beat = threading.Event()

    class Slow(PartitionReadyTrigger):
        def _look(self) -> dict[str, Any]:
            beat.clear()
            # Not before the loop has gone on meanwhile: a look that holds it up waits in vain.
            assert beat.wait(20), "the loop stood still"
            return super()._look()

    async def play() -> dict[str, Any]:
        waiting = Slow(
            pipeline="toy", key=WEEKS[8], waiting_since_utc="2030-01-01T00:00:00+00:00", poke_interval_s=0.05
        )
        beats = 0
        fired = asyncio.ensure_future(anext(waiting.run()))
        while not fired.done():
            await asyncio.sleep(0.01)
            beat.set()
            beats += 1
            if beats == 20:
                assert not fired.done()
                await asyncio.to_thread(_make_scored, 8)
        broken = PartitionReadyTrigger(
            pipeline="toy", key="2013-03-05", waiting_since_utc="2030-01-01T00:00:00+00:00", poke_interval_s=0.01
        )
        error = await anext(broken.run())
        return {"event": fired.result().payload, "error": error.payload}

    return asyncio.run(play())


def retrain() -> dict[str, Any]:
    """Persistent drift, decided and asked for; then the same by another run, and a quiet week."""
    world = _world()
    said: dict[str, Any] = {}
    drifted = world.drifted(9)
    world.publish(10)
    quiet = world.measure(10)
    for name, measurement, run, running in (
        ("quiet", quiet, "a", 0),
        ("busy", drifted, "b", 1),
        ("late", drifted, "c", 0),
    ):
        said[name] = _decide_and_retrain(measurement, run, running)
    return said


def asked() -> dict[str, Any]:
    """The newest week has drifted: asked once, and a repeat of the run finds the same."""
    measurement = _world().drifted(9)
    return {"first": _decide_and_retrain(measurement, "a", 0), "repeat": _decide_and_retrain(measurement, "a", 0)}


def _decide_and_retrain(measurement: Any, run: str, running: int) -> dict[str, Any]:
    recorded = f"{measurement.key}/{measurement.champion_seq}/{measurement_digest(measurement)}"
    context = _context(measurement.key, running=running)
    context["dag_run"].run_id = run
    decide = DecideOperator(task_id="decide", pipeline="toy", measured={"recorded": recorded})
    evaluation = decide.execute(context)
    said: dict[str, Any] = {"reason": evaluation["decision"]["reason"]}
    try:
        RetrainOperator(task_id="retrain", pipeline="toy", evaluation=evaluation).execute(context)
    except AirflowSkipException as skip:
        said["skipped"] = str(skip)
    except DagRunTriggerException as started:
        said |= {"dag_id": started.trigger_dag_id, "run_id": started.dag_run_id, "conf": started.conf}
        said["logical_date"] = started.logical_date
    try:
        AlertOperator(task_id="alert", pipeline="toy", evaluation=evaluation).execute(context)
    except AirflowSkipException as skip:
        said["alert"] = str(skip)
    return said


def alert() -> dict[str, Any]:
    """One alert through both channels, another that only the triggerer sends, and one with a dead channel."""
    alerts = Alerts.model_validate_json(sys.argv[2])
    text = "{{ 1 / 0 }} <script>alert(1)</script>"
    sent = notifiers.send(Alert(AlertKind.DRIFT, "toy 2013-03-04: drift", text), alerts)
    context = {"dag_run": {"dag_id": "toy.ingest", "dag_run_id": "scheduled__1"}}
    asyncio.run(notifiers.missed_schedule(6.0, {"json": alerts.model_dump_json()}, context=context))
    assert alerts.email is not None
    dead = alerts.model_copy(update={"email": alerts.email.model_copy(update={"connection": "nowhere"})})
    try:
        notifiers.send(Alert(AlertKind.DRIFT, "still told", "by the other channel"), dead)
        failed = ""
    except Exception as error:  # noqa: BLE001 - any library's
        failed = type(error).__name__
    return {"sent": sent, "failed": failed}


if __name__ == "__main__":
    scenes = {"sensor": sensor, "trigger": trigger, "retrain": retrain, "asked": asked, "alert": alert}
    print("RESULT" + json.dumps(scenes[sys.argv[1]]()))
