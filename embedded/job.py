"""`make run`: the whole loop on real data, under the real scheduler, with a result a person can read."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from embedded.airflow_api import TERMINAL_STATES, Airflow
from embedded.config import Stack, dags_folder, with_free_ports
from embedded.plan import Job, fixed
from embedded.processes import running, running_stack
from embedded.report import Outcome, Reader, Timings, step_times
from include.perennial.errors import PerennialError
from include.perennial.partitions import Period

POLL_S = 0.5
TIMEOUT_S = 900
# Seventeen weeks of flights are backfilled, trained on as of nine of them; then nine more come in.
FLIGHTS = fixed("flight_delays", Period.WEEK, "2013-01-07", "2013-03-04", "2013-05-06", "2013-07-01")

Tell = Callable[[str], None]


class LoopError(PerennialError):
    """The loop did not close; the message says where and which log to read."""


@dataclass(frozen=True)
class Phase:
    """One backfill: a DAG over partitions, of which ``todo`` have not been done."""

    dag_id: str
    todo: tuple[str, ...]
    max_active_runs: int


def state(stack: Stack, job: Job) -> Outcome:
    """What the ledger and the data registry hold of the job's partitions; needs no server."""
    return Reader(stack, job.pipeline).outcome(job)


def close_loop(stack: Stack, job: Job, tell: Tell) -> Outcome:
    """Ingest, train, judge, promote and watch over the job's partitions; what exists is found, not done again.

    Raises:
        LoopError: the pipeline has no DAGs, or a run failed or did not end.
        StackError: Airflow or MLflow did not start.
    """
    started = time.monotonic()
    name = job.pipeline
    if not (dags_folder() / f"{name}.py").exists():
        raise LoopError(
            f"{dags_folder() / name}.py does not exist: copy dags/flight_delays.py and put {name!r} into it"
        )
    if not running(stack):
        stack = with_free_ports(stack)
    with running_stack(stack, tell):
        tell(f"ready after {time.monotonic() - started:.0f} s, Airflow at {stack.airflow_url}")
        outcome, steps = do(stack, job, tell)
        tell("stopping Airflow and MLflow")
    Timings(wall_s=time.monotonic() - started, steps=steps).save(stack, name)
    return outcome


def do(stack: Stack, job: Job, tell: Tell) -> tuple[Outcome, dict[str, dict[str, float]]]:
    """The partitions of the job on a running stack; also the seconds of each step.

    Raises:
        LoopError: a run failed or did not end.
    """
    name = job.pipeline
    airflow, reader = Airflow(stack), Reader(stack, name)
    _backfill(airflow, stack, job, Phase(f"{name}.ingest", reader.not_ingested(job.ingested), 4), tell)
    # One at a time and in order, so that each candidate meets the champion of its day.
    _backfill(airflow, stack, job, Phase(f"{name}.train", reader.not_judged(job.trained), 1), tell)
    _watch(airflow, stack, job, tell)
    steps = step_times(airflow, [f"{name}.{step}" for step in ("ingest", "train", "score", "monitor")])
    return Reader(stack, name).outcome(job, check_alias=True), steps


def _backfill(airflow: Airflow, stack: Stack, job: Job, phase: Phase, tell: Tell) -> None:
    _unpaused(airflow, phase.dag_id)
    for first, last in job.runs(phase.todo):
        _until_backfilled(airflow, phase, tell)
        keys = [key for key in phase.todo if first <= key <= last]
        tell(f"backfill of {phase.dag_id}, {first} to {last}")
        # What an earlier run left, failed or of another spec, is run again under the same run id.
        airflow.backfill(phase.dag_id, first, last, max_active_runs=phase.max_active_runs, again="completed")
        told: set[str] = set()
        _until(partial(_tell_ended, airflow, stack, phase.dag_id, keys, told, tell), phase.dag_id)


def _until_backfilled(airflow: Airflow, phase: Phase, tell: Tell) -> None:
    if airflow.active_backfills(phase.dag_id):
        tell(f"backfill of {phase.dag_id}: waiting until Airflow has closed the one before")
        _until(lambda: not airflow.active_backfills(phase.dag_id), phase.dag_id)


def _unpaused(airflow: Airflow, dag_id: str) -> None:
    try:
        airflow.wait_for_dag(dag_id)
    except TimeoutError as error:
        raise LoopError(str(error)) from None
    airflow.unpause(dag_id)


