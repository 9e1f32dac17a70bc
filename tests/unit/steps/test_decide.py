"""What the ledger knows of a pipeline becomes the policy's state, and every evaluation an event."""

import datetime as dt
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from include.perennial.contracts import Trigger
from include.perennial.monitor.decision import Outcome, Suppression
from include.perennial.monitor.measurement import MeasurementStatus
from include.perennial.pipeline_folder import Pipeline
from include.perennial.steps.decide import UNANSWERED_FOR, Evaluation, decide_partition
from include.perennial.stores.ledger import EventKind, Ledger
from tests.evaluations import OVER, Monitored, evaluate_and_die, evaluate_many
from tests.training_runs import make_toy
from tests.unit.monitor.measurements import WEEKS


@pytest.fixture
def world(toy: Pipeline, ledger: Ledger) -> Monitored:
    """``toy`` with weeks 0 to 8 published and a champion that has seen weeks up to 7."""
    world = Monitored(toy, ledger)
    world.publish(*range(9))
    world.crown("1", 7)
    return world


def test_persistent_drift_asks_once_and_names_the_training_run(world: Monitored) -> None:
    asked = world.evaluate(world.drifted(9), "run-1")

    assert asked.decision.outcome is Outcome.ASKED
    assert asked.training_run_id == f"drift__{WEEKS[9]}__000001"
    [event] = world.events()
    assert event.kind is EventKind.TRIGGER_ASKED
    assert Evaluation.model_validate(event.payload) == asked


def test_a_repeat_by_the_same_run_finds_what_was_asked(world: Monitored) -> None:
    measurement = world.drifted(9)

    first, again = world.evaluate(measurement, "run-1"), world.evaluate(measurement, "run-1")

    assert again == first
    assert len(world.events()) == 1


def test_a_repeat_finds_its_suppression_even_when_the_reason_is_gone(world: Monitored) -> None:
    measurement = world.drifted(9)
    first = world.evaluate(measurement, "run-1", running=1)

    again = world.evaluate(measurement, "run-1", running=0)

    assert first.decision.reason is Suppression.IN_FLIGHT
    assert again == first
    assert [event.kind for event in world.events()] == [EventKind.TRIGGER_SUPPRESSED]


def test_another_run_over_the_same_partition_is_suppressed_and_recorded(world: Monitored) -> None:
    measurement = world.drifted(9)
    world.evaluate(measurement, "run-1")

    second = world.evaluate(measurement, "run-2")

    assert (second.decision.outcome, second.decision.reason) == (Outcome.SUPPRESSED, Suppression.IN_FLIGHT)
    assert second.training_run_id is None
    assert [event.kind for event in world.events()] == [EventKind.TRIGGER_ASKED, EventKind.TRIGGER_SUPPRESSED]


def test_a_quiet_partition_is_recorded_as_well(world: Monitored) -> None:
    world.publish(9)

    evaluation = world.evaluate(world.measure(9), "run-1")

    assert evaluation.decision.outcome is Outcome.QUIET
    assert [event.kind for event in world.events()] == [EventKind.TRIGGER_NOT_NEEDED]


def test_without_a_champion_nothing_is_asked(toy: Pipeline, ledger: Ledger) -> None:
    world = Monitored(toy, ledger)
    world.publish(9)
    measurement = world.measure(9, champion_seq=None, status=MeasurementStatus.NO_CHAMPION)

    assert world.evaluate(measurement, "run-1").decision.outcome is Outcome.QUIET


def test_a_monitor_run_during_a_training_run_waits_for_its_effect(world: Monitored) -> None:
    evaluation = world.evaluate(world.drifted(9), "run-1", running=1)

    assert evaluation.decision.reason is Suppression.IN_FLIGHT


def test_a_champion_crowned_after_measuring_is_not_blamed(world: Monitored) -> None:
    measurement = world.drifted(9)
    world.crown("2", 8)

    assert world.evaluate(measurement, "run-1").decision.reason is Suppression.CHAMPION_CHANGED


def test_a_champion_that_has_trained_on_the_partition_is_not_blamed(world: Monitored) -> None:
    measurement = world.drifted(9)
    world.crown("2", 9)

    assert world.evaluate(measurement, "run-1").decision.reason is Suppression.OWN_EFFECT


def test_a_retrains_own_effects_cannot_ask_for_the_next(world: Monitored) -> None:
    world.evaluate(world.drifted(9), "run-1")
    world.crown("2", 9)
    world.publish(10)

    after = world.evaluate(world.measure(10, drift=OVER), "run-2")

    assert after.decision.reason is Suppression.NOT_PERSISTENT


def test_a_frozen_pipeline_asks_for_nothing(world: Monitored) -> None:
    measurement = world.drifted(9)
    world.ledger.append(world.name, EventKind.FROZEN, "1", {}, "tests")

    assert world.evaluate(measurement, "run-1").decision.reason is Suppression.FROZEN


def test_data_that_lost_against_this_champion_is_not_tried_again(world: Monitored) -> None:
    measurement = world.drifted(9)
    world.evaluate(measurement, "run-1")
    world.reject(9)

    again = world.evaluate(measurement, "run-2")

    assert again.decision.reason is Suppression.SAME_EVIDENCE_REJECTED


