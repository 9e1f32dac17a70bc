"""What an exporter keeps of one pipeline: counts of all that happened, and the events that the present rests on.

Its size depends on what was tried since the last crowning, and not on how long the pipeline has been running.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from include.perennial.contracts import PromotionStatus, Verdict
from include.perennial.monitor.measurement import LabelStatus, MeasurementStatus
from include.perennial.stores.ledger import CROWNING_KINDS, FREEZING_KINDS, Event, EventKind
from include.perennial.stores.ledger.chain import GENESIS
from include.perennial.views.trials import TRIAL_KINDS

# Metric name, then the values of its labels after ``pipeline``.
Count = tuple[str, ...]
# There from the start, since what appears at 1 has not increased, and no alert would see it.
_CROWNINGS = [("perennial_crownings", kind.value, forced) for kind in CROWNING_KINDS for forced in ("false", "true")]
_WITHOUT_LABELS = frozenset({LabelStatus.WAITING, LabelStatus.NEVER_CAME})


@dataclass
class History:
    """The state after the event ``seq``, whose hash is ``hash``.

    ``is_intact``  False once events were found edited, removed or replaced
    ``crowned``, ``freezing``  the last events of their kinds
    ``tried``      events of training runs since the last crowning, oldest first
    ``waiting``    a version that may become champion, which nothing was said about since it was registered
    ``asked``      a retrain that no training run has answered
    ``published``  the newest partition by its key
    ``measured``   the newest measured partition by its key, and ``evaluated`` what the policy made of it
    ``watched_from``  the first partition that had a champion to measure, and ``labelled`` the newest one whose labels
                   had come
    """

    seq: int = 0
    hash: str = GENESIS
    is_intact: bool = True
    counts: Counter[Count] = field(default_factory=lambda: Counter(dict.fromkeys(_CROWNINGS, 0)))
    crowned: Event | None = None
    freezing: Event | None = None
    tried: list[Event] = field(default_factory=list)
    waiting: Event | None = None
    asked: Event | None = None
    published: Event | None = None
    measured: Event | None = None
    evaluated: Event | None = None
    watched_from: str | None = None
    labelled: str | None = None

    def add(self, events: Iterable[Event]) -> None:
        """Take up the next events, oldest first."""
        for event in events:
            self.is_intact = self.is_intact and event.prev_hash == self.hash
            self.seq, self.hash = event.seq, event.hash
            self._take(event)

    def _take(self, event: Event) -> None:
        self.counts["perennial_ledger_events", event.kind.value] += 1
        if event.kind in FREEZING_KINDS:
            self.freezing = event
        if event.kind in CROWNING_KINDS:
            self._crown(event)
        elif event.kind in TRIAL_KINDS:
            self.tried.append(event)
        if taking := _TAKING.get(event.kind):
            taking(self, event)

    def _crown(self, event: Event) -> None:
        forced = str(bool(event.payload["evidence"].get("forced"))).lower()
        self.counts["perennial_crownings", event.kind.value, forced] += 1
        self.crowned = event
        self.tried.clear()
        self._settle(event)

    def _publish(self, event: Event) -> None:
        payload = event.payload
        self.counts["perennial_rows_published",] += int(payload.get("rows", 0))
        self.counts["perennial_rows_quarantined",] += int(payload.get("rows_quarantined", 0))
        self._renew(event)

    def _renew(self, event: Event) -> None:
        if self.published is None or str(event.payload["key"]) >= str(self.published.payload["key"]):
            self.published = event

    def _judge(self, event: Event) -> None:
        request, verdict = event.payload["plan"]["request"], str(event.payload["judgement"]["verdict"])
        ended = verdict if event.kind is EventKind.JUDGED else event.kind.value
        self.counts["perennial_training_runs", str(request["trigger"]), ended] += 1
        if event.kind is EventKind.JUDGED:
            self._answer(str(event.payload["plan"]["as_of"]))

    def _skip(self, event: Event) -> None:
        request = event.payload["request"]
        self.counts["perennial_training_runs", str(request["trigger"]), "skipped"] += 1
        self._answer(str(request["as_of"]))

    def _answer(self, as_of: str) -> None:
        if self.asked is not None and self.asked.payload["decision"]["as_of"] == as_of:
            self.asked = None

    def _register(self, event: Event) -> None:
        may_be_crowned = event.payload["verdict"] == Verdict.PASSED or event.payload["forced"]
        self.waiting = event if may_be_crowned else self.waiting

    def _settle(self, event: Event) -> None:
        if self.waiting is not None and self.waiting.payload["version"] == event.payload["version"]:
            self.waiting = None

    def _refuse(self, event: Event) -> None:
        status = PromotionStatus(event.payload["promotion"]["status"])
        self.counts["perennial_promotions_refused", status.value] += 1
        self._settle(event)

    def _measure(self, event: Event) -> None:
        key = str(event.payload["key"])
        if self.measured is None or key >= str(self.measured.payload["key"]):
            if self.measured is None or key > str(self.measured.payload["key"]):
                self.evaluated = None
            self.measured = event
        if event.payload["status"] != MeasurementStatus.NO_CHAMPION:
            self.watched_from = min(self.watched_from or key, key)
        if event.payload["labels"] not in _WITHOUT_LABELS:
            self.labelled = max(self.labelled or key, key)

    def _evaluate(self, event: Event) -> None:
        decision = event.payload["decision"]
        labels = (str(decision["outcome"]), str(decision["trigger"] or "none"), str(decision["reason"] or "none"))
        self.counts["perennial_retrain_decisions", *labels] += 1
        if event.kind is EventKind.TRIGGER_ASKED:
            self.asked = event
        if self.measured is not None and decision["key"] == self.measured.payload["key"]:
            self.evaluated = event


_TAKING: dict[EventKind, Callable[[History, Event], None]] = {
    EventKind.PARTITION_PUBLISHED: History._publish,
    EventKind.PARTITION_CHANGED: History._renew,
    EventKind.JUDGED: History._judge,
    EventKind.DRY_RUN: History._judge,
    EventKind.TRAINING_SKIPPED: History._skip,
    EventKind.REGISTERED: History._register,
    EventKind.APPROVED: History._settle,
    EventKind.DECLINED: History._settle,
    EventKind.PROMOTION_REFUSED: History._refuse,
    EventKind.MEASURED: History._measure,
    EventKind.TRIGGER_ASKED: History._evaluate,
    EventKind.TRIGGER_SUPPRESSED: History._evaluate,
    EventKind.TRIGGER_NOT_NEEDED: History._evaluate,
}
