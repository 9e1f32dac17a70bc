"""A policy goes through the partitions in order, and nothing looks ahead."""

import functools
from collections.abc import Callable
from dataclasses import replace

import pytest

from include.perennial.contracts import Trigger, Verdict
from include.perennial.monitor.decision import Outcome, Suppression
from include.perennial.replay.policies import parse_policy
from include.perennial.replay.records import Walk
from include.perennial.replay.walk import Course, prepare, walk
from include.perennial.stores.datasets import DataRegistry
from tests.training_runs import with_gate
from tests.unit.replay.conftest import World, keys

Gone = Callable[[str], Walk]
WATCHING = ["drift", "performance", "drift+performance"]


def go(course: Course, policy: str) -> Walk:
    return walk(course, parse_policy(policy))


def trained_at(walked: Walk) -> list[str]:
    return [tick.key for tick in walked.ticks if tick.training]


@pytest.fixture(scope="module")
def changed(changed_world: World) -> Course:
    """Weeks 3 to 11; the world changes with week 7. The first champion is trained as of week 3."""
    return changed_world.course(3, 11)


@pytest.fixture(scope="module")
def gone(changed: Course) -> Gone:
    """The whole way of a policy, gone once."""
    return functools.cache(lambda policy: go(changed, policy))


def test_never_trains_the_first_champion_and_no_other(gone: Gone) -> None:
    walked = gone("never")

    assert trained_at(walked) == list(keys(3, 3))
    assert [tick.champion for tick in walked.ticks] == [None, *[keys(3, 3)[0]] * 8]


def test_the_schedule_trains_every_period(gone: Gone) -> None:
    assert trained_at(gone("schedule")) == list(keys(3, 11))


def test_the_schedule_of_every_third_period_counts_from_the_first_champion(gone: Gone) -> None:
    assert trained_at(gone("schedule/3")) == [*keys(3, 3), *keys(6, 6), *keys(9, 9)]


@pytest.mark.parametrize("policy", ["never", "schedule", *WATCHING])
def test_no_partition_is_scored_by_a_model_that_has_seen_it(gone: Gone, policy: str) -> None:
    scored = [tick for tick in gone(policy).ticks if tick.champion]

    assert len(scored) == 8
    assert all(tick.champion_cutoff is not None and tick.champion_cutoff < tick.key for tick in scored)


@pytest.mark.parametrize("policy", ["schedule", *WATCHING])
def test_the_future_changes_nothing_of_the_past(changed: Course, gone: Gone, policy: str) -> None:
    early = go(replace(changed, keys=changed.keys[:6]), policy).ticks
    whole = gone(policy).ticks[:6]

    said = [[tick.model_dump(include={"key", "champion", "metrics"}) for tick in ticks] for ticks in (early, whole)]
    assert said[0] == said[1]
    assert [tick.decision for tick in early] == [tick.decision for tick in whole]


@pytest.mark.parametrize(("policy", "trigger"), [*zip(WATCHING, ["drift", "performance", "performance"], strict=True)])
def test_a_changed_world_is_noticed_when_it_changes(gone: Gone, policy: str, trigger: str) -> None:
    walked = gone(policy)

    first = next(tick for tick in walked.ticks if tick.training and tick.training.is_alarm)
    assert first.key == keys(7, 7)[0]
    assert first.training is not None
    assert first.training.trigger is Trigger(trigger)
    assert first.decision is not None
    assert first.decision.outcome is Outcome.ASKED


def test_before_the_world_changes_nothing_is_asked_for(gone: Gone) -> None:
    decisions = [tick.decision for tick in gone("drift+performance").ticks if tick.key < keys(7, 7)[0]]

    assert [decision.outcome for decision in decisions if decision] == [Outcome.QUIET] * 3


def test_a_rejected_retrain_is_followed_by_the_cooldown(gone: Gone) -> None:
    # The holdout is of the changed world, and so is nothing that the candidate has trained on: it cannot pass.
    walked = gone("performance")

    by_key = {tick.key: tick for tick in walked.ticks}
    asked, next_one = by_key[keys(7, 7)[0]], by_key[keys(8, 8)[0]]
    assert asked.training is not None
    assert asked.training.verdict is Verdict.REJECTED
    assert next_one.decision is not None
    assert next_one.decision.reason is Suppression.COOLDOWN
    assert next_one.champion == asked.champion


def test_hindsight_is_of_alarms_and_of_later_partitions_only(changed: Course, gone: Gone) -> None:
    for tick in gone("drift+performance").ticks:
        if tick.training and tick.training.is_alarm and tick.key != changed.keys[-1]:
            assert tick.training.hindsight is not None
            assert min(tick.training.hindsight.partitions) > tick.key
        elif tick.training:
            assert tick.training.hindsight is None


def test_a_policy_pays_for_its_trainings_even_if_another_has_fitted_them(changed: Course, gone: Gone) -> None:
    for key in changed.keys:
        prepare(changed, key)

    cost = {policy: sum(t.cpu_s for t in gone(policy).trainings) for policy in ("never", "schedule")}

    assert cost["never"] > 0.05
    assert cost["schedule"] > 3 * cost["never"]


def test_a_missing_partition_is_neither_scored_nor_trained_on(world: World) -> None:
    world.deliver(5).unlink()

    ticks = {tick.key: tick for tick in go(world.course(4, 6), "schedule").ticks}

    missing, after = ticks[keys(5, 5)[0]], ticks[keys(6, 6)[0]]
    assert (missing.champion, missing.training, missing.metrics) == (None, None, {})
    assert "no file" in missing.note
    assert after.champion == keys(4, 4)[0]
    assert after.training is not None


def test_without_enough_partitions_training_waits_and_says_why(world: World) -> None:
    ticks = go(world.course(0, 4), "never").ticks

    assert [tick.training is not None for tick in ticks] == [False, False, False, True, False]
    assert "a training run needs 4" in ticks[0].note


def test_a_first_model_that_fails_the_gate_is_tried_again(world: World) -> None:
    strict = replace(world.course(4, 6), pipeline=with_gate(world.pipeline, min_rows=10_000))

    walked = go(strict, "never")

    assert [training.verdict for training in walked.trainings] == [Verdict.REJECTED] * 3
    assert all(tick.champion is None for tick in walked.ticks)


def test_a_replay_touches_neither_registry_nor_ledger_nor_tracking(world: World) -> None:
    go(world.course(4, 6), "drift+performance")

    assert DataRegistry.open(world.settings).head() == ""
    kept = {path.name for path in world.settings.home.iterdir()}
    assert kept & {"ledger.db", "mlflow.db", "store", "mlflow-artifacts"} == set()
