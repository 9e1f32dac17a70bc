"""What needs a person, as far as the ledger knows. Failed tasks and waiting approvals are Airflow's to tell."""

import datetime as dt
import enum
from collections.abc import Sequence

from include.perennial.alerts import NEEDS_A_PERSON
from include.perennial.contracts import Contract, Trigger
from include.perennial.monitor.decision import Outcome
from include.perennial.stores.ledger import Champion, Event, EventKind
from include.perennial.views.trials import Became, Trial
from include.perennial.views.watch import Watch


class NeedKind(enum.StrEnum):
    """Why somebody should look."""

    BROKEN_SPEC = "broken_spec"
    FROZEN = "frozen"
    NO_CHAMPION = "no_champion"
    NO_RETRAIN = "no_retrain"
    RETRAIN_LOST = "retrain_lost"
    TASK_FAILED = "task_failed"
    WAITS_FOR_YOU = "waits_for_you"


class Need(Contract):
    """One thing for a person. ``run_key`` names the decision, ``url`` the place, where there is one."""

    kind: NeedKind
    title: str
    text: str
    since_utc: dt.datetime | None = None
    run_key: str | None = None
    url: str | None = None


def needs(
    champion: Champion | None, freezing: Sequence[Event], tried: Sequence[Trial], watched: Watch | None
) -> tuple[Need, ...]:
    """What needs a person, most pressing first.

    Args:
        freezing: events of ``FREEZING_KINDS``, oldest first.
        tried: training runs since the champion was crowned, newest first.
        watched: the newest measured partition.
    """
    found = (_no_champion(champion, tried), _frozen(freezing), _no_retrain(champion, watched), _retrain_lost(tried))
    return tuple(need for need in found if need)


def _no_champion(champion: Champion | None, tried: Sequence[Trial]) -> Need | None:
    judged = [trial for trial in tried if trial.became not in (Became.SKIPPED, Became.DRY_RUN)]
    if champion is not None or not judged:
        return None
    last = judged[0]
    return Need(
        kind=NeedKind.NO_CHAMPION,
        title="No model has passed the gate yet",
        text=last.why,
        since_utc=last.at_utc,
        run_key=last.key,
    )


def _frozen(freezing: Sequence[Event]) -> Need | None:
    if not freezing or freezing[-1].kind is not EventKind.FROZEN:
        return None
    event = freezing[-1]
    return Need(
        kind=NeedKind.FROZEN,
        title=f"Frozen by {event.actor}: it keeps its champion until somebody unfreezes it",
        text=str(event.payload.get("reason", "")),
        since_utc=event.at_utc,
    )


def _no_retrain(champion: Champion | None, watched: Watch | None) -> Need | None:
    """The champion in place drifts or does badly, and the policy holds the retrain back for good."""
    decided = watched.evaluation if watched else None
    if watched is None or decided is None or decided.outcome is not Outcome.SUPPRESSED:
        return None
    about_it = champion is not None and decided.champion_seq == champion.seq
    if not about_it or decided.reason not in NEEDS_A_PERSON:
        return None
    word = "Performance below expectation" if decided.trigger is Trigger.PERFORMANCE else "Drift"
    return Need(
        kind=NeedKind.NO_RETRAIN,
        title=f"{word} in {watched.key}, and no retrain was asked for",
        text=decided.sentence,
        since_utc=watched.at_utc,
    )


def _retrain_lost(tried: Sequence[Trial]) -> Need | None:
    """The newest training run is one that the monitor asked for, and it gave no better model."""
    judged = [trial for trial in tried if trial.became not in (Became.SKIPPED, Became.DRY_RUN)]
    asked_by_monitor = {Trigger.DRIFT, Trigger.PERFORMANCE}
    if not judged or judged[0].trigger not in asked_by_monitor or judged[0].became is Became.PROMOTED:
        return None
    last = judged[0]
    return Need(
        kind=NeedKind.RETRAIN_LOST,
        title=f"The retrain after {last.trigger} as of {last.as_of} gave no better model",
        text=last.why,
        since_utc=last.at_utc,
        run_key=last.key,
    )
