"""Pipelines of hours, of months, and of labels that come later, side by side through the loop of the present.

What was before ``newest``, the partition that the schedules are about, is backfilled and trained on. The newest comes
late: what the schedules have started for it waits, and then goes on.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from embedded.airflow_api import TERMINAL_STATES
from include.perennial.contracts import Decision, Trigger
from include.perennial.monitor.measurement import LabelStatus, Measurement, MeasurementStatus
from include.perennial.partitions import Partition, Period
from include.perennial.stores.ledger import EventKind
from tests.stack.conftest import Live, until
from tests.stack.small_pipelines import ROWS, Outcomes, Small, measured

pytestmark = [pytest.mark.stack, pytest.mark.long, pytest.mark.timeout(900)]

LABEL_DELAY = 2
STEPS = ("ingest", "score", "monitor", "train")


@dataclass(frozen=True)
class World:
    """The three pipelines in the running Airflow; every wait is for all of them."""

    live: Live
    hours: Small
    months: Small
    labelled: Small
    outcomes: Outcomes
    hourly: tuple[str, str]

    @property
    def all(self) -> tuple[Small, Small, Small]:
        return self.hours, self.months, self.labelled

    def write_labelled(self, label_delay: int) -> None:
        """Or write it again; its DAGs are then parsed anew."""
        changed = datetime.now(UTC)
        dags = Path(os.environ["PERENNIAL_DAGS"])
        self.labelled.write(dags, *self.hourly, {"without": ["label"]}, data=self.outcomes.data(label_delay))
        dag_id = f"{self.labelled.name}.labels"
        self.live.airflow.wait_for_dag(dag_id, timeout_s=120)
        self.until(lambda: self._parsed(dag_id) > changed, f"a new look at {dag_id}")

    def _parsed(self, dag_id: str) -> datetime:
        return datetime.fromisoformat(self.live.airflow.call("GET", f"/dags/{dag_id}")["last_parsed_time"])

    def backfill(self, step: str, ranges: dict[Small, tuple[int, int]], at_once: int) -> None:
        """Backfill ``step`` of several pipelines, and wait for all."""
        for small, (first, last) in ranges.items():
            self.live.airflow.backfill(
                f"{small.name}.{step}", small.key(first), small.key(last), max_active_runs=at_once
            )
        for small, (first, last) in ranges.items():
            self.live.wait_for_backfill(f"{small.name}.{step}", small.key(first), small.key(last))

    def scheduled(self, small: Small, step: str) -> dict[str, Any]:
        """The one run that the scheduler has made by itself."""
        runs = self.live.airflow.runs(f"{small.name}.{step}")
        [run] = [run for run in runs if run["run_type"] == "scheduled"]
        return run

    def clear(self, run: dict[str, Any], task: str) -> dict[str, Any]:
        """Clear a task that has failed or waits, as somebody does who knows that there is something now."""
        body = {
            "dry_run": False,
            "only_failed": False,
            "include_downstream": True,
            "dag_run_id": run["dag_run_id"],
            "task_ids": [task],
        }
        self.live.airflow.call("POST", f"/dags/{run['dag_id']}/clearTaskInstances", json=body)
        return run

    def measured(self, small: Small, n: int) -> list[Measurement]:
        return measured(self.live.ledger, small, n)

    def decision(self, small: Small, n: int) -> Decision:
        return self.live.decisions(small.name)[small.key(n)]

    def until(self, reached: Callable[[], bool], what: str) -> None:
        until(reached, what, 240)


@pytest.fixture(scope="module")
def world(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The pipelines after their first hours, months and labels."""
    made = _made(live, tmp_path_factory.mktemp("outcomes") / "outcomes.db")
    try:
        _rows_come(made)
        _champions(made)
        _what_was_late(made)
        yield made
    finally:
        _end(made)


