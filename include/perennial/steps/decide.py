"""Decide: put the policy's question to what the ledger knows, and record every evaluation with its reason.

The event comes before the training run that it asks for. Whoever dies in between finds the event again, with the
same run id; whoever comes at the same moment finds that the number of the next question is taken, and looks again.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from include.perennial.contracts import Contract, Decision, Trigger
from include.perennial.digests import digest
from include.perennial.errors import IntegrityError, Unavailable
from include.perennial.monitor.decision import Outcome, PolicyState, TriggerDecision
from include.perennial.monitor.measurement import Measurement
from include.perennial.monitor.policy import decide
from include.perennial.partitions import UTC, Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.steps.plan import newest_trainable
from include.perennial.steps.readiness import PUBLISHING_KINDS
from include.perennial.stores.ledger import Champion, Event, EventKind, Ledger

# As long as a training run may take (see the train DAG); a question that got no answer blocks no longer than that.
UNANSWERED_FOR = dt.timedelta(hours=12)
_KIND_OF = {
    Outcome.ASKED: EventKind.TRIGGER_ASKED,
    Outcome.SUPPRESSED: EventKind.TRIGGER_SUPPRESSED,
    Outcome.QUIET: EventKind.TRIGGER_NOT_NEEDED,
}
EVALUATION_KINDS = frozenset(_KIND_OF.values())
_ROUNDS = 100


class Evaluation(Contract):
    """One evaluation as the ledger records it.

    ``evaluation``       who evaluated, such as an Airflow run id: a repeat by the same one finds this record
    ``measured``         digest of the measurement that was evaluated
    ``training_run_id``  run of ``<pipeline>.train`` that must exist, if a retrain is asked for
    """

    evaluation: str
    measured: str
    decision: TriggerDecision
    training_run_id: str | None = None


def measurement_digest(measurement: Measurement) -> str:
    """Names a measurement by its content; 16 hex digits."""
    return digest(measurement.model_dump(mode="json"))[:16]


def record_measurement(measurement: Measurement, ledger: Ledger, actor: str) -> str:
    """Add ``measurement`` to the history of its pipeline and return its key there; the same again changes nothing."""
    key = f"{measurement.key}/{measurement.champion_seq}/{measurement_digest(measurement)}"
    ledger.append(measurement.pipeline, EventKind.MEASURED, key, measurement.model_dump(mode="json"), actor)
    return key


def recorded_measurement(pipeline: str, key: str, ledger: Ledger) -> Measurement:
    """The measurement that ``record_measurement`` has put under ``key``.

    Raises:
        IntegrityError: there is none.
    """
    event = ledger.find(pipeline, EventKind.MEASURED, key)
    if event is None:
        raise IntegrityError(f"The ledger has no measurement {key!r} of {pipeline}: measure the partition again.")
    return Measurement.model_validate(event.payload)


def decide_partition(
    measurement: Measurement,
    pipeline: Pipeline,
    ledger: Ledger,
    *,
    evaluation: str,
    training_runs: Callable[[], int],
    actor: str,
    now_utc: dt.datetime | None = None,
) -> Evaluation:
    """Evaluate ``measurement``, which ``record_measurement`` has recorded, and record the evaluation.

    ``training_runs`` counts the training runs of the pipeline that have not ended; ``now_utc`` is the clock's.
    Run again under the same ``evaluation`` it returns what was recorded, so that a retry asks for no second retrain.

    Raises:
        IntegrityError: an event that the decision rests on was edited.
        Unavailable: the ledger does not answer.
    """
    now = now_utc or dt.datetime.now(UTC)
    case = _Case(measurement, pipeline, ledger, evaluation, training_runs, actor, now)
    for _ in range(_ROUNDS):
        asks = ledger.events(measurement.pipeline, [EventKind.TRIGGER_ASKED])
        recorded = case.recorded(asks) or case.evaluate(asks)
        if recorded is not None:
            return recorded
    raise Unavailable(f"{_ROUNDS} other evaluations of {measurement.pipeline} asked for a retrain meanwhile. Retry.")


@dataclass(frozen=True)
class _Case:
    measurement: Measurement
    pipeline: Pipeline
    ledger: Ledger
    evaluation: str
    training_runs: Callable[[], int]
    actor: str
    now_utc: dt.datetime

    @property
    def name(self) -> str:
        return self.measurement.pipeline

    @property
    def event_key(self) -> str:
        # Run ids may be as long as a key may be.
        return f"{self.measurement.key}/{self.measurement.champion_seq}/{digest(self.evaluation)[:16]}"

    def recorded(self, asks: list[Event]) -> Evaluation | None:
        """What an earlier try of this evaluation has recorded."""
        others = (self.ledger.find(self.name, kind, self.event_key) for kind in _KIND_OF.values())
        found = [Evaluation.model_validate(event.payload) for event in [*asks, *others] if event]
        mine = [one for one in found if self._is_mine(one)]
        return mine[0] if mine else None

    def evaluate(self, asks: list[Event]) -> Evaluation | None:
        """Decide and record; None if somebody else asked at the same moment."""
        decision = decide(self._history(), self._state(asks), self.pipeline.spec.monitor.policy)
        # Questions are numbered: of two that want the next number, the ledger lets one have it.
        number = len(asks) + 1 if decision.outcome is Outcome.ASKED else None
        evaluation = Evaluation(
            evaluation=self.evaluation,
            measured=measurement_digest(self.measurement),
            decision=decision,
            training_run_id=_run_id(decision, number) if number else None,
        )
        key = f"{number:06d}" if number else self.event_key
        payload = evaluation.model_dump(mode="json")
        event = self.ledger.append(self.name, _KIND_OF[decision.outcome], key, payload, self.actor)
        stored = Evaluation.model_validate(event.payload)
        return stored if self._is_mine(stored) else None

    def _is_mine(self, other: Evaluation) -> bool:
        same_champion = other.decision.champion_version == self.measurement.champion_version
        return other.evaluation == self.evaluation and other.decision.key == self.measurement.key and same_champion

    def _history(self) -> list[Measurement]:
        events = self.ledger.events(self.name, [EventKind.MEASURED])
        return [*(Measurement.model_validate(event.payload) for event in events), self.measurement]

    # --- what the ledger knows ----------------------------------------------------------------

    def _state(self, asks: list[Event]) -> PolicyState:
        spec, champion = self.pipeline.spec, self.ledger.champion(self.name)
        published = self._published()
        newest = newest_trainable(spec, published)
        return PolicyState(
            period=spec.period,
            newest_key=newest,
            label_delay_periods=spec.data.label_delay_periods,
            label_wait_periods=spec.monitor.performance.label_wait_periods,
            champion_seq=champion.seq if champion else None,
            champion_cutoff=champion.cutoff if champion else None,
            asked_keys=tuple(Evaluation.model_validate(event.payload).decision.key for event in asks),
            in_flight=self._is_unanswered(asks) or self.training_runs() > 0,
            rejected_on_same_data=bool(champion and newest and self._was_rejected(champion, newest, published)),
            frozen=self.ledger.is_frozen(self.name),
        )

    def _published(self) -> dict[str, str]:
        """Newest digest of each partition in the data registry that is not without labels, by key."""
        events = self.ledger.events(self.name, PUBLISHING_KINDS)
        versions = {str(event.payload["key"]): event.payload for event in events}
        return {key: str(version["sha256"]) for key, version in versions.items() if version.get("rows_labelled") != 0}

    def _is_unanswered(self, asks: list[Event]) -> bool:
        if not asks or self.now_utc - asks[-1].at_utc > UNANSWERED_FOR:
            return False
        as_of = Evaluation.model_validate(asks[-1].payload).decision.as_of
        answers = self.ledger.events(self.name, [EventKind.JUDGED, EventKind.TRAINING_SKIPPED], asks[-1].seq)
        return as_of not in {_as_of(event) for event in answers}

    def _was_rejected(self, champion: Champion, newest: str, published: dict[str, str]) -> bool:
        """Whether the newest labelled partition has judged a candidate against this champion, without a new one."""
        spec = self.pipeline.spec
        labelled = Partition.of_key(newest, spec.period).shift(-spec.data.label_delay_periods).key
        wanted = (labelled, published.get(labelled), self.pipeline.spec_digest, self.pipeline.code_digest)
        judged = self.ledger.events(self.name, [EventKind.JUDGED], champion.seq)
        decisions = [Decision.model_validate(event.payload) for event in judged]
        # Parameters that somebody tried by hand say nothing about the candidates of the spec.
        against = [d for d in decisions if d.judgement.champion_seq == champion.seq and not d.plan.request.overrides]
        return any(_judged_on(decision) == wanted for decision in against)


def _judged_on(decision: Decision) -> tuple[str, str, str, str]:
    plan = decision.plan
    return plan.holdout[-1].key, plan.holdout[-1].sha256, plan.spec_digest, plan.code_digest


def _as_of(event: Event) -> str:
    asked = event.payload["plan"] if event.kind is EventKind.JUDGED else event.payload["request"]
    return str(asked["as_of"])


def _run_id(decision: TriggerDecision, number: int) -> str:
    trigger = decision.trigger or Trigger.DRIFT
    return f"{trigger}__{decision.as_of}__{number:06d}"
