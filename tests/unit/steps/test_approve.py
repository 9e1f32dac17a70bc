"""When a person is asked, what is asked, and that only a person's approval, or the spec's silence, counts."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from include.perennial.contracts import Decision, Promotion, PromotionStatus, Registration, Verdict
from include.perennial.spec.approval import Approval, DefaultAnswer
from include.perennial.steps.approve import (
    Response,
    approval_of,
    missing_approval,
    question,
    reason_not_to_ask,
    record_answer,
)
from include.perennial.steps.promote import promote
from include.perennial.steps.register import register
from include.perennial.stores.ledger import EventKind, Ledger
from include.perennial.stores.ledger.events import Answered
from include.perennial.stores.tracking.registry import Registry
from tests.promotions import StoredModel, decide, rejudge

NOON = dt.datetime(2013, 3, 12, 12, 30, tzinfo=dt.UTC)
RUN = "manual__2013-03-12"
APPROVAL = Approval()
YES = Response(approve=True, by="ada", at_utc=NOON, timed_out=False)
NO = Response(approve=False, by="ada", at_utc=NOON, timed_out=False)
SILENCE = Response(approve=False, by=None, at_utc=NOON, timed_out=True)
_names = (f"approved_{n}" for n in range(10_000))


@dataclass
class Waiting:
    """A registered version that waits for an answer."""

    decision: Decision
    registration: Registration
    ledger: Ledger
    models: Registry

    def answer(self, response: Response, approval: Approval = APPROVAL, run: str = RUN) -> Answered:
        event = record_answer(self.registration, response, approval, run, self.ledger)
        return Answered.model_validate(event.payload)

    def promote(self, run: str = RUN, **how: object) -> Promotion:
        unapproved = missing_approval(self.registration, run, self.ledger)
        given = (self.registration, self.decision, self.ledger, self.models, rejudge)
        return promote(*given, unapproved=unapproved, actor="tester", **how)

    def reason(self, run: str = RUN, **how: bool) -> str | None:
        return reason_not_to_ask(self.registration, self.decision, run, self.ledger, **how)

    def answers(self) -> list[EventKind]:
        kinds = [EventKind.APPROVED, EventKind.DECLINED]
        return [event.kind for event in self.ledger.events(self.registration.pipeline, kinds)]


def waiting(ledger: Ledger, models: Registry, stored: StoredModel, run_key: str = "run", **given: object) -> Waiting:
    decision = decide(str(given.pop("name", None) or next(_names)), run_key, stored, **given)
    registration = register(decision, ledger, models, forced=True)
    assert registration is not None
    return Waiting(decision, registration, ledger, models)


@pytest.fixture
def first(ledger: Ledger, models: Registry, stored: StoredModel) -> Iterator[Waiting]:
    yield waiting(ledger, models, stored)
    assert ledger.verify() == []


def test_what_passed_is_asked_about(first: Waiting) -> None:
    assert first.reason() is None


def test_the_question_is_the_decision_with_what_each_answer_does(first: Waiting) -> None:
    asked = question(first.registration, first.decision, Approval(time_limit_hours=36))

    assert asked.subject == f"Promote version 1 of {first.registration.pipeline}?"
    assert "as the first champion" in asked.body
    assert "within 36 hours it stays registered and is not promoted" in asked.body
    assert first.decision.judgement.sentence in asked.body
    assert "## Gate" in asked.body


def test_a_forced_version_says_so_in_the_question(first: Waiting) -> None:
    body = question(first.registration, first.decision, APPROVAL, reason="<b>incident</b> | 7").body

    assert "Forced against the gate: &lt;b&gt;incident&lt;/b&gt; \\| 7" in body


@pytest.mark.parametrize("verdict", [Verdict.PAST, Verdict.REJECTED])
def test_what_cannot_be_promoted_asks_nobody(
    verdict: Verdict, ledger: Ledger, models: Registry, stored: StoredModel
) -> None:
    past = waiting(ledger, models, stored, verdict=verdict)

    assert "nothing to approve" in str(past.reason())
    assert past.reason(forced=True) is None


def test_a_champion_and_a_frozen_pipeline_ask_nobody(first: Waiting) -> None:
    first.ledger.append(first.registration.pipeline, EventKind.FROZEN, "1", {}, "tester")
    assert "is frozen" in str(first.reason())

    first.ledger.append(first.registration.pipeline, EventKind.UNFROZEN, "2", {}, "tester")
    first.answer(YES)
    first.promote()
    assert "champion already" in str(first.reason("another run"))


def test_an_approved_version_takes_the_crown_and_the_ledger_says_who_and_when(first: Waiting) -> None:
    answered = first.answer(YES)

    assert first.promote().status is PromotionStatus.PROMOTED
    event = approval_of(first.registration, RUN, first.ledger)
    assert event is not None
    assert (answered.by, answered.at_utc, event.actor) == ("ada", NOON, "airflow:ada")
    assert answered.sentence == "Version 1 was approved by ada, 2013-03-12 12:30 UTC."


@pytest.mark.parametrize("how", [{}, {"force": True, "reason": "please"}], ids=["passed", "forced"])
@pytest.mark.parametrize(
    ("response", "why"),
    [
        pytest.param(None, "needs a person's approval", id="no answer"),
        pytest.param(NO, "declined by ada, 2013-03-12 12:30 UTC", id="no"),
        pytest.param(SILENCE, "declined: nobody answered in time", id="silence"),
    ],
)
def test_without_an_approval_nobody_is_crowned(first: Waiting, response: Response | None, why: str, how: dict) -> None:
    if response:
        first.answer(response)

    promotion = first.promote(**how)

    assert promotion.status is PromotionStatus.NOT_PROMOTABLE
    assert why in promotion.sentence
    assert first.ledger.champion(first.registration.pipeline) is None


def test_an_approval_holds_for_its_run_only(first: Waiting) -> None:
    first.answer(YES)

    assert first.reason(RUN) == "Version 1 was approved by ada, 2013-03-12 12:30 UTC."
    assert first.reason("another run") is None
    assert first.promote("another run").status is PromotionStatus.NOT_PROMOTABLE


@pytest.mark.parametrize(
    ("response", "default", "kind"),
    [
        pytest.param(SILENCE, DefaultAnswer.REJECT, EventKind.DECLINED, id="silence rejects"),
        pytest.param(
            SILENCE.model_copy(update={"approve": True}),
            DefaultAnswer.APPROVE,
            EventKind.APPROVED,
            id="as the spec says",
        ),
        pytest.param(
            SILENCE.model_copy(update={"approve": True}), DefaultAnswer.REJECT, EventKind.DECLINED, id="not the spec's"
        ),
        pytest.param(YES.model_copy(update={"by": None}), DefaultAnswer.APPROVE, EventKind.DECLINED, id="by no user"),
        pytest.param(YES, DefaultAnswer.REJECT, EventKind.APPROVED, id="a person"),
        pytest.param(NO, DefaultAnswer.APPROVE, EventKind.DECLINED, id="a person against the default"),
    ],
)
def test_silence_answers_as_the_spec_says_and_nobody_else_can(
    first: Waiting, response: Response, default: DefaultAnswer, kind: EventKind
) -> None:
    first.answer(response, Approval(default=default))
    assert first.answers() == [kind]


def test_a_retry_records_the_same_answer_once_and_a_later_one_beside_it(first: Waiting) -> None:
    first.answer(NO)
    first.answer(NO)
    first.answer(NO.model_copy(update={"at_utc": NOON + dt.timedelta(hours=1)}))
    first.answer(YES)
    first.answer(YES)

    assert first.answers() == [EventKind.DECLINED, EventKind.DECLINED, EventKind.APPROVED]


@pytest.mark.parametrize("name", ["", "x" * 500, "a\nb\x00", "{{ 7 * 7 }}", "<script>"], ids=repr)
def test_any_user_name_can_be_recorded(first: Waiting, name: str) -> None:
    assert first.answer(YES.model_copy(update={"by": name})).by == name


@pytest.mark.parametrize(("score", "ends"), [(0.9, "promoted"), (0.6, "kept_champion")])
def test_approved_against_a_champion_that_changed_meanwhile_it_is_judged_again(
    first: Waiting, stored: StoredModel, score: float, ends: str
) -> None:
    name, ledger, models = first.registration.pipeline, first.ledger, first.models
    late = waiting(ledger, models, stored, "late", name=name, score=score, cutoff="2013-03-11")
    first.answer(YES)
    first.promote()
    late.answer(YES)

    assert late.promote().status == ends
    [rejudged] = ledger.events(name, [EventKind.REJUDGED])
    assert rejudged.payload["judgement"]["champion_version"] == "1"