@pytest.mark.parametrize(
    "later",
    [
        pytest.param("bytes", id="the week came again with other bytes"),
        pytest.param("champion", id="it lost against another champion"),
        pytest.param("spec", id="the spec has changed"),
    ],
)
def test_what_lost_under_other_circumstances_may_be_tried_again(world: Monitored, tmp_path: Path, later: str) -> None:
    world.publish(9)
    world.reject(9)
    if later == "bytes":
        world.publish(9, sha="b")
    elif later == "champion":
        world.crown("2", 7)
    else:
        world = Monitored(make_toy(tmp_path, seed=8), world.ledger)

    assert world.evaluate(world.drifted(9), "run-1").decision.outcome is Outcome.ASKED


def test_a_rejected_retrain_is_followed_by_a_cooldown(world: Monitored) -> None:
    world.evaluate(world.drifted(9), "run-1")
    world.reject(9)

    reasons = []
    for week in (10, 11, 12):
        world.publish(week)
        evaluation = world.evaluate(world.measure(week, drift=OVER), f"run-{week}")
        reasons.append(evaluation.decision.reason)

    assert reasons == [Suppression.COOLDOWN, Suppression.COOLDOWN, None]
    assert evaluation.training_run_id == f"drift__{WEEKS[12]}__000002"


@pytest.mark.parametrize(
    ("waited", "reason"),
    [
        pytest.param(UNANSWERED_FOR - dt.timedelta(minutes=1), Suppression.IN_FLIGHT, id="within a run's time"),
        pytest.param(UNANSWERED_FOR + dt.timedelta(minutes=1), None, id="the run never came to a decision"),
    ],
)
def test_a_question_without_an_answer_blocks_no_longer_than_a_run_may_take(
    world: Monitored, waited: dt.timedelta, reason: Suppression | None
) -> None:
    world.evaluate(world.drifted(9), "run-1")
    asked_at = world.events(EventKind.TRIGGER_ASKED)[0].at_utc
    world.publish(10, 11, 12)

    later = world.evaluate(world.drifted(12), "run-2", now_utc=asked_at + waited)

    assert later.decision.reason is reason


def test_twelve_weeks_backfilled_at_once_ask_for_one_retrain(world: Monitored) -> None:
    world.publish(*range(9, 21))
    measurements = [world.measure(week, drift=OVER) for week in range(9, 21)]

    evaluations = [world.evaluate(m, f"run-{m.key}") for m in reversed(measurements)]

    asked = [e.decision.key for e in evaluations if e.decision.outcome is Outcome.ASKED]
    assert asked == [WEEKS[20]]
    assert {e.decision.reason for e in evaluations[1:]} == {Suppression.BACKFILLED_NOT_LATEST}


def test_bad_performance_is_the_trigger_of_its_retrain(world: Monitored) -> None:
    world.publish(9)

    evaluation = world.evaluate(world.measure(9, auc=0.5), "run-1")

    assert evaluation.decision.trigger is Trigger.PERFORMANCE
    assert evaluation.training_run_id == f"performance__{WEEKS[9]}__000001"


def test_of_two_that_decide_at_the_same_moment_one_asks(world: Monitored) -> None:
    measurement = world.drifted(9)
    faster: list[Evaluation] = []

    def overtaken() -> int:
        if not faster:
            faster.append(world.evaluate(measurement, "faster"))
        return 0

    slower = decide_partition(
        measurement, world.pipeline, world.ledger, evaluation="slower", training_runs=overtaken, actor="tests"
    )

    assert faster[0].decision.outcome is Outcome.ASKED
    assert slower.decision.reason is Suppression.IN_FLIGHT
    assert len(world.events(EventKind.TRIGGER_ASKED)) == 1


def test_a_hundred_evaluations_at_once_ask_for_one_retrain(world: Monitored, tmp_path: Path) -> None:
    measurement = world.drifted(9).model_dump_json()
    root, url = str(world.pipeline.folder.parent), f"sqlite:///{tmp_path / 'ledger.db'}"

    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        names = [[f"run-{process}-{n}" for n in range(25)] for process in range(4)]
        done = [pool.submit(evaluate_many, root, url, measurement, mine) for mine in names]
        outcomes = [outcome for future in done for outcome in future.result()]

    assert sorted(outcomes) == ["asked"] + ["suppressed"] * 99
    assert len(world.events(EventKind.TRIGGER_ASKED)) == 1
    suppressed = [Evaluation.model_validate(e.payload) for e in world.events(EventKind.TRIGGER_SUPPRESSED)]
    assert len({e.evaluation for e in suppressed}) == 99
    assert {e.decision.reason for e in suppressed} == {Suppression.IN_FLIGHT}
    assert world.ledger.verify() == []


def test_killed_between_the_decision_and_its_run_the_retry_starts_exactly_one(world: Monitored, tmp_path: Path) -> None:
    measurement = world.drifted(9).model_dump_json()
    runs = tmp_path / "runs"
    runs.mkdir()
    arguments = (str(world.pipeline.folder.parent), f"sqlite:///{tmp_path / 'ledger.db'}", measurement)

    codes = []
    for _ in range(3):
        process = get_context("spawn").Process(target=evaluate_and_die, args=(*arguments, "run-1", str(runs)))
        process.start()
        process.join(60)
        codes.append(process.exitcode)

    assert codes == [-9, 0, 0]
    assert [path.name for path in runs.glob("drift__*")] == [f"drift__{WEEKS[9]}__000001"]
    assert len(world.events()) == 1
