"""What Airflow alone knows of a pipeline: the next training run, runs that failed, tasks that wait for a person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

import sqlalchemy as sa
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import DagRunState, TaskInstanceState
from sqlalchemy.orm import Session

from include.perennial.views.needs import Need, NeedKind

_DAGS = ("ingest", "train", "score", "monitor")
_RUNS_LOOKED_AT = 500
_FAILURES_SHOWN = 5
_UNFINISHED = (DagRunState.QUEUED, DagRunState.RUNNING)


@dataclass(frozen=True)
class AirflowFacts:
    """``next_run_utc`` is None where nothing is scheduled; a paused DAG runs only when it is unpaused.

    ``known`` is False while Airflow has no training DAG of the pipeline; ``running`` counts unfinished training runs.
    """

    known: bool
    paused: bool
    next_run_utc: dt.datetime | None
    next_partition: str | None
    running: int
    needs: tuple[Need, ...]


def airflow_facts(pipeline: str, session: Session, airflow: str) -> AirflowFacts:
    """The facts of ``pipeline``; ``airflow`` is the path below which Airflow's own pages are."""
    dag_ids = [f"{pipeline}.{name}" for name in _DAGS]
    train = session.get(DagModel, f"{pipeline}.train")
    runs = session.execute(
        sa.select(DagRun.dag_id, DagRun.run_id, DagRun.partition_key, DagRun.state, DagRun.end_date)
        .where(DagRun.dag_id.in_(dag_ids))
        .order_by(DagRun.id.desc())
        .limit(_RUNS_LOOKED_AT)
    ).all()
    return AirflowFacts(
        known=train is not None,
        paused=bool(train and train.is_paused),
        next_run_utc=train.next_dagrun_create_after if train else None,
        next_partition=train.next_dagrun_partition_key if train else None,
        running=sum(run.dag_id == f"{pipeline}.train" and run.state in _UNFINISHED for run in runs),
        needs=(*_waiting(dag_ids, session, airflow), *_failed(runs, airflow)),
    )


def _waiting(dag_ids: list[str], session: Session, airflow: str) -> Iterable[Need]:
    query = sa.select(TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.start_date).where(
        TaskInstance.dag_id.in_(dag_ids), TaskInstance.state == TaskInstanceState.AWAITING_INPUT
    )
    for task in session.execute(query):
        yield Need(
            kind=NeedKind.WAITS_FOR_YOU,
            title=f"{task.dag_id}: {task.task_id} waits for an answer",
            text="Approve or reject it under Required Actions.",
            since_utc=task.start_date,
            url=f"{run_path(airflow, task.dag_id, task.run_id)}/required_actions",
        )


def _failed(runs: Iterable[sa.Row], airflow: str) -> Iterable[Need]:
    """Runs that failed, unless a later run of the same DAG and partition did not."""
    latest = {}
    for run in runs:
        latest.setdefault((run.dag_id, run.partition_key or run.run_id), run)
    failed = [run for run in latest.values() if run.state == DagRunState.FAILED]
    for run in failed[:_FAILURES_SHOWN]:
        what = f"for {run.partition_key}" if run.partition_key else run.run_id
        yield Need(
            kind=NeedKind.TASK_FAILED,
            title=f"{run.dag_id} {what} failed",
            text="The log of the failed task says why and what to do; clear the task to go on where it was.",
            since_utc=run.end_date,
            url=run_path(airflow, run.dag_id, run.run_id),
        )
    if more := len(failed) - _FAILURES_SHOWN:
        yield from _more(more)


def _more(more: int) -> Iterable[Need]:
    if more > 0:
        yield Need(kind=NeedKind.TASK_FAILED, title=f"{more} more failed runs", text="Airflow's grid shows them.")


def run_path(airflow: str, dag_id: str, run_id: str) -> str:
    """Path of a DAG run in Airflow's pages."""
    return f"{airflow}/dags/{quote(dag_id)}/runs/{quote(run_id, safe='')}"
