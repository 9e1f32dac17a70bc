"""The loop under the real scheduler, on the real data, in the order in which a user would meet it."""

import os
import shlex
import signal
import subprocess
import time
from datetime import UTC, datetime

import psutil
import pytest

from embedded import processes
from embedded.airflow_api import ApiError
from embedded.config import PROJECT
from include.perennial.contracts import Trigger, Verdict
from include.perennial.partitions import Partition, Period
from include.perennial.stores.ledger import EventKind
from tests.documents import commands_of
from tests.stack.conftest import SECOND, Live

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

PIPELINE = "flight_delays"
WEEKS = [Partition.of_key("2013-01-07", Period.WEEK).shift(n).key for n in range(16)]
PAST, CROWNED, NEXT, LATER = WEEKS[8:11], WEEKS[12], WEEKS[13], WEEKS[14]
LAST_COMPLETE = Partition.containing(datetime.now(UTC), Period.WEEK).shift(-1)


def test_every_dag_is_published_without_import_errors(live: Live) -> None:
    for pipeline in (PIPELINE, SECOND):
        for step in ("ingest", "train"):
            live.airflow.wait_for_dag(f"{pipeline}.{step}")

    assert live.airflow.import_errors() == []


def test_the_documented_command_backfills_eight_weeks_of_ingest(live: Live) -> None:
    dag_id = f"{PIPELINE}.ingest"
    live.airflow.unpause(dag_id)
    [command] = [line for line in commands_of(PROJECT / "docs" / "starting-a-run.md") if "backfill create" in line]

    done = subprocess.run(shlex.split(command), env=live.env, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    live.wait_for_backfill(dag_id, WEEKS[0], WEEKS[7])
    assert set(WEEKS[:8]) <= set(live.data.partitions(PIPELINE))


def test_ingesting_the_same_week_again_changes_nothing(live: Live) -> None:
    head, version = live.data.head(), live.data.partitions(PIPELINE)[WEEKS[0]]

    run_id = live.airflow.trigger(f"{PIPELINE}.ingest", {"partition": WEEKS[0]})

    assert live.airflow.wait(f"{PIPELINE}.ingest", run_id)["state"] == "success"
    assert live.data.head() == head
    assert live.data.partitions(PIPELINE)[WEEKS[0]].sha256 == version.sha256


def test_the_data_docs_button_opens_a_sandboxed_report(live: Live) -> None:
    dag_id = f"{PIPELINE}.ingest"
    run = next(run for run in live.airflow.runs(dag_id) if run["partition_key"] == WEEKS[0])

    links = live.airflow.call("GET", f"/dags/{dag_id}/dagRuns/{run['dag_run_id']}/taskInstances/validate/links")
    address = links["extra_links"]["Data docs"]
    reply = live.airflow.get(address)

    assert address.startswith(live.stack.airflow_url)
    assert reply.status_code == 200
    assert reply.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert WEEKS[0] in reply.text


@pytest.mark.parametrize(
    ("conf", "told"),
    [
        pytest.param({"partition": "last week"}, "partition", id="partition is not a date"),
        pytest.param({"force": "yes"}, "force", id="force is not a boolean"),
        pytest.param({"overrides": {"xgboost": {}}}, "overrides", id="unknown candidate"),
        pytest.param({"reason": "x" * 501}, "reason", id="reason too long"),
    ],
)
def test_a_bad_form_is_refused_by_its_schema(live: Live, conf: dict, told: str) -> None:
    with pytest.raises(ApiError, match=told) as refused:
        live.airflow.trigger(f"{PIPELINE}.train", conf)

    assert refused.value.status == 400


def test_a_manual_run_crowns_the_first_champion(live: Live) -> None:
    dag_id = f"{PIPELINE}.train"
    live.ingest(PIPELINE, WEEKS[8], WEEKS[14])
    live.airflow.unpause(dag_id)

    run_id = live.airflow.trigger(dag_id, {"partition": CROWNED, "reason": "first model"})

    assert live.airflow.wait(dag_id, run_id)["state"] == "success"
    decision = live.decisions(PIPELINE)[CROWNED]
    champion = live.ledger.champion(PIPELINE)
    assert decision.plan.request.trigger is Trigger.MANUAL
    assert champion is not None
    assert champion.run_key == decision.plan.run_key
    assert live.models.get_alias(PIPELINE, "champion") == champion.version


def test_past_weeks_in_order_register_but_do_not_take_the_crown(live: Live) -> None:
    champion = live.ledger.champion(PIPELINE)
    dag_id = f"{PIPELINE}.train"

    runs = live.backfill(dag_id, PAST[0], PAST[-1], max_active_runs=1)

    assert [run["partition_key"] for run in runs] == PAST
    decisions = live.decisions(PIPELINE)
    assert {decisions[key].plan.request.trigger for key in PAST} == {Trigger.BACKFILL}
    assert Verdict.PASSED not in {decisions[key].judgement.verdict for key in PAST}
    assert live.ledger.champion(PIPELINE) == champion
    assert live.models.get_alias(PIPELINE, "champion") == champion.version


def test_the_weekly_schedule_trains_on_the_newest_week(live: Live) -> None:
    """The source replays 2013 in the present, so a live schedule has data; training is unpaused first and waits."""
    live.airflow.unpause(f"{SECOND}.ingest")
    live.ingest(SECOND, LAST_COMPLETE.shift(-8).key, LAST_COMPLETE.shift(-1).key)

    live.airflow.unpause(f"{SECOND}.train")
    run = _scheduled_run(live, f"{SECOND}.train")

    assert run["partition_key"] == LAST_COMPLETE.key
    assert live.airflow.wait(f"{SECOND}.train", run["dag_run_id"])["state"] == "success"
    decision = live.decisions(SECOND)[LAST_COMPLETE.key]
    assert decision.plan.request.trigger is Trigger.SCHEDULE
    assert live.ledger.champion(SECOND).cutoff == LAST_COMPLETE.key


@pytest.mark.long
def test_past_weeks_backwards_give_the_same_digests(live: Live) -> None:
    champion = live.ledger.champion(SECOND)
    live.ingest(SECOND, WEEKS[0], PAST[-1])

    runs = live.backfill(f"{SECOND}.train", PAST[0], PAST[-1], max_active_runs=1, backwards=True)

    assert [run["partition_key"] for run in runs] == PAST[::-1]
    forwards, backwards = live.decisions(PIPELINE), live.decisions(SECOND)
    for key in PAST:
        assert backwards[key].plan.window_digest == forwards[key].plan.window_digest
        assert backwards[key].prediction_digest == forwards[key].prediction_digest
        assert backwards[key].metrics == forwards[key].metrics
    assert live.ledger.champion(SECOND) == champion


@pytest.mark.parametrize("task", ["judge", "promote"])
def test_a_killed_task_leaves_one_version_and_one_champion_after_its_retry(live: Live, task: str) -> None:
    week = {"judge": NEXT, "promote": LATER}[task]
    dag_id = f"{PIPELINE}.train"

    run_id = live.airflow.trigger(dag_id, {"partition": week})
    killed = _kill_running_task(live, dag_id, run_id, task)

    assert live.airflow.wait(dag_id, run_id)["state"] == "success"
    tries = [t["try_number"] for t in live.airflow.task_instances(dag_id, run_id) if t["task_id"] == task]
    assert tries == [2], f"killed {killed}"
    _assert_one_truth(live, week)


def test_a_killed_scheduler_loses_nothing(live: Live) -> None:
    dag_id = f"{PIPELINE}.train"
    week = WEEKS[15]
    live.ingest(PIPELINE, week, week)
    run_id = live.airflow.trigger(dag_id, {"partition": week})
    _wait_for_task(live, dag_id, run_id, "fit", ("running",))

    _kill(live, "scheduler")
    processes.start(live.stack)

    assert live.airflow.wait(dag_id, run_id, timeout_s=400)["state"] == "success"
    _assert_one_truth(live, week)


def test_mlflow_down_fails_the_task_and_the_retry_succeeds(live: Live) -> None:
    dag_id = f"{PIPELINE}.train"
    champion = live.ledger.champion(PIPELINE)
    _kill(live, "mlflow")

    conf = {"partition": WEEKS[15], "overrides": {"logistic_regression": {"C": 0.5}}, "reason": "while MLflow is down"}
    run_id = live.airflow.trigger(dag_id, conf)
    failed = _wait_for_task(live, dag_id, run_id, "fit", ("up_for_retry", "failed"))

    text = live.airflow.log(dag_id, run_id, "fit", 1, failed["map_index"])
    assert "MLflow" in text
    assert live.ledger.champion(PIPELINE) == champion
    processes.start(live.stack)
    assert live.airflow.wait(dag_id, run_id)["state"] == "success"
    assert live.ledger.verify() == []


def _kill(live: Live, name: str) -> None:
    """Kill -9 a process of the stack and its children, and see it gone."""
    os.killpg(processes.running(live.stack)[name], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while name in processes.running(live.stack):
        assert time.monotonic() < deadline, f"{name} survived"
        time.sleep(0.05)


def _scheduled_run(live: Live, dag_id: str) -> dict:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        runs = [run for run in live.airflow.runs(dag_id) if run["run_type"] == "scheduled"]
        if runs:
            return runs[0]
        time.sleep(0.3)
    raise TimeoutError(f"{dag_id} was not scheduled")


def _wait_for_task(live: Live, dag_id: str, run_id: str, task: str, states: tuple[str, ...]) -> dict:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for one in live.airflow.task_instances(dag_id, run_id):
            if one["task_id"] == task and one["state"] in states:
                return one
        time.sleep(0.03)
    raise TimeoutError(f"{task} of {run_id} was never {states}")


def _kill_running_task(live: Live, dag_id: str, run_id: str, task: str) -> str:
    """Kill -9 the process that runs the task: the youngest child of its supervisor."""
    instance = _wait_for_task(live, dag_id, run_id, task, ("running",))
    process = psutil.Process(instance["pid"])
    os.kill(process.pid, signal.SIGKILL)
    return " ".join(process.cmdline()) if process.is_running() else str(process.pid)


def _assert_one_truth(live: Live, week: str) -> None:
    run_key = live.decisions(PIPELINE)[week].plan.run_key
    registered = [e for e in live.ledger.events(PIPELINE, [EventKind.REGISTERED]) if e.key == run_key]
    champion = live.ledger.champion(PIPELINE)
    assert len(registered) <= 1
    assert champion is not None
    assert live.models.get_alias(PIPELINE, "champion") == champion.version
    assert live.ledger.verify() == []
