"""Who is told of what, and in which words."""

import pytest
from pydantic import ValidationError

from include.perennial.alerts import (
    NEEDS_A_PERSON,
    Alert,
    alert_of_decision,
    alert_of_evaluation,
    alert_of_refused_data,
)
from include.perennial.contracts import Trigger, Verdict
from include.perennial.monitor.decision import Outcome, Suppression, TriggerDecision
from include.perennial.settings import PROJECT_ROOT
from include.perennial.spec.alerts import AlertKind, Alerts, Email, Webhook
from tests.promotions import decide as judged

MAIL = Alerts(email=Email(to=("a@example.com",)))


def evaluated(trigger: Trigger | None, outcome: Outcome, reason: Suppression | None = None) -> TriggerDecision:
    return TriggerDecision(
        pipeline="flights",
        key="2013-03-04",
        as_of="2013-03-04",
        outcome=outcome,
        trigger=trigger,
        reason=reason,
        sentence="feature hour 0.200 (threshold 0.100).",
        champion_seq=1,
        champion_version="1",
    )


@pytest.mark.parametrize("trigger", [Trigger.DRIFT, Trigger.PERFORMANCE])
def test_a_retrain_that_was_asked_for_is_told(trigger: Trigger) -> None:
    alert = alert_of_evaluation(evaluated(trigger, Outcome.ASKED))

    assert alert is not None
    assert alert.kind == trigger.value
    assert "a retrain was asked for" in alert.title
    assert "hour" in alert.text


@pytest.mark.parametrize("reason", list(Suppression))
def test_a_suppressed_one_is_told_only_if_a_person_must_act(reason: Suppression) -> None:
    alert = alert_of_evaluation(evaluated(Trigger.DRIFT, Outcome.SUPPRESSED, reason))

    assert (alert is not None) is (reason in NEEDS_A_PERSON)
    assert alert is None or "no retrain was asked for" in alert.title


def test_quiet_weeks_are_not_told() -> None:
    assert alert_of_evaluation(evaluated(None, Outcome.QUIET)) is None


@pytest.mark.parametrize(
    ("trigger", "verdict", "told"),
    [
        pytest.param(Trigger.DRIFT, Verdict.REJECTED, True, id="rejected after drift"),
        pytest.param(Trigger.PERFORMANCE, Verdict.INCOMPARABLE, True, id="incomparable after bad performance"),
        pytest.param(Trigger.DRIFT, Verdict.PASSED, False, id="passed"),
        pytest.param(Trigger.SCHEDULE, Verdict.REJECTED, False, id="rejected on schedule"),
    ],
)
def test_a_rejected_retrain_is_told_if_the_monitor_asked_for_it(trigger: Trigger, verdict: Verdict, told: bool) -> None:
    decision = judged("flights", "run", None, verdict=verdict)
    request = decision.plan.request.model_copy(update={"trigger": trigger, "reason": "hour has drifted"})
    decision = decision.model_copy(update={"plan": decision.plan.model_copy(update={"request": request})})

    alert = alert_of_decision(decision)

    assert (alert is not None) is told
    assert alert is None or "hour has drifted" in alert.text


def test_a_title_is_one_line_and_texts_are_bounded() -> None:
    alert = alert_of_refused_data("flights", "2013-03-04\r\nBcc: all@example.com", "x" * 10_000)

    assert alert.title.splitlines() == [alert.title]
    assert len(alert.text) <= 1500


@pytest.mark.parametrize("kind", list(AlertKind))
def test_every_kind_of_alert_names_a_runbook_that_exists(kind: AlertKind) -> None:
    alert = Alert(kind, "a title", "a text")

    assert (PROJECT_ROOT / alert.runbook).read_text().startswith("# Alert: ")
    assert alert.message == f"a text\nWhat to do: {alert.runbook}"


def test_without_a_channel_nobody_is_told() -> None:
    assert not any(Alerts().wants(kind) for kind in AlertKind)
    assert all(MAIL.wants(kind) for kind in AlertKind)


def test_only_what_is_listed_is_told() -> None:
    alerts = Alerts(webhook=Webhook(connection="chat"), about=(AlertKind.DRIFT,))

    assert [kind for kind in AlertKind if alerts.wants(kind)] == [AlertKind.DRIFT]


@pytest.mark.parametrize(
    "address", ["nobody", "a@example.com, b@example.com", "A <a@example.com>", "a@example.com\nBcc: b@example.com"]
)
def test_what_is_no_mail_address_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match=r"expected name@example\.com"):
        Email(to=(address,))
