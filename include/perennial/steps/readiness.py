"""Whether a partition can be measured now, or what it waits for. Cheap: a waiting task asks again and again.

The wait always ends. Labels that never come, predictions that nobody makes and earlier partitions that nobody
measures hold a partition back only as long as this module says; then it is measured with what there is.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from include.perennial.contracts import Contract
from include.perennial.monitor.measurement import LabelStatus
from include.perennial.partitions import UTC, Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.stores.ledger import CROWNING_KINDS, Event, EventKind, Ledger, champion_for
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.prediction_folder import predictions_of

PREDICTIONS_WITHIN = dt.timedelta(hours=6)
EARLIER_ONES_WITHIN = dt.timedelta(minutes=15)
PUBLISHING_KINDS = frozenset({EventKind.PARTITION_PUBLISHED, EventKind.PARTITION_CHANGED})


class Readiness(Contract):
    """``waiting_for`` says in words what is missing; with nothing missing, or the wait over, the partition is ready."""

    key: str
    is_ready: bool
    waiting_for: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """One line for the log."""
        missing = " and ".join(self.waiting_for)
        if self.is_ready:
            return f"Partition {self.key} is ready{f', the wait for {missing} being over' if missing else ''}."
        return f"Partition {self.key} waits for {missing}."


def readiness(
    pipeline: Pipeline,
    key: str,
    ledger: Ledger,
    store: ObjectStore,
    *,
    waiting_since_utc: dt.datetime,
    now_utc: dt.datetime | None = None,
) -> Readiness:
    """Whether partition ``key`` is scored, its labels are mature, and the partitions before it are measured.

    Raises:
        BadInput: ``key`` is not a partition key.
        Unavailable: the ledger or the object store does not answer.
    """
    partition = Partition.of_key(key, pipeline.spec.period)
    now = now_utc or dt.datetime.now(UTC)
    case = _Case(pipeline, partition, ledger, store, now - waiting_since_utc, now)
    champion = champion_for(ledger.events(pipeline.spec.name, CROWNING_KINDS), key)
    if champion is None:
        return Readiness(key=key, is_ready=True)  # nobody to measure, and measuring says so
    waits = (case.predictions(), case.labels(), case.earlier_ones(champion.cutoff))
    missing = [wait for wait in waits if wait]
    return Readiness(
        key=key,
        is_ready=all(wait.is_over for wait in missing),
        waiting_for=tuple(wait.words for wait in missing),
    )


@dataclass(frozen=True)
class Labels:
    """When the labels of a partition are due, when nobody waits for them any more, and whether they have come."""

    due_utc: dt.datetime
    over_utc: dt.datetime
    have_come: bool

    def status(self, now_utc: dt.datetime, *, complete: bool) -> LabelStatus:
        """What can be said of them now; ``complete``: every row has a label that could be one."""
        if self.have_come and complete:
            return LabelStatus.MATURED
        return LabelStatus.NEVER_CAME if now_utc >= self.over_utc else LabelStatus.WAITING


def labels_of(pipeline: Pipeline, key: str, published: Sequence[Event]) -> Labels:
    """The labels of partition ``key``: they come with a delivery that is made when they are due, or later.

    ``published`` are the pipeline's events of ``PUBLISHING_KINDS``.
    """
    spec, partition = pipeline.spec, Partition.of_key(key, pipeline.spec.period)
    delay, wait = spec.data.label_delay_periods, spec.monitor.performance.label_wait_periods
    due = partition.shift(delay).end_utc
    delivered = (event.at_utc for event in published if event.payload["key"] == key)
    return Labels(due, partition.shift(delay + wait).end_utc, any(at >= due for at in delivered))


@dataclass(frozen=True)
class _Wait:
    words: str
    is_over: bool


@dataclass(frozen=True)
class _Case:
    pipeline: Pipeline
    partition: Partition
    ledger: Ledger
    store: ObjectStore
    waited: dt.timedelta
    now: dt.datetime

    @property
    def name(self) -> str:
        return self.pipeline.spec.name

    def predictions(self) -> _Wait | None:
        if self._is_scored(self.partition.key):
            return None
        return _Wait("its predictions", self.waited >= PREDICTIONS_WITHIN)

    def labels(self) -> _Wait | None:
        labels = labels_of(self.pipeline, self.partition.key, self._published())
        if labels.have_come:
            return None
        return _Wait(f"its labels, due on {labels.due_utc.date()},", self.now >= labels.over_utc)

    def earlier_ones(self, cutoff: str) -> _Wait | None:
        """Partitions that a policy looks at together with this one are seen in their order."""
        reach = self.partition.shift(-self.pipeline.spec.monitor.policy.of_last).key
        published = {str(event.payload["key"]) for event in self._published()}
        before = {key for key in published if max(cutoff, reach) < key < self.partition.key}
        measured = {str(e.payload["key"]) for e in self.ledger.events(self.name, [EventKind.MEASURED])}
        open_ones = sorted(key for key in before - measured if self._is_scored(key))
        if not open_ones:
            return None
        return _Wait(f"the measurement of {', '.join(open_ones)}", self.waited >= EARLIER_ONES_WITHIN)

    def _is_scored(self, key: str) -> bool:
        return bool(self.store.list(predictions_of(self.name, key)))

    def _published(self) -> list[Event]:
        return self.ledger.events(self.name, PUBLISHING_KINDS)