def _made(live: Live, path: Path) -> World:
    pipelines, dags = Path(os.environ["PERENNIAL_PIPELINES"]), Path(os.environ["PERENNIAL_DAGS"])
    now = datetime.now(UTC)
    # The schedule has fired half an hour ago and will half an hour from now, so that no run joins in meanwhile.
    fired = now - timedelta(minutes=30)
    minute = min(fired.minute, 58)
    hourly, monthly = (f"{minute} * * * *", f"{minute + 1} * * * *"), ("0 0 1 * *", "1 0 1 * *")
    hour, month = Partition.containing(fired, Period.HOUR).shift(-1), Partition.containing(now, Period.MONTH).shift(-1)
    hours, months, labelled = (
        Small(name, newest, pipelines / name)
        for name, newest in (("small_hours", hour), ("small_months", month), ("labels_later", hour))
    )
    hours.write(dags, *hourly, {"late": hours.late})
    months.write(dags, *monthly, {"late": months.late})
    world = World(live, hours, months, labelled, Outcomes.made(path, "labels_later", live.airflow), hourly)
    world.write_labelled(label_delay=24)
    for small in world.all:
        for step in STEPS:
            live.airflow.wait_for_dag(f"{small.name}.{step}", timeout_s=120)
    return world


def _rows_come(world: World) -> None:
    for small in world.all:
        for step in ("ingest", "score", "monitor"):
            world.live.airflow.unpause(f"{small.name}.{step}")
    world.backfill("ingest", {world.hours: (-3, -1), world.months: (-3, -1), world.labelled: (-5, -2)}, at_once=4)


def _champions(world: World) -> None:
    labelled, airflow = world.labelled, world.live.airflow
    # Of the newest hours but one the labels are due from now on: the clock cannot be moved, but what is due can.
    world.write_labelled(LABEL_DELAY)
    world.outcomes.tell(labelled, -5, -3)
    for dag_id in (f"{labelled.name}.labels", f"{world.hours.name}.train", f"{world.months.name}.train"):
        airflow.unpause(dag_id)
    airflow.backfill(f"{labelled.name}.labels", labelled.key(-5), labelled.key(-3), max_active_runs=4)
    world.backfill("train", {world.hours: (-1, -1), world.months: (-1, -1)}, at_once=1)
    world.live.wait_for_backfill(f"{labelled.name}.labels", labelled.key(-5), labelled.key(-3))
    airflow.unpause(f"{labelled.name}.train")
    world.backfill("train", {labelled: (-1, -1)}, at_once=1)


def _what_was_late(world: World) -> None:
    airflow, hours, months, labelled = world.live.airflow, world.hours, world.months, world.labelled
    airflow.trigger(f"{labelled.name}.score", {"partition": labelled.key(-LABEL_DELAY)})
    for small in (hours, months):
        small.arrive()
        world.clear(world.scheduled(small, "ingest"), "snapshot")
    for small, n in ((hours, 0), (months, 0), (labelled, -LABEL_DELAY)):
        world.until(lambda small=small, n=n: bool(world.measured(small, n)), f"the measurement of {small.key(n)}")
    for small in (hours, months):
        world.clear(world.scheduled(small, "train"), "plan")
    world.outcomes.tell(labelled, -LABEL_DELAY, -LABEL_DELAY)
    joined = world.clear(world.scheduled(labelled, "labels"), "labels")
    assert airflow.wait(joined["dag_id"], joined["dag_run_id"])["state"] == "success"
    world.clear(world.scheduled(labelled, "train"), "plan")
    world.until(lambda: len(world.measured(labelled, -LABEL_DELAY)) > 1, "the measurement with labels")
    for small in world.all:
        assert airflow.wait(f"{small.name}.train", world.scheduled(small, "train")["dag_run_id"])["state"] == "success"


def _end(world: World) -> None:
    """The next hour would start runs beside other tests."""
    airflow = world.live.airflow
    for small in world.all:
        for step in (*STEPS, *(["labels"] if small is world.labelled else [])):
            airflow.pause(f"{small.name}.{step}")
            for run in airflow.runs(f"{small.name}.{step}"):
                if run["state"] not in TERMINAL_STATES:
                    path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}"
                    airflow.call("PATCH", path, json={"state": "failed"})


