"""One look at a pipeline: champion, trials since, drift, newest data, and what needs a person."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.perennial.contracts import Trigger, Verdict
from include.perennial.settings import Settings
from include.perennial.stores.ledger import EventKind, Ledger
from include.perennial.views.needs import NeedKind
from include.perennial.views.overview import PipelineOverview, overview, pipeline_names
from include.perennial.views.trials import Became
from tests.evaluations import OVER, Monitored
from tests.histories import History
from tests.unit.monitor.measurements import WEEKS

Look = Callable[[], Any]
AS_OF = ["2013-03-04", "2013-03-11", "2013-03-18", "2013-03-25"]


@pytest.fixture
def look(settings: Settings, ledger: Ledger) -> Look:
    return lambda: overview("toy", settings, ledger)


def test_a_pipeline_without_a_history_has_nothing_to_show_and_needs_nobody(look: Look) -> None:
    seen = look()

    assert (seen.champion, seen.tried, seen.watch, seen.newest, seen.needs) == (None, (), None, None, ())


def test_the_champion_is_shown_with_who_crowned_it_and_why(look: Look, history: History) -> None:
    history.win("1", AS_OF[0])
    decision = history.win("2", AS_OF[1], score=0.8)

    crown = look().champion

    assert (crown.version, crown.over, crown.actor, crown.how) == ("2", "1", "promoter", EventKind.PROMOTED)
    assert crown.why == decision.judgement.sentence
    assert (crown.candidate, crown.as_of, crown.run_key) == ("logistic", AS_OF[1], "run-2")


def test_what_was_tried_since_the_crowning_says_why_it_was_not_promoted(look: Look, history: History) -> None:
    history.judge("before", AS_OF[0], verdict=Verdict.REJECTED)
    history.win("1", AS_OF[0])
    rejected = history.judge("rejected", AS_OF[1], score=0.1)
    passed = history.judge("refused", AS_OF[2], score=0.9)
    history.refuse(passed, "2", "The champion was better by then.")
    history.judge("dry", AS_OF[3], dry_run=True)

    tried = look().tried

    assert [(trial.key, trial.became) for trial in tried] == [
        ("dry/d1", Became.DRY_RUN),
        ("refused", Became.REFUSED),
        ("rejected", Became.REJECTED),
    ]
    assert tried[1].why == "The champion was better by then."
    assert tried[2].why == rejected.judgement.sentence


def test_a_skipped_run_is_tried_without_a_decision(look: Look, history: History) -> None:
    request = history.judge("run", AS_OF[0], verdict=Verdict.REJECTED).plan.request
    payload = {"request": request.model_dump(mode="json"), "why": {"reason": "too_few", "sentence": "Too few weeks."}}
    history.ledger.append("toy", EventKind.TRAINING_SKIPPED, "r", payload, "t")

    skipped = look().tried[0]

    assert (skipped.key, skipped.became, skipped.why) == (None, Became.SKIPPED, "Too few weeks.")


def test_the_newest_partition_is_the_newest_by_its_days_in_its_last_version(look: Look, history: History) -> None:
    history.publish("2013-03-11", rows=5)
    history.publish("2013-03-04", rows=6)
    history.publish("2013-03-11", rows=7, sha256="z")

    assert (look().newest.key, look().newest.rows, look().newest.docs) == ("2013-03-11", 7, "d" * 16 + ".html")


def test_drift_that_may_not_ask_for_a_retrain_needs_a_person(look: Look, world: Monitored) -> None:
    world.publish(*range(9))
    world.crown("1", 7)
    world.ledger.append("toy", EventKind.FROZEN, "f", {"reason": "audit"}, "ana")
    world.evaluate(world.drifted(9), "run-1")

    seen = look()

    assert [need.kind for need in seen.needs] == [NeedKind.FROZEN, NeedKind.NO_RETRAIN]
    assert seen.frozen
    assert (seen.needs[0].text, "ana" in seen.needs[0].title) == ("audit", True)
    assert (seen.watch.key, seen.watch.n_over, seen.watch.furthest.value) == (WEEKS[9], 1, OVER)


def test_drift_of_a_champion_that_was_replaced_needs_nobody(look: Look, world: Monitored) -> None:
    world.publish(*range(9))
    world.crown("1", 7)
    world.ledger.append("toy", EventKind.FROZEN, "f", {"reason": "audit"}, "ana")
    world.evaluate(world.drifted(9), "run-1")
    world.ledger.append("toy", EventKind.UNFROZEN, "u", {"reason": "done"}, "ana")
    world.crown("2", 9)

    assert look().needs == ()


def test_no_model_that_passed_needs_a_person(look: Look, history: History) -> None:
    decision = history.judge("first", AS_OF[0], verdict=Verdict.REJECTED)

    [need] = look().needs

    assert (need.kind, need.run_key, need.text) == (NeedKind.NO_CHAMPION, "first", decision.judgement.sentence)


@pytest.mark.parametrize(("trigger", "kinds"), [(Trigger.DRIFT, [NeedKind.RETRAIN_LOST]), (Trigger.SCHEDULE, [])])
def test_a_lost_retrain_needs_a_person_if_the_monitor_asked_for_it(
    look: Look, history: History, trigger: Trigger, kinds: list[NeedKind]
) -> None:
    history.win("1", AS_OF[0])
    history.judge("lost", AS_OF[1], score=0.1, trigger=trigger)

    assert [need.kind for need in look().needs] == kinds


def test_a_broken_folder_is_shown_beside_its_history(look: Look, settings: Settings, history: History) -> None:
    history.win("1", AS_OF[0])
    Path(settings.pipelines, "toy", "pipeline.yaml").write_text("name: [")

    seen = look()

    assert seen.needs[0].kind is NeedKind.BROKEN_SPEC
    assert "pipeline.yaml" in seen.needs[0].text
    assert seen.champion.version == "1"


def test_pipelines_are_those_with_a_folder_and_those_with_a_history(settings: Settings, ledger: Ledger) -> None:
    History("removed", ledger).publish("2013-03-04")

    assert pipeline_names(settings, ledger) == ["removed", "toy"]


def test_an_overview_survives_json(look: Look, world: Monitored, history: History) -> None:
    history.win("1", AS_OF[0])
    world.evaluate(world.drifted(12), "run-1")

    seen = look()

    assert PipelineOverview.model_validate(json.loads(seen.model_dump_json())) == seen
