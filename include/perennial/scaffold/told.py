"""What was guessed, and what a person should look at before trusting it."""

from include.perennial.gate.tasks import BINARY, Task
from include.perennial.messages import shown, shown_names
from include.perennial.scaffold.asked import Asked
from include.perennial.scaffold.baseline import Baseline
from include.perennial.scaffold.facts import Reference
from include.perennial.scaffold.periods import ENOUGH_PARTITIONS, Calendar
from include.perennial.scaffold.profile import Profile
from include.perennial.scaffold.roles import SUSPICIOUS, Roles
from include.perennial.spec_metrics import TaskKind

_WEAK = {TaskKind.BINARY: 0.55, TaskKind.REGRESSION: 0.05}


def score_words(task: Task) -> str:
    """What the quick fits are told by."""
    return "ROC AUC" if task is BINARY else "R²"


def guesses(
    asked: Asked, found: Profile, roles: Roles, calendar: Calendar, measured: Baseline, reference: Reference, task: Task
) -> list[str]:
    """What was decided from the data."""
    why = "as asked for" if asked.period else "chosen from the data"
    lines = [
        *([] if task is BINARY else [f"{shown(asked.target)} is a number: a regression, judged by its RMSE."]),
        f"Partitions are {calendar.period}s, {why}: {len(calendar.counts)} of them, with "
        f"{min(calendar.counts.values()):,} to {max(calendar.counts.values()):,} rows; "
        f"{calendar.train} train, {calendar.holdout} judge.",
        f"{len(roles.numbers)} columns are numbers, {len(roles.categories)} categories, {len(roles.moments)} moments "
        "(as days before the row's time); the key is not shown to the model, of the time only hour and weekday.",
        f"The floors follow from {len(measured.rounds)} quick fits over time: {score_words(task)} "
        f"{measured.worst_score:.3f} to {measured.best_score:.3f}.",
        reference.sentence,
    ]
    reasons: dict[str, list[str]] = {}
    for name, reason in roles.left_out.items():
        reasons.setdefault(reason, []).append(name)
    return lines + [f"Left out, {reason}: {shown_names(names)}." for reason, names in reasons.items()]


def look_at(
    found: Profile, roles: Roles, calendar: Calendar, measured: Baseline, reference: Reference, task: Task
) -> list[str]:
    """What could be wrong."""
    lines = []
    for name in roles.declared:
        if mixed := found.columns[name].mixed:
            lines.append(
                f"Column {shown(name)} mixes types: row {mixed[0]} holds {shown(mixed[1])}, others numbers or moments. "
                "It is declared as text; if that value means missing, add it to source.null_values and make "
                "the column a float."
            )
    strong = [name for name, strength in roles.strengths.items() if strength >= SUSPICIOUS]
    if strong:
        lines.append(f"Suspiciously strong alone, so make sure that they are known in time: {shown_names(strong)}.")
    if measured.best_score < _WEAK[task.kind]:
        lines.append(
            f"The features tell next to nothing: {score_words(task)} {measured.best_score:.3f} at best. "
            "The gate will rightly refuse."
        )
    elif measured.worst_skill < 0:
        lines.append(
            f"In one quick fit a constant forecast was better (skill {measured.worst_skill:.2f}), and the floors "
            "allow for that. To do better: other features, or a longer window."
        )
    if len(calendar.counts) < ENOUGH_PARTITIONS:
        lines.append(f"Only {len(calendar.counts)} partitions: take a longer time before you trust a threshold.")
    if reference.path.startswith("/"):
        lines.append(
            "Every ingest reads the whole file to find its own rows. For a large one, write a file for each "
            "partition and put {key} into source.path."
        )
    if task is not BINARY:
        lines.append(
            "The metric: counts are judged better by mean_poisson_deviance, and amounts of very different size "
            "by their logarithm as another target."
        )
    lines.append("owner, title and description in pipeline.yaml, and what a row is in README.md.")
    lines.append(
        "gate.compare.margin and cluster, which no data can tell: what may be lost, and which rows share luck."
    )
    return lines
