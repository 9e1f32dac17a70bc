"""`make run`: the whole loop on real data, under the real scheduler, with a result a person can read."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from embedded.airflow_api import TERMINAL_STATES, Airflow
from embedded.config import Stack, with_free_ports
from embedded.processes import running_stack
from embedded.report import Outcome, Reader, Timings, Weeks, step_times

PIPELINE = "flight_delays"
FIRST_WEEK, LAST_WEEK = "2013-01-07", "2013-04-29"
FIRST_TRAINED_WEEK = "2013-03-04"
FIRST_WATCHED_WEEK, LAST_WATCHED_WEEK = "2013-05-06", "2013-07-01"
POLL_S = 0.5
TIMEOUT_S = 900

Tell = Callable[[str], None]


class LoopError(RuntimeError):
    """The loop did not close; the message says where and which log to read."""


@dataclass(frozen=True)
class Phase:
    """One backfill: a DAG over the partitions ``first`` to ``last``."""

    dag_id: str
    first: str
    last: str
    max_active_runs: int


JOB = Weeks(FIRST_WEEK, LAST_WEEK, FIRST_TRAINED_WEEK, FIRST_WATCHED_WEEK, LAST_WATCHED_WEEK)


def state(stack: Stack) -> Outcome:
    """What the ledger and the data registry hold of the job's weeks; needs no server."""
    return Reader(stack, PIPELINE).outcome(JOB)


def close_loop(stack: Stack, tell: Tell) -> Outcome:
    """Start Airflow and MLflow, do the job's weeks, stop what was started; what exists is found, not done again.

    Raises:
        LoopError: a run failed or did not end.
        StackError: Airflow or MLflow did not start.
    """
    started = time.monotonic()
    stack = with_free_ports(stack)
    with running_stack(stack, tell):
        tell(f"ready after {time.monotonic() - started:.0f} s, Airflow at {stack.airflow_url}")
        outcome, steps = do_weeks(stack, JOB, tell)
        tell("stopping Airflow and MLflow")
    Timings(wall_s=time.monotonic() - started, steps=steps).save(stack)
    return outcome


def do_weeks(stack: Stack, weeks: Weeks, tell: Tell) -> tuple[Outcome, dict[str, dict[str, float]]]:
    """Ingest, train, judge, promote and watch over ``weeks`` on a running stack; also the seconds of each step.

    Raises:
        LoopError: a run failed or did not end.
    """
    airflow = Airflow(stack)
    phases = (
        Phase(f"{PIPELINE}.ingest", weeks.first, weeks.last, max_active_runs=4),
        # One at a time and in order, so that each candidate meets the champion of its day.
        Phase(f"{PIPELINE}.train", weeks.first_trained, weeks.last, max_active_runs=1),
    )
    for phase in phases:
        _backfill(airflow, stack, phase, tell)
    _watch(airflow, stack, weeks, tell)
    steps = step_times(airflow, [f"{PIPELINE}.{step}" for step in ("ingest", "train", "score", "monitor")])
    return Reader(stack, PIPELINE).outcome(weeks, check_alias=True), steps


def _backfill(airflow: Airflow, stack: Stack, phase: Phase, tell: Tell) -> None:
    airflow.wait_for_dag(phase.dag_id)
    airflow.unpause(phase.dag_id)
    if airflow.active_backfills(phase.dag_id):
        tell(f"backfill of {phase.dag_id}: waiting for the one that was interrupted")
        _until(lambda: not airflow.active_backfills(phase.dag_id), phase.dag_id)
    # Runs that ended well stay as they are; failed ones are run again under the same run id.
    done = {run["dag_run_id"] for run in _runs(airflow, phase) if run["state"] == "success"}
    tell(f"backfill of {phase.dag_id}, {phase.first} to {phase.last}")
    airflow.backfill(phase.dag_id, phase.first, phase.last, max_active_runs=phase.max_active_runs)
    _until(lambda: _tell_ended(airflow, stack, phase, done, tell), phase.dag_id)


def _watch(airflow: Airflow, stack: Stack, weeks: Weeks, tell: Tell) -> None:
    """Let the weeks after the last training come in one by one: score and monitor follow each, as in operation."""
    for step in ("score", "monitor"):
        airflow.wait_for_dag(f"{PIPELINE}.{step}")
        airflow.unpause(f"{PIPELINE}.{step}")
    reader = Reader(stack, PIPELINE)
    keys = reader.keys(weeks.first_watched, weeks.last_watched)
    tell(f"the schedule rests; {keys[0]} to {keys[-1]} come in, are scored and monitored one by one")
    for key in keys:
        if not reader.watched(key, key):
            _ended(airflow, stack, f"{PIPELINE}.ingest", airflow.trigger(f"{PIPELINE}.ingest", {"partition": key}))
            _until(partial(_is_watched, reader, key), f"{PIPELINE}.monitor of {key}")
        [seen] = reader.watched(key, key)
        tell(f"  {key}  {seen.evaluation.decision.outcome}: {seen.evaluation.decision.sentence}")
        if seen.evaluation.training_run_id and not reader.decisions(key, key):
            _ended(airflow, stack, f"{PIPELINE}.train", seen.evaluation.training_run_id)
            tell(f"  {reader.decisions(key, key)[-1].decision.judgement.sentence}")


def _is_watched(reader: Reader, key: str) -> bool:
    return bool(reader.watched(key, key))


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


def _runs(airflow: Airflow, phase: Phase) -> list[dict[str, Any]]:
    """The backfilled runs of the phase's partitions, oldest partition first."""
    runs = [run for run in airflow.runs(phase.dag_id) if run["run_type"] == "backfill"]
    runs = [run for run in runs if phase.first <= run["partition_key"] <= phase.last]
    return sorted(runs, key=lambda run: run["partition_key"])


def _tell_ended(airflow: Airflow, stack: Stack, phase: Phase, told: set[str], tell: Tell) -> bool:
    """Tell each run that has ended since the last look; True when all have."""
    runs = _runs(airflow, phase)
    for run in runs:
        if run["state"] in TERMINAL_STATES and run["dag_run_id"] not in told:
            told.add(run["dag_run_id"])
            tell(f"  {len(told):>2}/{len(runs)}  {run['partition_key']}  {_came_of(airflow, stack, phase, run)}")
    return bool(runs) and len(told) == len(runs)


def _came_of(airflow: Airflow, stack: Stack, phase: Phase, run: dict[str, Any]) -> str:
    """One line on a finished run.

    Raises:
        LoopError: the run failed.
    """
    run_id, key = run["dag_run_id"], run["partition_key"]
    if run["state"] == "failed":
        raise _failure(airflow, stack, phase.dag_id, run_id)
    reader = Reader(stack, PIPELINE)
    if phase.dag_id.endswith(".train"):
        lines = [judged.decision.judgement.sentence for judged in reader.decisions(key, key)]
    else:
        lines = [f"{week.rows:,} rows, {week.rows_quarantined} quarantined" for week in reader.weeks(key, key)]
    return f"{run['duration']:5.1f} s  {lines[-1] if lines else 'nothing new'}"


def _failure(airflow: Airflow, stack: Stack, dag_id: str, run_id: str) -> LoopError:
    failed = [task["task_id"] for task in airflow.task_instances(dag_id, run_id) if task["state"] == "failed"]
    folder = stack.airflow_home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}"
    return LoopError(f"{dag_id} {run_id}: task {', '.join(failed) or 'none'} failed: see {folder}")
