"""What was guessed, and what a person should look at before trusting it."""

from include.perennial.gate.wording import METRIC_NAMES
from include.perennial.messages import shown, shown_names
from include.perennial.scaffold.asked import Asked
from include.perennial.scaffold.baseline import Baseline
from include.perennial.scaffold.facts import SKILL, Reference
from include.perennial.scaffold.goals import Goal
from include.perennial.scaffold.periods import ENOUGH_PARTITIONS, Calendar
from include.perennial.scaffold.profile import Profile
from include.perennial.scaffold.roles import SUSPICIOUS, Roles
from include.perennial.spec.metrics import Metric

_WEAK_AUC, _WEAK_SKILL = 0.55, 0.02


def guesses(
    asked: Asked,
    found: Profile,
    goal: Goal,
    roles: Roles,
    calendar: Calendar,
    measured: Baseline,
    reference: Reference,
) -> list[str]:
    """What was decided from the data."""
    shown_by = _shown_by(goal)
    why = "as asked for" if asked.period else "chosen from the data"
    lines = [
        goal.guess,
        f"Partitions are {calendar.period}s, {why}: {len(calendar.counts)} of them, with "
        f"{min(calendar.counts.values()):,} to {max(calendar.counts.values()):,} rows; "
        f"{calendar.train} train, {calendar.holdout} judge.",
        f"{len(roles.numbers)} columns are numbers, {len(roles.categories)} categories, {len(roles.moments)} moments "
        "(as days before the row's time); the key is not shown to the model, of the time only hour and weekday.",
        f"The floors follow from {len(measured.rounds)} quick fits over time: {METRIC_NAMES[shown_by]} "
        f"{measured.lowest(shown_by):.3f} to {measured.highest(shown_by):.3f}.",
        reference.sentence,
    ]
    reasons: dict[str, list[str]] = {}
    for name, reason in roles.left_out.items():
        reasons.setdefault(reason, []).append(name)
    return lines + [f"Left out, {reason}: {shown_names(names)}." for reason, names in reasons.items()]


def _shown_by(goal: Goal) -> Metric:
    return Metric.ROC_AUC if goal.has_classes else SKILL[goal.is_count]


def look_at(
    found: Profile, goal: Goal, roles: Roles, calendar: Calendar, measured: Baseline, reference: Reference
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
    shown_by = _shown_by(goal)
    if (best := measured.highest(shown_by)) < (_WEAK_AUC if goal.has_classes else _WEAK_SKILL):
        lines.append(
            f"The features tell next to nothing: {METRIC_NAMES[shown_by]} {best:.3f} at best. The gate will rightly "
            "refuse."
        )
    if len(calendar.counts) < ENOUGH_PARTITIONS:
        lines.append(f"Only {len(calendar.counts)} partitions: take a longer time before you trust a threshold.")
    if reference.path.startswith("/"):
        lines.append(
            "Every ingest reads the whole file to find its own rows. For a large one, write a file for each "
            "partition and put {key} into source.path."
        )
    lines.append("owner, title and description in pipeline.yaml, and what a row is in README.md.")
    lines.append(
        "gate.compare.margin and cluster, which no data can tell: what may be lost, and which rows share luck."
    )
    return lines
