"""Every training run of a pipeline and what became of it: promoted, rejected, refused, skipped, or a dry run."""

import datetime as dt
import enum
from collections.abc import Iterable, Sequence

from pydantic import Field

from include.perennial.contracts import Contract, TrainingRequest, Trigger, Verdict
from include.perennial.stores.ledger import Event, EventKind, Refused

JUDGING_KINDS = frozenset({EventKind.JUDGED, EventKind.DRY_RUN})
FOLLOWING_KINDS = frozenset(
    {
        EventKind.REGISTERED,
        EventKind.APPROVED,
        EventKind.DECLINED,
        EventKind.REJUDGED,
        EventKind.PROMOTED,
        EventKind.PROMOTION_REFUSED,
        EventKind.ROLLED_BACK,
    }
)
TRIAL_KINDS = JUDGING_KINDS | FOLLOWING_KINDS | {EventKind.TRAINING_SKIPPED}


class Became(enum.StrEnum):
    """How a training run ended. ``REGISTERED`` is a version that was neither crowned nor refused yet."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    REGISTERED = "registered"
    REFUSED = "refused"
    DECLINED = "declined"
    DRY_RUN = "dry_run"
    SKIPPED = "skipped"


class Trial(Contract):
    """One training run.

    ``key``      names its decision page: the run key, or that of a dry run; None for a run that judged nothing
    ``seq``      ledger event that decided it; ``at_utc`` when
    ``why``      one sentence: that of the promotion's refusal or a person's, where there is one, else the judgement's
    ``against``  version of the champion that it was held against
    """

    key: str | None
    seq: int
    as_of: str
    at_utc: dt.datetime
    trigger: Trigger
    reason: str
    requested_by: str | None
    became: Became
    why: str
    winner: str | None = None
    verdict: Verdict | None = None
    version: str | None = None
    against: str | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    delta: float | None = None
    delta_interval: tuple[float, float] | None = None


def trials(events: Iterable[Event]) -> tuple[Trial, ...]:
    """All training runs in ``events`` (of ``TRIAL_KINDS``, oldest first), newest first."""
    judged: list[Event] = []
    following: dict[str, list[Event]] = {}
    for event in events:
        if event.kind in FOLLOWING_KINDS:
            following.setdefault(run_key_of(event), []).append(event)
        else:
            judged.append(event)
    found = (
        _skipped(event) if event.kind is EventKind.TRAINING_SKIPPED else trial(event, following.get(event.key, ()))
        for event in judged
    )
    return tuple(sorted(found, key=lambda one: -one.seq))


def trial(judged: Event, following: Sequence[Event]) -> Trial:
    """The training run that the event ``judged`` decided; ``following`` are the events of its run key after it.

    Reads what it needs of the decision and no more: a page lists hundreds, each with dozens of checks.
    """
    decision, judgement = judged.payload, judged.payload["judgement"]
    request = TrainingRequest.model_validate(decision["plan"]["request"])
    became, why = _became(judged, judgement["sentence"], following)
    return Trial(
        key=judged.key,
        seq=judged.seq,
        as_of=decision["plan"]["as_of"],
        at_utc=judged.at_utc,
        trigger=request.trigger,
        reason=request.reason,
        requested_by=request.requested_by,
        became=became,
        why=why,
        winner=decision["winner"],
        verdict=judgement["verdict"],
        version=next((str(event.payload["version"]) for event in following), None),
        against=judgement["champion_version"],
        metrics=decision["metrics"],
        delta=judgement["delta"],
        delta_interval=judgement["delta_interval"],
    )


def run_key_of(event: Event) -> str:
    """Run key of an event that follows a judgement; a second judgement carries it in its own key."""
    if event.kind is EventKind.REJUDGED:
        return event.key.partition("/")[0]
    return str(event.payload["run_key"])


def _became(judged: Event, sentence: str, following: Sequence[Event]) -> tuple[Became, str]:
    if judged.kind is EventKind.DRY_RUN:
        return Became.DRY_RUN, sentence
    kinds = {event.kind for event in following}
    if EventKind.PROMOTED in kinds:
        return Became.PROMOTED, sentence
    refusals = [event for event in following if event.kind is EventKind.PROMOTION_REFUSED]
    if refusals:
        return Became.REFUSED, Refused.model_validate(refusals[-1].payload).promotion.sentence
    declined = [event for event in following if event.kind is EventKind.DECLINED]
    if declined:
        return Became.DECLINED, str(declined[-1].payload["sentence"])
    return Became.REGISTERED if EventKind.REGISTERED in kinds else Became.REJECTED, sentence


def _skipped(event: Event) -> Trial:
    request = TrainingRequest.model_validate(event.payload["request"])
    return Trial(
        key=None,
        seq=event.seq,
        as_of=request.as_of,
        at_utc=event.at_utc,
        trigger=request.trigger,
        reason=request.reason,
        requested_by=request.requested_by,
        became=Became.SKIPPED,
        why=str(event.payload["why"]["sentence"]),
    )
