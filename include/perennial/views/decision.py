"""One training run: what asked for it, on which data, what the gate saw, and what became of it."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from include.perennial.contracts import Check, Contract, Decision, PartitionRef, Trigger
from include.perennial.errors import BadInput
from include.perennial.messages import shown
from include.perennial.monitor.decision import TriggerDecision
from include.perennial.spec import Metric
from include.perennial.steps.decide import EVALUATION_KINDS, Evaluation
from include.perennial.steps.readiness import PUBLISHING_KINDS
from include.perennial.stores.ledger import Event, EventKind, Ledger, Refused
from include.perennial.views.published import docs_name
from include.perennial.views.trials import FOLLOWING_KINDS, JUDGING_KINDS, Trial, run_key_of, trial

_USUAL = (
    *(Metric.ROC_AUC, Metric.LOG_LOSS, Metric.BRIER, Metric.AVERAGE_PRECISION),
    *(Metric.RMSE, Metric.MAE, Metric.MEAN_POISSON_DEVIANCE, Metric.R2, Metric.ACCURACY, Metric.BALANCED_ACCURACY),
)
_SLICE_PREFIXES = ("slice.", "slices")
_SENTENCES = {
    EventKind.REGISTERED: "Version {version} was registered.",
    EventKind.PROMOTED: "Version {version} was promoted.",
    EventKind.ROLLED_BACK: "Version {version} became champion again by a roll-back.",
}


class Question(Contract):
    """One evaluation of the monitor; ``asked_for_this`` marks the one that this training run answers."""

    at_utc: dt.datetime
    evaluation: TriggerDecision
    asked_for_this: bool


class DataVersion(Contract):
    """One partition that the run used.

    ``rows_quarantined``, ``commit`` and ``docs``, the file name of its validation report, are known for what ingest
    has published.
    """

    key: str
    role: str
    sha256: str
    rows: int
    rows_quarantined: int | None
    commit: str | None
    docs: str | None


class Followed(Contract):
    """One event after the decision: registered, answered by a person, judged again, promoted, refused, come back."""

    seq: int
    kind: EventKind
    at_utc: dt.datetime
    actor: str
    sentence: str


class DecisionView(Contract):
    """Everything about one training run.

    ``trial``      the run in short, ``decision`` as the ledger records it
    ``questions``  the monitor's evaluations between the training run before and this one, oldest first
    ``gate``, ``slices``  the checks, those of groups of rows apart
    ``earlier``, ``later``  keys of the neighbouring decisions
    """

    trial: Trial
    decision: Decision
    recorded_by: str
    hash: str
    questions: tuple[Question, ...]
    data: tuple[DataVersion, ...]
    gate: tuple[Check, ...]
    slices: tuple[Check, ...]
    followed: tuple[Followed, ...]
    earlier: str | None
    later: str | None

    @property
    def shown_metrics(self) -> tuple[str, ...]:
        """At most four metrics of the candidates, those by which models of this kind are usually read."""
        found = {name for fit in self.decision.fits for name in fit.metrics}
        return tuple([str(metric) for metric in _USUAL if metric in found][:4])


def decision_view(pipeline: str, key: str, ledger: Ledger) -> DecisionView:
    """The training run named ``key``: its run key, the key of a dry run, or a registered version such as ``7``.

    Raises:
        BadInput: the ledger holds no such decision.
        Unavailable: the ledger does not answer.
    """
    judged = _find(pipeline, key, ledger)
    decision = Decision.model_validate(judged.payload)
    following = _following(judged, ledger)
    neighbours = ledger.events(pipeline, [EventKind.JUDGED])
    checks = decision.judgement.checks
    return DecisionView(
        trial=trial(judged, following),
        decision=decision,
        recorded_by=judged.actor,
        hash=judged.hash,
        questions=_questions(decision, judged, neighbours, ledger),
        data=_data(decision, ledger),
        gate=tuple(check for check in checks if not check.name.startswith(_SLICE_PREFIXES)),
        slices=tuple(check for check in checks if check.name.startswith(_SLICE_PREFIXES)),
        followed=tuple(_followed(event) for event in following),
        earlier=next((event.key for event in reversed(neighbours) if event.seq < judged.seq), None),
        later=next((event.key for event in neighbours if event.seq > judged.seq), None),
    )


def _find(pipeline: str, key: str, ledger: Ledger) -> Event:
    for kind in JUDGING_KINDS:
        if found := ledger.find(pipeline, kind, key):
            return found
    version = key.removeprefix("v")
    for event in ledger.events(pipeline, [EventKind.REGISTERED]):
        if event.payload["version"] == version and (found := _judged(event, ledger)):
            return found
    raise BadInput(
        f"The ledger holds no decision {shown(key)} of {shown(pipeline)}: expected a run key or a registered version."
    )


def _judged(registered: Event, ledger: Ledger) -> Event | None:
    return ledger.find(registered.pipeline, EventKind.JUDGED, run_key_of(registered))


def _following(judged: Event, ledger: Ledger) -> list[Event]:
    if judged.kind is EventKind.DRY_RUN:
        return []
    later = ledger.events(judged.pipeline, FOLLOWING_KINDS, judged.seq)
    return [event for event in later if run_key_of(event) == judged.key]


def _questions(decision: Decision, judged: Event, neighbours: Sequence[Event], ledger: Ledger) -> tuple[Question, ...]:
    before = max((event.seq for event in neighbours if event.seq < judged.seq), default=0)
    events = ledger.events(judged.pipeline, EVALUATION_KINDS, before)
    found = [(event, Evaluation.model_validate(event.payload)) for event in events if event.seq < judged.seq]
    return tuple(
        Question(at_utc=event.at_utc, evaluation=one.decision, asked_for_this=_is_answer(decision, one))
        for event, one in found
    )


def _is_answer(decision: Decision, evaluation: Evaluation) -> bool:
    request = decision.plan.request
    by_monitor = request.trigger in (Trigger.DRIFT, Trigger.PERFORMANCE)
    asked = evaluation.training_run_id is not None and evaluation.decision.as_of == decision.plan.as_of
    return by_monitor and asked


def _data(decision: Decision, ledger: Ledger) -> tuple[DataVersion, ...]:
    events = ledger.events(decision.plan.pipeline, PUBLISHING_KINDS)
    published = {(event.payload["key"], event.payload["sha256"]): event.payload for event in events}
    plan = decision.plan
    roles = [*((ref, "train") for ref in plan.train[:-1]), (plan.selection, "select")]
    roles += [(ref, "holdout") for ref in plan.holdout]
    return tuple(_version(ref, role, published.get((ref.key, ref.sha256), {})) for ref, role in roles)


def _version(ref: PartitionRef, role: str, published: dict[str, Any]) -> DataVersion:
    return DataVersion(
        key=ref.key,
        role=role,
        sha256=ref.sha256,
        rows=ref.rows,
        rows_quarantined=published.get("rows_quarantined"),
        commit=published.get("commit"),
        docs=docs_name(published),
    )


def _followed(event: Event) -> Followed:
    if event.kind is EventKind.PROMOTION_REFUSED:
        sentence = Refused.model_validate(event.payload).promotion.sentence
    elif event.kind is EventKind.REJUDGED:
        sentence = f"Judged again, since the champion had changed: {event.payload['judgement']['sentence']}"
    elif event.kind in (EventKind.APPROVED, EventKind.DECLINED):
        sentence = str(event.payload["sentence"])
    else:
        sentence = _SENTENCES[event.kind].format(version=event.payload["version"])
    reason = event.payload.get("reason")
    return Followed(
        seq=event.seq,
        kind=event.kind,
        at_utc=event.at_utc,
        actor=event.actor,
        sentence=f"{sentence} Reason: {reason}" if reason else sentence,
    )
