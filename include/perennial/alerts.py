"""What an alert says. Pure: how it travels is the business of Airflow's notifiers."""

from dataclasses import dataclass

from include.perennial.contracts import REGISTERED_VERDICTS, Decision, Trigger
from include.perennial.messages import clipped
from include.perennial.monitor.decision import Outcome, Suppression, TriggerDecision
from include.perennial.spec.alerts import AlertKind

_TEXT_LIMIT = 1500
_KIND_OF = {Trigger.DRIFT: AlertKind.DRIFT, Trigger.PERFORMANCE: AlertKind.PERFORMANCE}
_WORDS = {AlertKind.DRIFT: "drift", AlertKind.PERFORMANCE: "performance below expectation"}

# Something is wrong with the champion in place, and no retrain will come to mend it. Other suppressions are about
# another champion, about the past, about chance, or about a retrain that is on its way.
NEEDS_A_PERSON = frozenset(
    {
        Suppression.FROZEN,
        Suppression.SAME_EVIDENCE_REJECTED,
        Suppression.TOO_FEW_PARTITIONS,
        Suppression.COOLDOWN,
        Suppression.WEEKLY_BUDGET,
        Suppression.MONTHLY_BUDGET,
    }
)


@dataclass(frozen=True)
class Alert:
    """One message: a title of one line, and plain text."""

    kind: AlertKind
    title: str
    text: str

    @property
    def runbook(self) -> str:
        """Path in this project of the page that says what to do."""
        return f"docs/runbooks/{self.kind.replace('_', '-')}.md"

    @property
    def message(self) -> str:
        """The text, and where to read what to do."""
        return f"{self.text}\nWhat to do: {self.runbook}"


def alert_of_evaluation(decision: TriggerDecision) -> Alert | None:
    """Drift or bad performance that asked for a retrain, or that needs a person because none may come."""
    if decision.trigger is None or not (decision.outcome is Outcome.ASKED or decision.reason in NEEDS_A_PERSON):
        return None
    kind = _KIND_OF[decision.trigger]
    next_step = "a retrain was asked for" if decision.outcome is Outcome.ASKED else "no retrain was asked for"
    return _alert(kind, f"{decision.pipeline} {decision.key}: {_WORDS[kind]}, {next_step}", decision.sentence)


def alert_of_decision(decision: Decision) -> Alert | None:
    """A retrain that the monitor asked for and that gave no better model."""
    request, verdict = decision.plan.request, decision.judgement.verdict
    if request.trigger not in _KIND_OF or verdict in REGISTERED_VERDICTS:
        return None
    title = f"{request.pipeline} {decision.plan.as_of}: the retrain after {request.trigger} was {verdict}"
    return _alert(
        AlertKind.REJECTED_RETRAIN, title, f"{decision.judgement.sentence} Asked for because: {request.reason}"
    )


def alert_of_rollback(pipeline: str, key: str, sentence: str) -> Alert:
    """A champion that was worse than the one before on partition ``key`` and those before it."""
    return _alert(AlertKind.ROLLED_BACK, f"{pipeline} {key}: the champion was rolled back", sentence)


def alert_of_refused_data(pipeline: str, key: str, error: str) -> Alert:
    """A partition that broke the expectations, or with more rows in quarantine than the quota allows."""
    return _alert(AlertKind.DATA_REFUSED, f"{pipeline} {key}: the delivery was refused", error)


def alert_of_missed_schedule(dag_id: str, run_id: str, hours: float) -> Alert:
    """A run that has not ended in time."""
    text = f"Run {run_id} of {dag_id} has not ended {hours:g} hours after it was queued."
    return _alert(AlertKind.MISSED_SCHEDULE, f"{dag_id}: late", text)


def _alert(kind: AlertKind, title: str, text: str) -> Alert:
    # A title becomes a mail's subject: one line, whatever the data have put into it.
    return Alert(kind, clipped(" ".join(title.split()), 200), clipped(text, _TEXT_LIMIT))
