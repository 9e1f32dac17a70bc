"""A decision as Markdown, for MLflow, Airflow's log and a person in a hurry: the sentence first, then the table."""

import html
import re

from include.perennial.contracts import Check, Decision, PartitionRef

# What Markdown acts on inside a line; an underscore between letters is not among it.
_SPECIAL = re.compile(r"([\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_]))")
_MAX_TEXT = 1000
_NONE = "–"


def decision_markdown(decision: Decision) -> str:
    """The whole decision; whatever comes from users or data is escaped for Markdown and HTML."""
    plan, judgement = decision.plan, decision.judgement
    lines = [f"# {_text(plan.pipeline)} {_text(plan.as_of)}: {judgement.verdict}", "", _text(judgement.sentence)]
    lines += ["", "Dry run: nothing was registered."] if plan.request.dry_run else []
    lines += [
        "",
        *_facts(decision),
        "",
        "## Gate",
        "",
        *_gate(decision),
        "",
        "## Candidates",
        "",
        *_candidates(decision),
    ]
    return "\n".join([*lines, ""])


def _facts(decision: Decision) -> list[str]:
    plan, request = decision.plan, decision.plan.request
    champion = decision.judgement.champion_version
    rows = {
        "candidate": decision.winner,
        "champion": f"version {champion}" if champion else "none yet",
        "trained on": _span(plan.train),
        "judged on": _span(plan.holdout),
        "cutoff of the model": decision.cutoff,
        "trigger": request.trigger.value,
        "reason": request.reason,
        "requested by": request.requested_by or "",
        "data version": plan.data_commit,
        "code version": plan.code_commit + (" with uncommitted changes" if plan.code_dirty else ""),
        "model": decision.model.model_digest if decision.model else "not stored",
        "run key": plan.run_key,
    }
    return ["| | |", "|---|---|", *(f"| {name} | {_text(value)} |" for name, value in rows.items() if value)]


def _gate(decision: Decision) -> list[str]:
    head = ["| check | candidate | champion | threshold | interval | status | |", "|---|---|---|---|---|---|---|"]
    return [*head, *(_line(check) for check in decision.judgement.checks)]


def _line(check: Check) -> str:
    low_high = " to ".join(_number(bound) for bound in check.interval) if check.interval else _NONE
    numbers = [_number(value) for value in (check.value, check.champion, check.threshold)]
    status = check.status.value.replace("_", " ")
    cells = [_text(check.name), *numbers, low_high, status, _text(check.message)]
    return f"| {' | '.join(cells)} |"


def _candidates(decision: Decision) -> list[str]:
    """Measured on the selection partition, before the winner was fitted on it as well."""
    names = sorted({name for fit in decision.fits for name in fit.metrics})
    head = ["candidate", *map(_text, names), "seconds"]
    lines = [[fit.candidate, *(_number(fit.metrics.get(name)) for name in names)] for fit in decision.fits]
    seconds = [f"{fit.fit_seconds:.1f}" for fit in decision.fits]
    rows = [f"| {' | '.join([_text(line[0]), *line[1:], took])} |" for line, took in zip(lines, seconds, strict=True)]
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *rows]


def _span(refs: tuple[PartitionRef, ...]) -> str:
    total = sum(ref.rows for ref in refs)
    partitions = "1 partition" if len(refs) == 1 else f"{len(refs)} partitions"
    return f"{refs[0].key} to {refs[-1].key}, {partitions}, {total:,} rows"


def _number(value: float | None) -> str:
    if value is None:
        return _NONE
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.4f}"


def _text(value: str) -> str:
    """One line, bounded, without anything that Markdown or HTML would act on."""
    line = " ".join(value.split())
    line = line if len(line) <= _MAX_TEXT else f"{line[:_MAX_TEXT]}…"
    return html.escape(_SPECIAL.sub(r"\\\1", line), quote=False)
