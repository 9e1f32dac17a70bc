"""One training run: found by run key or version, with its questions, data, gate and what followed."""

import json

import pytest

from include.perennial.contracts import Trigger, Verdict
from include.perennial.errors import BadInput
from include.perennial.monitor.decision import Outcome
from include.perennial.stores.ledger import EventKind, Ledger
from include.perennial.views.decision import DecisionView, decision_view
from include.perennial.views.trials import Became
from tests.evaluations import Monitored
from tests.histories import History, checked
from tests.unit.monitor.measurements import WEEKS


@pytest.mark.parametrize("key", ["run-7", "7", "v7"])
def test_a_decision_is_found_by_run_key_and_by_version(history: History, key: str) -> None:
    history.win("7", "2013-03-04")

    assert decision_view("toy", key, history.ledger).decision.plan.run_key == "run-7"


def test_a_dry_run_is_found_by_its_own_key(history: History) -> None:
    history.judge("run", "2013-03-04", dry_run=True)

    view = decision_view("toy", "run/d1", history.ledger)

    assert (view.trial.became, view.followed) == (Became.DRY_RUN, ())


@pytest.mark.parametrize("key", ["", "8", "run-8", "x" * 5000])
def test_an_unknown_decision_is_refused(history: History, key: str) -> None:
    history.win("7", "2013-03-04")

    with pytest.raises(BadInput, match="holds no decision"):
        decision_view("toy", key, history.ledger)


def test_slices_stand_apart_from_the_gate(history: History) -> None:
    checks = (checked("rows"), checked("slice.origin=EWR"), checked("slices.origin"), checked("comparison.roc_auc"))
    found = history.judge("run", "2013-03-04")
    judgement = found.judgement.model_copy(update={"checks": checks})
    history.judge("other", "2013-03-04", judgement=judgement)

    view = decision_view("toy", "other", history.ledger)

    assert [check.name for check in view.gate] == ["rows", "comparison.roc_auc"]
    assert [check.name for check in view.slices] == ["slice.origin=EWR", "slices.origin"]


def test_what_followed_is_told_in_order(history: History) -> None:
    history.win("1", "2013-03-04")
    decision = history.judge("run-2", "2013-03-11", score=0.9)
    history.refuse(decision, "2", "It lost.")

    followed = decision_view("toy", "2", history.ledger).followed

    assert [(event.kind, event.sentence) for event in followed] == [
        (EventKind.REGISTERED, "Version 2 was registered."),
        (EventKind.PROMOTION_REFUSED, "It lost."),
    ]


def test_a_roll_back_is_part_of_the_decision_it_returns_to(history: History) -> None:
    first = history.win("1", "2013-03-04")
    history.win("2", "2013-03-11", score=0.8)
    history.crown(first, "1", kind=EventKind.ROLLED_BACK, reason="v2 was wrong")

    followed = decision_view("toy", "1", history.ledger).followed

    assert followed[-1].sentence == "Version 1 became champion again by a roll-back. Reason: v2 was wrong"


def test_data_are_named_by_content_with_their_use_and_report(history: History) -> None:
    history.publish("2013-03-04", sha256="b")
    history.publish("2013-03-04", sha256="later", rows_quarantined=9)
    history.judge("run", "2013-03-04")

    data = decision_view("toy", "run", history.ledger).data

    assert [(part.key, part.role, part.rows_quarantined) for part in data] == [
        ("2013-01-07", "select", None),
        ("2013-03-04", "holdout", 1),
    ]
    assert data[1].docs == "d" * 16 + ".html"


def test_the_question_that_asked_for_the_run_is_among_those_since_the_run_before(
    world: Monitored, history: History
) -> None:
    world.publish(*range(9))
    world.crown("1", 7)
    history.judge("earlier", WEEKS[7], verdict=Verdict.REJECTED)
    for week in (9, 10):
        world.publish(week)
        world.evaluate(world.measure(week, drift=0.2), f"run-{week}")
    history.judge("asked", WEEKS[10], trigger=Trigger.DRIFT)

    questions = decision_view("toy", "asked", history.ledger).questions

    assert [(one.evaluation.outcome, one.asked_for_this) for one in questions] == [
        (Outcome.SUPPRESSED, False),
        (Outcome.ASKED, True),
    ]
    assert decision_view("toy", "earlier", history.ledger).questions == ()


def test_neighbours_lead_through_the_history(history: History) -> None:
    for n in (1, 2, 3):
        history.judge(f"run-{n}", "2013-03-04")

    views = [decision_view("toy", f"run-{n}", history.ledger) for n in (1, 2, 3)]

    assert [(view.earlier, view.later) for view in views] == [(None, "run-2"), ("run-1", "run-3"), ("run-2", None)]


def test_a_decision_survives_json(history: History, ledger: Ledger) -> None:
    history.win("1", "2013-03-04")

    view = decision_view("toy", "1", ledger)

    assert DecisionView.model_validate(json.loads(view.model_dump_json())) == view
