"""The model card of a registered version: what it is for, why it may be trusted, how it came to be, how to undo it."""

from collections.abc import Iterable, Mapping
from typing import Any

from include.perennial.cards.page import Card
from include.perennial.contracts import CheckStatus, Decision, Judgement, Registration
from include.perennial.decision_report import gate_table, span
from include.perennial.digests import canonical_json
from include.perennial.gate.tasks import task_of
from include.perennial.gate.wording import METRIC_NAMES
from include.perennial.markdown import NONE, number, table, text
from include.perennial.spec import LOWER_IS_BETTER, Metric, PipelineSpec
from include.perennial.stores.ledger.events import Answered, Crowning, Event, EventKind, Refused

HISTORY_KINDS = frozenset(
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
_Pairs = Mapping[str, str]


def model_card(
    registration: Registration,
    decision: Decision,
    spec: PipelineSpec,
    params: Mapping[str, Any],
    events: Iterable[Event],
) -> Card:
    """The card of ``registration``, which ``decision`` led to.

    Args:
        params: of the estimator, defaults of the spec with what the run overrode.
        events: of the pipeline; those about this version make the card's history.
    """
    mine = [event for event in events if _is_about(event, registration)]
    title = f"{spec.title}, version {registration.version}"
    sections = {
        "Purpose": [text(spec.description), "", *_pairs(_purpose(spec, decision))],
        "Data": _pairs(_data(decision, spec)),
        "Metrics": _metrics(decision),
        "Slices": _slices(decision.judgement),
        "Gate": _gate(decision.judgement, mine),
        "Limits": [f"- {text(limit)}" for limit in _limits(decision, spec)],
        "Approval": [_approval(spec, mine)],
        "Lineage": _pairs(_lineage(registration, decision, params)),
        "History": _history(mine),
        "How to undo it": _undoing(registration, spec),
    }
    lines = [f"# {text(title)}", "", text(_standing(registration, mine))]
    for name, content in sections.items():
        lines += ["", f"## {name}", "", *content]
    return Card(title, "\n".join([*lines, ""]))


def _is_about(event: Event, registration: Registration) -> bool:
    return event.kind in HISTORY_KINDS and event.payload.get("version") == registration.version


def _pairs(pairs: _Pairs) -> list[str]:
    return table(["", ""], [[name, text(value)] for name, value in pairs.items() if value])


def _standing(registration: Registration, mine: list[Event]) -> str:
    """What became of the version, as far as the ledger goes."""
    ends = [event for event in mine if event.kind not in (EventKind.REGISTERED, EventKind.REJUDGED)]
    if not ends:
        return f"Registered as version {registration.version}; nothing has been decided about its promotion."
    last = ends[-1]
    day = f"{last.at_utc:%Y-%m-%d %H:%M} UTC"
    if last.kind in (EventKind.PROMOTED, EventKind.ROLLED_BACK):
        return f"Crowned champion on {day}."
    if last.kind is EventKind.PROMOTION_REFUSED:
        return f"Not champion. {Refused.model_validate(last.payload).promotion.sentence}"
    return Answered.model_validate(last.payload).sentence


def _purpose(spec: PipelineSpec, decision: Decision) -> _Pairs:
    estimator = spec.candidates.get(decision.winner)
    return {
        "predicts": task_of(spec).purpose(spec.data.target),
        "one row is": ", ".join(spec.data.key),
        "model": f"{decision.winner} ({estimator.estimator})" if estimator else decision.winner,
        "features": ", ".join(name for name in spec.data.columns if name not in spec.data.withheld),
        "owner": spec.owner,
    }


def _data(decision: Decision, spec: PipelineSpec) -> _Pairs:
    plan = decision.plan
    refitted = decision.cutoff == plan.refit_cutoff
    return {
        "trained on": span(plan.train),
        "judged on": f"{span(plan.holdout)}, later than all it was trained on",
        "then trained again": f"on both together, up to {decision.cutoff}" if refitted else "no",
        "a partition is": f"a {spec.period}, UTC, by {spec.data.time}",
        "labels are known after": f"{spec.data.label_delay_periods} periods" if spec.data.label_delay_periods else "",
    }


def _metrics(decision: Decision) -> list[str]:
    judgement = decision.judgement
    names = [metric for metric in Metric if metric in decision.metrics]
    rows = [
        [
            METRIC_NAMES[metric],
            number(decision.metrics[metric]),
            number(decision.champion_metrics.get(metric)),
            "lower" if metric in LOWER_IS_BETTER else "higher",
        ]
        for metric in names
    ]
    champion = f"version {judgement.champion_version}" if judgement.champion_version else "no champion"
    lines = table(["on the holdout", "this version", text(champion), "better is"], rows)
    if judgement.delta is not None and judgement.delta_interval is not None:
        low, high = judgement.delta_interval
        lines += [
            "",
            f"Improvement over the champion: {number(judgement.delta)}, between {number(low)} and {number(high)}.",
        ]
    return lines


def _slices(judgement: Judgement) -> list[str]:
    lines = _checks(judgement, of_slices=True)
    return lines or ["None were judged."]


def _gate(judgement: Judgement, mine: list[Event]) -> list[str]:
    """Every judgement with its checks; those of slices have a table of their own."""
    verdict = f"**{judgement.verdict}**: {text(judgement.sentence)}"
    lines = [verdict, "", *_checks(judgement, of_slices=False)]
    for event in mine:
        if event.kind is EventKind.REJUDGED:
            again = Judgement.model_validate(event.payload["judgement"])
            against = f"Judged again against version {text(again.champion_version or NONE)}, champion meanwhile"
            lines += ["", f"{against}: **{again.verdict}**. {text(again.sentence)}", "", *gate_table(again)]
    return lines


def _checks(judgement: Judgement, *, of_slices: bool) -> list[str]:
    checks = tuple(check for check in judgement.checks if check.name.startswith("slice") is of_slices)
    return gate_table(judgement.model_copy(update={"checks": checks})) if checks else []


def _limits(decision: Decision, spec: PipelineSpec) -> list[str]:
    plan, checks = decision.plan, decision.judgement.checks
    rows = sum(ref.rows for ref in plan.holdout)
    limits = [
        f"Measured on {rows:,} rows of {plan.holdout[0].key} to {plan.holdout[-1].key}: other times may differ; the "
        "monitor watches how it does since.",
        f"It has seen nothing before {plan.train[0].key}, and nothing after {decision.cutoff}.",
        task_of(spec).use_words,
    ]
    if decision.cutoff == plan.refit_cutoff:
        limits.append("The numbers are of the model before it was trained again with the holdout included.")
    if spec.gate.slices is None:
        limits.append("No slices were judged: it may do worse for some groups than the average shows.")
    silent = {CheckStatus.INFO, CheckStatus.NOT_COMPARABLE}
    return limits + [f"{check.name}: {check.message}" for check in checks if check.status in silent]


def _approval(spec: PipelineSpec, mine: list[Event]) -> str:
    answers = [event for event in mine if event.kind in (EventKind.APPROVED, EventKind.DECLINED)]
    if answers:
        return text(" ".join(Answered.model_validate(event.payload).sentence for event in answers))
    return "Nobody has answered." if spec.approval else "The spec asks for none."


def _lineage(registration: Registration, decision: Decision, params: Mapping[str, Any]) -> _Pairs:
    plan, request = decision.plan, decision.plan.request
    return {
        "MLflow run": decision.mlflow_run_id,
        "model file": registration.model.model_uri,
        "model digest": registration.model.model_digest,
        "parameters": canonical_json(dict(params)),
        "seed": str(plan.seed),
        "data version": plan.data_commit,
        "window digest": plan.window_digest,
        "code version": plan.code_commit + (" with uncommitted changes" if plan.code_dirty else ""),
        "code digest": plan.code_digest,
        "spec digest": plan.spec_digest,
        "environment digest": plan.environment_digest,
        "predictions digest": decision.prediction_digest,
        "run key": plan.run_key,
        "trigger": request.trigger.value,
        "reason": request.reason,
        "requested by": request.requested_by or "",
        "Airflow run": request.run_url or "",
    }


def _history(mine: list[Event]) -> list[str]:
    rows = [[str(event.seq), f"{event.at_utc:%Y-%m-%d %H:%M}", *map(text, _told(event))] for event in mine]
    return table(["ledger", "UTC", "what", "who", "why"], rows)


def _told(event: Event) -> tuple[str, str, str]:
    what, payload = event.kind.value.replace("_", " "), event.payload
    if event.kind in (EventKind.PROMOTED, EventKind.ROLLED_BACK):
        return what, event.actor, Crowning.model_validate(payload).reason
    if event.kind is EventKind.PROMOTION_REFUSED:
        return what, event.actor, Refused.model_validate(payload).promotion.sentence
    if event.kind is EventKind.REJUDGED:
        return what, event.actor, Judgement.model_validate(payload["judgement"]).sentence
    return what, event.actor, str(payload["sentence"])


def _undoing(registration: Registration, spec: PipelineSpec) -> list[str]:
    name, version = text(spec.name), text(registration.version)
    return [
        f"If version {version} is champion: start the DAG {name}.champion with the action rollback. Its dry run, the "
        "default, says which version takes over and whether it loads and scores; then start it again without.",
        "",
        f"To give the crown back to version {version} later: the same, with its number. Each needs a reason, and the "
        "ledger keeps it.",
    ]
