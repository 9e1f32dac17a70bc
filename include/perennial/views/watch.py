"""What is drifting now: the newest measured partition, and what the policy made of it."""

import datetime as dt
from collections.abc import Iterable, Sequence

from include.perennial.contracts import Contract
from include.perennial.monitor.decision import TriggerDecision
from include.perennial.monitor.measurement import Interval, Measurement, Signal
from include.perennial.steps.decide import EVALUATION_KINDS, Evaluation
from include.perennial.stores.ledger import Event, EventKind

WATCH_KINDS = EVALUATION_KINDS | {EventKind.MEASURED}
_SHOWN_SIGNALS = 5


class Watch(Contract):
    """The newest measured partition under the champion that it was measured for.

    ``over``      signals over their threshold that may ask for a retrain, furthest first, at most five of ``n_over``
    ``furthest``  the counting signal that is largest beside its threshold, over it or not
    ``metric``, ``value``, ``expected_interval``  matured performance, where labels have come
    ``evaluation``  what the policy decided on it; None while nothing was decided
    """

    key: str
    at_utc: dt.datetime
    sentence: str
    champion_version: str | None
    n_signals: int
    over: tuple[Signal, ...]
    n_over: int
    furthest: Signal | None
    metric: str | None = None
    value: float | None = None
    expected_interval: Interval | None = None
    is_worse: bool = False
    evaluation: TriggerDecision | None = None


def watch(events: Iterable[Event]) -> Watch | None:
    """The newest partition in ``events`` (of ``WATCH_KINDS``, oldest first); None if nothing was measured."""
    measured: dict[str, Event] = {}
    decided: dict[str, Event] = {}
    for event in events:
        if event.kind is EventKind.MEASURED:
            measured[str(event.payload["key"])] = event
        else:
            decided[str(event.payload["decision"]["key"])] = event
    if not measured:
        return None
    key = max(measured)
    event, evaluated = measured[key], decided.get(key)
    measurement = Measurement.model_validate(event.payload)
    matured = measurement.matured
    return Watch(
        key=key,
        at_utc=event.at_utc,
        sentence=measurement.sentence,
        champion_version=measurement.champion_version,
        n_signals=len(measurement.signals),
        over=measurement.violations[:_SHOWN_SIGNALS],
        n_over=len(measurement.violations),
        furthest=furthest(measurement.signals),
        metric=matured.metric if matured else None,
        value=matured.value if matured else None,
        expected_interval=matured.expected_interval if matured else None,
        is_worse=measurement.is_worse,
        evaluation=Evaluation.model_validate(evaluated.payload).decision if evaluated else None,
    )


def furthest(signals: Sequence[Signal]) -> Signal | None:
    """The counting signal with the largest ratio of value to threshold; None without a threshold to hold it to."""
    counting = [signal for signal in signals if signal.counts and signal.threshold > 0]
    return max(counting, key=lambda signal: signal.value / signal.threshold, default=None)