@pytest.mark.parametrize("which", ["hours", "months", "labelled"])
def test_airflow_shows_each_schedule_and_which_partition_a_run_is_about(world: World, which: str) -> None:
    small = getattr(world, which)
    ingest, train = ("0 0 1 * *", "1 0 1 * *") if which == "months" else world.hourly
    shown = {step: world.live.airflow.call("GET", f"/dags/{small.name}.{step}/details") for step in STEPS}

    assert {step: dag["timetable_summary"] for step, dag in shown.items()} == {
        "ingest": ingest,
        "train": train,
        "score": "Partitioned Asset",
        "monitor": "Partitioned Asset",
    }
    assert all(dag["timetable_partitioned"] for dag in shown.values())
    for step in ("ingest", "train"):
        assert world.scheduled(small, step)["partition_key"] == small.key(0)
        next_run = datetime.fromisoformat(shown[step]["next_dagrun_run_after"])
        assert Partition.containing(next_run, small.newest.period) == small.newest.shift(2)


@pytest.mark.parametrize("which", ["hours", "months"])
def test_hours_and_months_go_through_the_loop(world: World, which: str) -> None:
    small = getattr(world, which)
    first, next_one = world.decision(small, -1), world.decision(small, 0)
    [measurement] = world.measured(small, 0)

    assert sorted(world.live.data.partitions(small.name)) == [small.key(n) for n in (-3, -2, -1, 0)]
    assert (first.plan.request.trigger, first.judgement.champion_version) == (Trigger.BACKFILL, None)
    assert [ref.key for ref in (*first.plan.train, *first.plan.holdout)] == [small.key(n) for n in (-3, -2, -1)]
    assert (measurement.status, measurement.labels) == (MeasurementStatus.MEASURED, LabelStatus.MATURED)
    assert measurement.champion_cutoff == small.key(-1)
    assert (next_one.plan.request.trigger, next_one.judgement.champion_version) == (Trigger.SCHEDULE, "1")
    assert [ref.key for ref in next_one.plan.holdout] == [small.key(0)]
    assert world.live.ledger.verify() == []


def test_rows_are_published_without_labels_and_once_more_with_them(world: World) -> None:
    small = world.labelled
    published = world.live.ledger.events(small.name, [EventKind.PARTITION_PUBLISHED])
    rows = {small.key(n): [] for n in range(-5, 1)}
    for event in published:
        rows[event.payload["key"]].append((event.payload["rows"], event.payload["rows_labelled"]))

    bare, labelled = (ROWS, 0), (ROWS, ROWS)
    assert rows == {small.key(n): [bare, labelled] for n in range(-5, -1)} | {small.key(-1): [], small.key(0): [bare]}


def test_the_labels_dag_is_about_the_partition_whose_labels_are_due(world: World) -> None:
    dag_id, small = f"{world.labelled.name}.labels", world.labelled
    runs = {(run["run_type"], run["partition_key"]): run["state"] for run in world.live.airflow.runs(dag_id)}

    assert runs == {
        **{("backfill", small.key(n)): "success" for n in (-5, -4, -3)},
        ("scheduled", small.key(-LABEL_DELAY)): "success",
    }
    assert world.live.airflow.call("GET", f"/dags/{dag_id}/details")["timetable_summary"] == world.hourly[0]


def test_the_monitor_measures_without_labels_and_once_more_with_them(world: World) -> None:
    without, with_labels = world.measured(world.labelled, -LABEL_DELAY)

    assert without.labels in (LabelStatus.WAITING, LabelStatus.NEVER_CAME)
    assert (without.matured, without.champion_version) == (None, "1")
    assert (with_labels.labels, with_labels.champion_version) == (LabelStatus.MATURED, "1")
    assert with_labels.matured is not None
    assert with_labels.matured.rows == ROWS


def test_training_uses_the_partition_with_its_labels(world: World) -> None:
    small = world.labelled
    first, next_one = world.decision(small, -1), world.decision(small, 0)
    joined = world.live.data.partitions(small.name)[small.key(-LABEL_DELAY)]

    assert [ref.key for ref in (*first.plan.train, *first.plan.holdout)] == [small.key(n) for n in (-5, -4, -3)]
    assert (next_one.plan.request.trigger, next_one.judgement.champion_version) == (Trigger.SCHEDULE, "1")
    assert [(ref.key, ref.sha256) for ref in next_one.plan.holdout] == [(joined.key, joined.sha256)]
    assert world.live.ledger.verify() == []