def _watch(airflow: Airflow, stack: Stack, job: Job, tell: Tell) -> None:
    """Let the partitions after the last training come in one by one: score and monitor follow, as in operation."""
    name, keys = job.pipeline, job.watched
    for step in ("score", "monitor"):
        _unpaused(airflow, f"{name}.{step}")
    reader = Reader(stack, name)
    if reader.champion_of(keys[0]) is None:
        tell(f"nobody is champion for {keys[0]}: there is nothing to score and monitor with")
        return
    tell(f"the schedule rests; {keys[0]} to {keys[-1]} come in, are scored and monitored one by one")
    # What has failed before may have been mended since.
    earlier = {run["dag_run_id"] for step in ("score", "monitor") for run in airflow.runs(f"{name}.{step}")}
    for key in keys:
        if not reader.watched(key, key):
            _ended(airflow, stack, f"{name}.ingest", airflow.trigger(f"{name}.ingest", {"partition": key}))
            _until(partial(_is_watched, airflow, stack, reader, name, key, earlier), f"{name}.monitor of {key}")
        [seen] = reader.watched(key, key)
        tell(f"  {key}  {seen.evaluation.decision.outcome}: {seen.evaluation.decision.sentence}")
        if seen.evaluation.training_run_id and not reader.decisions(key, key):
            _ended(airflow, stack, f"{name}.train", seen.evaluation.training_run_id)
            tell(f"  {reader.decisions(key, key)[-1].decision.judgement.sentence}")
    # Reports and alerts follow the answer: stopped in the middle they would be failed tasks.
    _until(lambda: all(run["state"] in TERMINAL_STATES for run in airflow.runs(f"{name}.monitor")), f"{name}.monitor")
    for run in airflow.runs(f"{name}.monitor"):
        if run["state"] == "failed" and run["dag_run_id"] not in earlier:
            raise _failure(airflow, stack, f"{name}.monitor", run["dag_run_id"])


def _is_watched(airflow: Airflow, stack: Stack, reader: Reader, name: str, key: str, earlier: set[str]) -> bool:
    """Whether the monitor has recorded its answer, in another run than the ``earlier`` ones.

    Raises:
        LoopError: the run that should have is not going to.
    """
    if reader.watched(key, key):
        return True
    for dag_id in (f"{name}.score", f"{name}.monitor"):
        for run in airflow.runs(dag_id):
            failed = run["partition_key"] == key and run["state"] == "failed"
            if failed and run["dag_run_id"] not in earlier:
                raise _failure(airflow, stack, dag_id, run["dag_run_id"])
    return False


def _ended(airflow: Airflow, stack: Stack, dag_id: str, run_id: str) -> None:
    """Wait for a run to succeed.

    Raises:
        LoopError: it failed.
    """
    _until(lambda: _is_ended(airflow, dag_id, run_id), f"{dag_id} {run_id}")
    if airflow.run(dag_id, run_id)["state"] == "failed":
        raise _failure(airflow, stack, dag_id, run_id)


def _is_ended(airflow: Airflow, dag_id: str, run_id: str) -> bool:
    # The run that a monitor asks for is created a moment after it was asked for.
    runs = {run["dag_run_id"]: run["state"] for run in airflow.runs(dag_id)}
    return runs.get(run_id) in TERMINAL_STATES


def _until(ended: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not ended():
        if time.monotonic() > deadline:
            raise LoopError(f"{what} did not end in {TIMEOUT_S} s: see its runs in Airflow (`make up`)")
        time.sleep(POLL_S)


def _tell_ended(airflow: Airflow, stack: Stack, dag_id: str, keys: list[str], told: set[str], tell: Tell) -> bool:
    """Tell each backfilled run of ``keys`` that has ended since the last look; True when all have."""
    runs = [run for run in airflow.runs(dag_id) if run["run_type"] == "backfill" and run["partition_key"] in keys]
    for run in sorted(runs, key=lambda run: run["partition_key"]):
        if run["state"] in TERMINAL_STATES and run["dag_run_id"] not in told:
            told.add(run["dag_run_id"])
            tell(f"  {len(told):>2}/{len(runs)}  {run['partition_key']}  {_came_of(airflow, stack, dag_id, run)}")
    return bool(runs) and len(told) == len(runs)


def _came_of(airflow: Airflow, stack: Stack, dag_id: str, run: dict[str, Any]) -> str:
    """One line on a finished run.

    Raises:
        LoopError: the run failed.
    """
    run_id, key = run["dag_run_id"], run["partition_key"]
    if run["state"] == "failed":
        raise _failure(airflow, stack, dag_id, run_id)
    name, _, step = dag_id.partition(".")
    reader = Reader(stack, name)
    if step == "train":
        lines = [judged.decision.judgement.sentence for judged in reader.decisions(key, key)]
    else:
        lines = [f"{week.rows:,} rows, {week.rows_quarantined} quarantined" for week in reader.weeks(key, key)]
    return f"{run['duration']:5.1f} s  {lines[-1] if lines else 'nothing new'}"


def _failure(airflow: Airflow, stack: Stack, dag_id: str, run_id: str) -> LoopError:
    failed = [task for task in airflow.task_instances(dag_id, run_id) if task["state"] == "failed"]
    names = ", ".join(task["task_id"] for task in failed) or "none"
    why = next((f": {text}" for task in failed if (text := airflow.error_of(task))), "")
    folder = stack.airflow_home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}"
    return LoopError(f"{dag_id} {run_id}: task {names} failed{why}\nIts logs are in {folder}")
