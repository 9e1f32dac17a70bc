"""A pipeline along its partitions: matured performance, drift, reigns of champions, and what happened when."""

import datetime as dt
import enum
from collections.abc import Iterable, Sequence

from include.perennial.contracts import Contract
from include.perennial.monitor.decision import Outcome
from include.perennial.monitor.measurement import Interval, Measurement, MeasurementStatus
from include.perennial.steps.decide import EVALUATION_KINDS, Evaluation
from include.perennial.stores.ledger import CROWNING_KINDS, Event, EventKind, Ledger, champion_for
from include.perennial.views.trials import TRIAL_KINDS, Became, Trial, trials
from include.perennial.views.watch import furthest


class MarkKind(enum.StrEnum):
    """What happened."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"
    ASKED = "asked"


_MARK_OF = {
    Became.PROMOTED: MarkKind.PROMOTED,
    Became.REJECTED: MarkKind.REJECTED,
    Became.REFUSED: MarkKind.REJECTED,
    Became.DECLINED: MarkKind.REJECTED,
    Became.REGISTERED: MarkKind.REJECTED,
}


class Point(Contract):
    """One measured partition. ``drift`` is the largest ratio of a counting signal to its threshold: over 1 violates."""

    key: str
    champion_version: str | None
    status: MeasurementStatus
    metric: str | None
    value: float | None
    interval: Interval | None
    expected: float | None
    expected_interval: Interval | None
    drift: float | None
    drift_of: str
    n_over: int


class Band(Contract):
    """Version ``version`` was champion for the partitions ``first`` to ``last``, both included."""

    version: str
    first: str
    last: str


class Mark(Contract):
    """Something that happened as of partition ``key``; ``value`` is the candidate's metric on its holdout."""

    kind: MarkKind
    key: str
    at_utc: dt.datetime
    text: str
    run_key: str | None = None
    version: str | None = None
    value: float | None = None


class Timeline(Contract):
    """Everything of a pipeline by partition, oldest first. ``metric`` is the one that performance is measured in."""

    pipeline: str
    metric: str | None
    points: tuple[Point, ...]
    bands: tuple[Band, ...]
    marks: tuple[Mark, ...]


def timeline(name: str, ledger: Ledger) -> Timeline:
    """The whole history of pipeline ``name``; empty for one without a history.

    Raises:
        Unavailable: the ledger does not answer.
    """
    points = _points(ledger.events(name, [EventKind.MEASURED]))
    tried = trials(ledger.events(name, TRIAL_KINDS))
    crowned = ledger.events(name, CROWNING_KINDS)
    metric = next((point.metric for point in points if point.metric), None) or _compared(tried)
    marks = [
        *_of_trials(tried, metric),
        *_of_roll_backs(crowned),
        *_of_questions(ledger.events(name, EVALUATION_KINDS)),
    ]
    marks.sort(key=lambda mark: (mark.key, mark.at_utc))
    keys = sorted({*(point.key for point in points), *(mark.key for mark in marks)})
    return Timeline(pipeline=name, metric=metric, points=points, bands=_bands(crowned, keys), marks=tuple(marks))


def _points(events: Iterable[Event]) -> tuple[Point, ...]:
    newest = {}
    for event in events:
        measurement = Measurement.model_validate(event.payload)
        newest[measurement.key] = measurement
    return tuple(_point(newest[key]) for key in sorted(newest))


def _point(measurement: Measurement) -> Point:
    matured, far = measurement.matured, furthest(measurement.signals)
    return Point(
        key=measurement.key,
        champion_version=measurement.champion_version,
        status=measurement.status,
        metric=matured.metric if matured else None,
        value=matured.value if matured else None,
        interval=matured.interval if matured else None,
        expected=matured.expected if matured else None,
        expected_interval=matured.expected_interval if matured else None,
        drift=far.value / far.threshold if far else None,
        drift_of=far.label if far else "",
        n_over=len(measurement.violations),
    )


def _compared(tried: Sequence[Trial]) -> str | None:
    """The metric of the newest decision, while nothing is measured: the one by which curves are usually read."""
    names = [name for trial in tried[:1] for name in trial.metrics]
    return "roc_auc" if "roc_auc" in names else next(iter(names), None)


def _of_trials(tried: Sequence[Trial], metric: str | None) -> Iterable[Mark]:
    for trial in tried:
        if trial.became in _MARK_OF:
            yield Mark(
                kind=_MARK_OF[trial.became],
                key=trial.as_of,
                at_utc=trial.at_utc,
                text=trial.why,
                run_key=trial.key,
                version=trial.version,
                value=trial.metrics.get(metric) if metric else None,
            )


def _of_roll_backs(crowned: Sequence[Event]) -> Iterable[Mark]:
    newest = ""
    for event in crowned:
        # In the time of the data a roll-back happens after the newest partition that any champion has seen.
        newest = max(newest, str(event.payload["cutoff"]))
        if event.kind is EventKind.ROLLED_BACK:
            yield Mark(
                kind=MarkKind.ROLLED_BACK,
                key=newest,
                at_utc=event.at_utc,
                text=f"Rolled back to version {event.payload['version']}: {event.payload['reason']}",
                run_key=str(event.payload["run_key"]),
                version=str(event.payload["version"]),
            )


def _of_questions(events: Iterable[Event]) -> Iterable[Mark]:
    for event in events:
        decision = Evaluation.model_validate(event.payload).decision
        if decision.outcome is Outcome.ASKED:
            yield Mark(kind=MarkKind.ASKED, key=decision.key, at_utc=event.at_utc, text=decision.sentence)


def _bands(crowned: Sequence[Event], keys: Sequence[str]) -> tuple[Band, ...]:
    found: list[Band] = []
    for key in keys:
        champion = champion_for(crowned, key)
        if champion is None:
            continue
        if found and found[-1].version == champion.version:
            found[-1] = found[-1].model_copy(update={"last": key})
        else:
            found.append(Band(version=champion.version, first=key, last=key))
    return tuple(found)
