"""A new champion on trial. One that is surely worse than the one before, on rows neither has seen, is rolled back."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.perennial.partitions import UTC
from include.perennial.spec.monitor import Rollback
from include.perennial.steps.champion import ChampionStores, NotFit, Trial, TrialOutcome, freeze, try_champion
from include.perennial.stores.ledger import EventKind
from tests.closed_loop import WEEK, Loop, build
from tests.training_runs import publish_frame, toy_frame

RULE = Rollback(trial_periods=3)
LATE_ENOUGH = dt.datetime(2013, 6, 1, tzinfo=UTC)


def announce(loop: Loop) -> None:
    """What ingest tells the ledger of each partition: its delivery, and with it the labels, have come."""
    for key, version in loop.data.partitions("toy").items():
        payload = {"key": key, "sha256": version.sha256}
        loop.ledger.append("toy", EventKind.PARTITION_PUBLISHED, f"{key}:{version.sha256}", payload, "tests")


def look(loop: Loop, key: str = WEEK[7], rule: Rollback = RULE, *, labels: bool = True, **given: Any) -> Trial:
    if labels:
        announce(loop)
    how = {"actor": "run 1", "now_utc": LATE_ENOUGH} | given
    return try_champion(loop.pipeline, key, rule, ChampionStores.open(loop.settings), **how)


@pytest.fixture
def worse(loop: Loop, tmp_path: Path) -> Loop:
    """Champion 4, crowned by force over 3, is a single stump; one week has come since."""
    path = loop.pipeline.folder / "pipeline.yaml"
    spec = yaml.safe_load(path.read_text())
    spec["candidates"]["stump"] = {
        "estimator": "sklearn.ensemble.RandomForestClassifier",
        "params": {"n_estimators": 1, "max_depth": 1, "max_features": 1},
    }
    path.write_text(yaml.safe_dump(spec, sort_keys=False))
    assert loop.train(6, "stump", force=True, reason="a person believed in it").status == "promoted"
    publish_frame(tmp_path, loop.pipeline, loop.data, WEEK[7], toy_frame(7))
    loop.score(7)
    return loop


def test_a_champion_that_is_no_worse_stays(loop: Loop) -> None:
    announce(loop)
    before = loop.ledger.head("toy")

    seen = look(loop, WEEK[6])

    assert (seen.outcome, seen.version, seen.previous) == (TrialOutcome.KEPT, "3", "2")
    assert seen.partitions == (WEEK[6],)
    assert seen.interval[1] > 0
    assert "is not shown to be worse than" in seen.sentence
    assert "98.33 % interval" in seen.sentence  # one of three looks
    assert loop.ledger.head("toy") == before


def test_a_champion_that_is_surely_worse_is_rolled_back_with_the_evidence(worse: Loop) -> None:
    seen = look(worse)

    assert (seen.outcome, seen.version, seen.previous) == (TrialOutcome.ROLLED_BACK, "4", "3")
    assert seen.interval[1] < 0
    assert worse.ledger.champion("toy").version == worse.models.get_alias("toy", "champion") == "3"
    [event] = worse.ledger.events("toy", [EventKind.ROLLED_BACK])
    assert event.actor == f"monitor of {WEEK[7]}"
    assert event.payload["reason"] == seen.sentence
    assert Trial.model_validate(event.payload["evidence"]["trial"]) == seen
    assert worse.ledger.verify() == []


def test_a_second_look_finds_the_roll_back_done_and_mends_the_alias(worse: Loop) -> None:
    first = look(worse)
    worse.models.set_alias("toy", "champion", "4")  # as if killed before the alias followed

    assert look(worse, actor="run 2") == first
    assert worse.models.get_alias("toy", "champion") == "3"
    assert len(worse.ledger.events("toy", [EventKind.ROLLED_BACK])) == 1


def test_a_roll_back_is_not_undone_by_measurement(worse: Loop) -> None:
    look(worse)

    seen = look(worse, WEEK[6])

    assert seen.outcome is TrialOutcome.NOT_ON_TRIAL
    assert "came back by a roll-back" in seen.sentence


def test_a_frozen_pipeline_keeps_its_champion_and_says_that_it_is_worse(worse: Loop) -> None:
    freeze("toy", worse.ledger, reason="audit", actor="boss", dry_run=False)

    seen = look(worse)

    assert seen.outcome is TrialOutcome.FROZEN
    assert "is worse than" in seen.sentence
    assert worse.ledger.champion("toy").version == "4"


def test_if_the_one_before_is_altered_the_champion_stays(worse: Loop) -> None:
    path = worse.artifact("3")
    path.write_bytes(path.read_bytes() + b"x")

    with pytest.raises(NotFit, match=r"Version 3 of toy .* The champion stays version 4"):
        look(worse)
    assert worse.ledger.champion("toy").version == "4"


def test_without_labels_nothing_is_compared(worse: Loop) -> None:
    seen = look(worse, labels=False)

    assert (seen.outcome, seen.partitions) == (TrialOutcome.NOT_COMPARED, ())
    assert worse.ledger.champion("toy").version == "4"


def test_a_week_that_was_not_scored_is_not_looked_at(worse: Loop) -> None:
    for path in worse.settings.home.glob("store/predictions-log/**/v4.parquet"):
        path.unlink()

    assert look(worse).outcome is TrialOutcome.NOT_COMPARED


@pytest.mark.parametrize("week", [4, 5])
def test_a_week_that_a_champion_has_trained_on_is_no_trial(worse: Loop, week: int) -> None:
    assert look(worse, WEEK[week]).outcome is TrialOutcome.NOT_ON_TRIAL


def test_the_trial_ends(loop: Loop, tmp_path: Path) -> None:
    publish_frame(tmp_path, loop.pipeline, loop.data, WEEK[7], toy_frame(7))
    loop.score(7)

    both = look(loop, WEEK[7])
    over = look(loop, WEEK[7], Rollback(trial_periods=1))

    assert both.partitions == (WEEK[6], WEEK[7])
    assert over.outcome is TrialOutcome.NOT_ON_TRIAL
    assert "1 partitions after" in over.sentence


def test_the_first_champion_has_none_before_it(tmp_path: Path) -> None:
    first = build(tmp_path, champions=[(3, "forest")])

    seen = look(first, WEEK[4])

    assert seen.outcome is TrialOutcome.NOT_ON_TRIAL
    assert seen.sentence == "Champion v1 is the first: there is none before it."
