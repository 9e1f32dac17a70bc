"""Whether a partition can be measured now, or what it waits for. Cheap: a waiting task asks again and again.

The wait always ends. Labels that never come, predictions that nobody makes and earlier partitions that nobody
measures hold a partition back only as long as this module says; then it is measured with what there is.
"""

import datetime as dt
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from include.perennial.contracts import Contract
from include.perennial.monitor.measurement import LabelStatus
from include.perennial.partitions import UTC, Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.stores.ledger import CROWNING_KINDS, Champion, Event, EventKind, Ledger, champion_for
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.prediction_folder import predictions_of
from include.perennial.stores.snapshot_folder import snapshot_prefix, stored_at

PREDICTIONS_WITHIN = dt.timedelta(hours=6)
EARLIER_ONES_WITHIN = dt.timedelta(minutes=15)
AT_ONCE = 128  # runs that Airflow may have open of one monitor DAG
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
    case = _Case(pipeline, partition, ledger, store, waiting_since_utc, now)
    if case.champion_of(key) is None:
        return Readiness(key=key, is_ready=True)  # nobody to measure, and measuring says so
    waits = (case.predictions(), case.labels(), case.earlier_ones())
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
    since: dt.datetime
    now: dt.datetime

    @property
    def name(self) -> str:
        return self.pipeline.spec.name

    def champion_of(self, key: str, before_seq: float = math.inf) -> Champion | None:
        """Who was champion for partition ``key``, as the ledger was before the event ``before_seq``."""
        return champion_for((event for event in self._of(CROWNING_KINDS) if event.seq < before_seq), key)

    def predictions(self) -> _Wait | None:
        if self._is_scored(self.partition.key):
            return None
        return _Wait("its predictions", self.now - self.since >= PREDICTIONS_WITHIN)

    def labels(self) -> _Wait | None:
        labels = labels_of(self.pipeline, self.partition.key, self._of(PUBLISHING_KINDS))
        if labels.have_come:
            return None
        return _Wait(f"its labels, due on {labels.due_utc.date()},", self.now >= labels.over_utc)

    def earlier_ones(self) -> _Wait | None:
        """Partitions that come in together are seen in their order.

        One that is scored holds up those within the policy's reach, and the next one whatever the reach; one that is
        on its way, those that are at most ``AT_ONCE`` later.
        """
        earlier = [self.partition.shift(-n).key for n in range(1, AT_ONCE + 1)]
        before = [key for key in earlier if key not in self._measured]
        reach = self.partition.shift(-max(1, self.pipeline.spec.monitor.policy.of_last - 1)).key
        scored = [key for key in before if key in self._published and key >= reach and self._is_scored(key)]
        coming = [key for key in before if self._is_coming(key)]
        if not scored and not coming:
            return None
        news = (event.at_utc for event in self._events if event.payload.get("key") in earlier)
        # While those before it move on, one more look costs nothing.
        is_over = not coming and self.now - max([self.since, *news]) >= EARLIER_ONES_WITHIN
        return _Wait(f"the measurement of {', '.join(sorted({*scored, *coming}))}", is_over)

    def _is_coming(self, key: str) -> bool:
        """Whether partition ``key`` was delivered a moment ago, and will be scored."""
        published = self._published.get(key)
        if published is None:
            if self.champion_of(key) is None:
                return False
            refused = {e.payload["snapshot_digest"] for e in self._of({EventKind.DATA_REFUSED})}
            refused_prefixes = {snapshot_prefix(self.name, key, digest) for digest in refused}
            stored = stored_at(self.name, key, self.store)
            return any(self._is_new(at) for prefix, at in stored.items() if prefix not in refused_prefixes)
        # What was there before the first champion is scored by nobody.
        return self._is_new(published.at_utc) and self.champion_of(key, published.seq) is not None

    def _is_new(self, at: dt.datetime) -> bool:
        return self.now - at < EARLIER_ONES_WITHIN

    def _is_scored(self, key: str) -> bool:
        return bool(self.store.list(predictions_of(self.name, key)))

    def _of(self, kinds: Collection[EventKind]) -> list[Event]:
        return [event for event in self._events if event.kind in kinds]

    @cached_property
    def _published(self) -> dict[str, Event]:
        """The newest publication of each partition."""
        return {str(event.payload["key"]): event for event in self._of(PUBLISHING_KINDS)}

    @cached_property
    def _measured(self) -> set[str]:
        return {str(event.payload["key"]) for event in self._of({EventKind.MEASURED})}

    @cached_property
    def _events(self) -> list[Event]:
        kinds = PUBLISHING_KINDS | CROWNING_KINDS | {EventKind.DATA_REFUSED, EventKind.MEASURED}
        return self.ledger.events(self.name, kinds)
