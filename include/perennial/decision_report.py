"""A decision as Markdown, for MLflow, Airflow's log and a person in a hurry: the sentence first, then the table."""

from include.perennial.contracts import Check, Decision, Judgement, PartitionRef
from include.perennial.markdown import NONE, number, text


def decision_markdown(decision: Decision) -> str:
    """The whole decision; whatever comes from users or data is escaped for Markdown and HTML."""
    plan, judgement = decision.plan, decision.judgement
    lines = [f"# {text(plan.pipeline)} {text(plan.as_of)}: {judgement.verdict}", "", text(judgement.sentence)]
    lines += ["", "Dry run: nothing was registered."] if plan.request.dry_run else []
    lines += [
        "",
        *_facts(decision),
        "",
        "## Gate",
        "",
        *gate_table(judgement),
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
        "trained on": span(plan.train),
        "judged on": span(plan.holdout),
        "cutoff of the model": decision.cutoff,
        "trigger": request.trigger.value,
        "reason": request.reason,
        "requested by": request.requested_by or "",
        "data version": plan.data_commit,
        "code version": plan.code_commit + (" with uncommitted changes" if plan.code_dirty else ""),
        "model": decision.model.model_digest if decision.model else "not stored",
        "run key": plan.run_key,
    }
    return ["| | |", "|---|---|", *(f"| {name} | {text(value)} |" for name, value in rows.items() if value)]


def gate_table(judgement: Judgement) -> list[str]:
    """Every check of a judgement: what was measured, against what, and what came of it."""
    head = ["| check | candidate | champion | threshold | interval | status | |", "|---|---|---|---|---|---|---|"]
    return [*head, *(_line(check) for check in judgement.checks)]


def _line(check: Check) -> str:
    low_high = " to ".join(number(bound) for bound in check.interval) if check.interval else NONE
    numbers = [number(value) for value in (check.value, check.champion, check.threshold)]
    status = check.status.value.replace("_", " ")
    cells = [text(check.name), *numbers, low_high, status, text(check.message)]
    return f"| {' | '.join(cells)} |"


def _candidates(decision: Decision) -> list[str]:
    """Measured on the selection partition, before the winner was fitted on it as well."""
    names = sorted({name for fit in decision.fits for name in fit.metrics})
    head = ["candidate", *map(text, names), "seconds"]
    lines = [[fit.candidate, *(number(fit.metrics.get(name)) for name in names)] for fit in decision.fits]
    seconds = [f"{fit.fit_seconds:.1f}" for fit in decision.fits]
    rows = [f"| {' | '.join([text(line[0]), *line[1:], took])} |" for line, took in zip(lines, seconds, strict=True)]
    found = [text(f"{fit.candidate}: {fit.search_words}") for fit in decision.fits if fit.searched]
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *rows, *(["", *found] if found else [])]


def span(refs: tuple[PartitionRef, ...]) -> str:
    """``2013-01-07 to 2013-02-25, 8 partitions, 51,234 rows``."""
    total = sum(ref.rows for ref in refs)
    partitions = "1 partition" if len(refs) == 1 else f"{len(refs)} partitions"
    return f"{refs[0].key} to {refs[-1].key}, {partitions}, {total:,} rows"
