"""What a partition waits for before it is measured, and when the wait is over."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from include.perennial.errors import BadInput, DataError
from include.perennial.partitions import UTC, Partition, Period
from include.perennial.pipeline_folder import Pipeline
from include.perennial.spec import ColumnType
from include.perennial.steps.readiness import EARLIER_ONES_WITHIN, PREDICTIONS_WITHIN, Readiness, readiness
from include.perennial.steps.refuse import refuse
from include.perennial.steps.snapshot import store_snapshot
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.objects import LocalObjects, ObjectStore
from include.perennial.stores.prediction_folder import predictions_of
from include.perennial.stores.prediction_log import PredictionLog, Source
from tests.evaluations import Monitored
from tests.training_runs import SPEC, make_toy
from tests.unit.monitor.measurements import WEEKS

NOW = dt.datetime(2030, 1, 1, tzinfo=UTC)
A_MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return LocalObjects(tmp_path / "store")


@pytest.fixture
def world(toy: Pipeline, ledger: Ledger) -> Monitored:
    """``toy`` with weeks 0 to 9 published and a champion that has seen weeks up to 7."""
    world = Monitored(toy, ledger)
    world.publish(*range(10))
    world.crown("1", 7)
    return world


def score(store: ObjectStore, *weeks: int) -> None:
    for week in weeks:
        source = Source("toy", WEEKS[week], "a" * 64, "1", shadow=False)
        PredictionLog(store).write(
            source, pd.DataFrame({"id": ["x"]}), {"id": ColumnType.STRING}, np.array([0.5]), at=NOW
        )


def look(
    world: Monitored, store: ObjectStore, week: int, waited: dt.timedelta = A_MINUTE, now: dt.datetime = NOW
) -> Readiness:
    return readiness(world.pipeline, WEEKS[week], world.ledger, store, waiting_since_utc=now - waited, now_utc=now)


def test_a_scored_partition_whose_labels_came_with_it_is_ready(world: Monitored, store: ObjectStore) -> None:
    score(store, 8)

    assert look(world, store, 8) == Readiness(key=WEEKS[8], is_ready=True)


def test_a_partition_without_a_champion_waits_for_nothing(world: Monitored, store: ObjectStore) -> None:
    assert look(world, store, 7) == Readiness(key=WEEKS[7], is_ready=True)


def test_a_partition_waits_for_its_predictions_but_not_for_ever(world: Monitored, store: ObjectStore) -> None:
    assert look(world, store, 8) == Readiness(key=WEEKS[8], is_ready=False, waiting_for=("its predictions",))
    assert look(world, store, 8, PREDICTIONS_WITHIN).is_ready


def test_partitions_are_measured_in_their_order(world: Monitored, store: ObjectStore) -> None:
    score(store, 8, 9)

    before = look(world, store, 9)
    world.measure(8)
    after = look(world, store, 9)

    assert before.waiting_for == (f"the measurement of {WEEKS[8]}",)
    assert not before.is_ready
    assert after == Readiness(key=WEEKS[9], is_ready=True)


def test_a_partition_that_nobody_measures_holds_up_the_next_for_minutes_only(
    world: Monitored, store: ObjectStore
) -> None:
    score(store, 8, 9)

    assert look(world, store, 9, EARLIER_ONES_WITHIN).is_ready


def test_a_partition_that_nobody_scored_holds_up_none(world: Monitored, store: ObjectStore) -> None:
    score(store, 9)

    assert look(world, store, 9).is_ready


@pytest.fixture
def rush(ledger: Ledger, tmp_path: Path) -> Monitored:
    """As ``world``, but weeks 8 to 12 come in together, after the champion; a policy that looks at one week only."""
    world = Monitored(make_toy(tmp_path, monitor={"policy": {"violations": 1, "of_last": 1}}), ledger)
    world.publish(*range(8))
    world.crown("1", 7)
    world.publish(*range(8, 13))
    return world


def test_weeks_that_come_in_together_are_measured_in_their_order(rush: Monitored, store: ObjectStore) -> None:
    now = dt.datetime.now(UTC)
    seen = []
    for week in (12, 9, 11, 8, 10):  # as a busy scheduler would have it
        score(store, week)
        ready = True
        while ready:
            waiting = [w for w in range(8, 13) if w not in seen and store.list(predictions_of("toy", WEEKS[w]))]
            ready = [w for w in waiting if look(rush, store, w, now=now).is_ready]
            for w in ready:
                rush.measure(w)
                seen.append(w)

    assert seen == [8, 9, 10, 11, 12]


def test_a_week_that_came_a_while_ago_and_was_never_scored_holds_up_none(rush: Monitored, store: ObjectStore) -> None:
    score(store, 9)
    now = dt.datetime.now(UTC)

    assert not look(rush, store, 9, now=now).is_ready
    assert look(rush, store, 9, now=now + EARLIER_ONES_WITHIN).is_ready


def test_while_those_before_it_move_on_a_week_waits(rush: Monitored, store: ObjectStore) -> None:
    score(store, 8, 9)
    long_since = dt.timedelta(hours=1)

    assert not look(rush, store, 9, long_since, now=dt.datetime.now(UTC)).is_ready


def test_a_week_that_is_being_ingested_is_waited_for_unless_it_is_refused(
    rush: Monitored, store: ObjectStore, tmp_path: Path
) -> None:
    rush.publish(14)
    for week in range(8, 13):
        rush.measure(week)
    score(store, 14)
    (tmp_path / "delivery").mkdir()
    (tmp_path / "delivery" / "week.csv").write_text("id,at\n")
    week_13 = Partition.of_key(WEEKS[13], Period.WEEK)
    snapshot = store_snapshot(rush.pipeline, week_13, tmp_path / "delivery", store)

    before = look(rush, store, 14, now=dt.datetime.now(UTC))
    refuse(snapshot, DataError("a column is gone"), rush.ledger)
    after = look(rush, store, 14, now=dt.datetime.now(UTC))

    assert before.waiting_for == (f"the measurement of {WEEKS[13]}",)
    assert after.is_ready


def test_weeks_from_before_the_first_champion_hold_up_none(toy: Pipeline, ledger: Ledger, store: ObjectStore) -> None:
    world = Monitored(toy, ledger)
    world.publish(*range(10))
    world.crown("1", 7)
    score(store, 9)

    assert look(world, store, 9, now=dt.datetime.now(UTC)).is_ready


def test_all_that_is_missing_must_be_over(world: Monitored, store: ObjectStore) -> None:
    score(store, 8)

    waiting = look(world, store, 9, EARLIER_ONES_WITHIN)

    assert waiting.waiting_for == ("its predictions", f"the measurement of {WEEKS[8]}")
    assert not waiting.is_ready
    assert "waits for its predictions and the measurement" in waiting.sentence


@pytest.fixture
def late(ledger: Ledger, store: ObjectStore, tmp_path: Path) -> Monitored:
    """Labels of ``toy`` are known two weeks later; the newest complete week is scored and delivered just now."""
    world = Monitored(make_toy(tmp_path, data=SPEC["data"] | {"label_delay_periods": 2}), ledger)
    world.crown("1", 7)
    world.publish(8)
    score(store, 8)
    return world


@pytest.mark.parametrize(
    ("weeks_later", "is_ready"),
    [
        pytest.param(0, False, id="not due"),
        pytest.param(2, False, id="due"),
        pytest.param(3, True, id="never came"),
    ],
)
def test_late_labels_are_waited_for_until_the_spec_gives_up(
    late: Monitored, store: ObjectStore, weeks_later: int, is_ready: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    partition = Partition.of_key(WEEKS[8], Period.WEEK)
    _delivered_at(monkeypatch, partition.end_utc + A_MINUTE)

    found = readiness(
        late.pipeline,
        WEEKS[8],
        late.ledger,
        store,
        waiting_since_utc=partition.end_utc,
        now_utc=partition.shift(weeks_later).end_utc,
    )

    assert found.is_ready is is_ready
    assert found.waiting_for == (f"its labels, due on {partition.shift(2).end_utc.date()},",)


def test_a_delivery_made_when_labels_were_due_has_them(late: Monitored, store: ObjectStore) -> None:
    assert look(late, store, 8) == Readiness(key=WEEKS[8], is_ready=True)


def test_what_is_no_partition_is_refused(world: Monitored, store: ObjectStore) -> None:
    with pytest.raises(BadInput, match="2013-03-05"):
        readiness(world.pipeline, "2013-03-05", world.ledger, store, waiting_since_utc=NOW)


def _delivered_at(monkeypatch: pytest.MonkeyPatch, moment: dt.datetime) -> None:
    """Events cannot be backdated in a ledger: read them as if they had been."""
    read = Ledger.events
    monkeypatch.setattr(
        Ledger, "events", lambda self, *args, **kwargs: [replace(e, at_utc=moment) for e in read(self, *args, **kwargs)]
    )
