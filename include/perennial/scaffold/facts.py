"""What the templates are told: numbers, checked words, and names that they must escape."""

import statistics
from dataclasses import dataclass
from typing import Any

import pandas as pd

from include.perennial.messages import shown
from include.perennial.scaffold.asked import Asked
from include.perennial.scaffold.baseline import Baseline, floor_to
from include.perennial.scaffold.goals import Goal
from include.perennial.scaffold.kinds import Column
from include.perennial.scaffold.periods import Calendar
from include.perennial.scaffold.profile import Profile
from include.perennial.scaffold.roles import Roles
from include.perennial.scaffold.words import Written, yaml_list
from include.perennial.spec import ColumnType
from include.perennial.spec.metrics import Metric, TaskKind

_SLICE_VALUES = range(2, 11)
_SLICE_ROWS = 100
_FEWEST_CLUSTERS = 20


@dataclass(frozen=True)
class Reference:
    """Where the data stay: ``path`` as pipeline.yaml has it; ``sentence`` says it in words."""

    path: str
    sentence: str


def spec_facts(
    asked: Asked,
    found: Profile,
    goal: Goal,
    roles: Roles,
    calendar: Calendar,
    reference: Reference,
    measured: Baseline | None,
) -> dict[str, Any]:
    """Facts for pipeline.yaml. Without ``measured`` the thresholds are open, for the fit that measures."""
    label = asked.name.replace("_", " ").capitalize()
    unusable = _unusable_share(asked, found)
    holdouts = list(calendar.counts.values())[-calendar.holdout :]
    return {
        "name": asked.name,
        "title": label,
        "description": f"{_predicted(asked, goal)}, from {asked.file.name}. Say here what it means.",
        "task": Written(goal.kind.value),
        "kind": "counts" if goal.is_count else goal.kind.value,
        "loss": Written(_LOSS[goal.is_count].value),
        "skill": Written(SKILL[goal.is_count].value),
        "classes": _classes(goal, roles.declared[asked.target]),
        "owner": "nobody-yet",
        "source_name": asked.file.name,
        "period": Written(calendar.period.value),
        "ingest": calendar.ingest,
        "train_at": calendar.train_at,
        "start": Written(calendar.start.isoformat()),
        "end": Written(calendar.end.isoformat()),
        "path": reference.path,
        "form": Written(found.form),
        "null_values": ("", "NA") if found.form == "csv" else (),
        "time": asked.time,
        "key": asked.key,
        "target": asked.target,
        "quota": max(0.02, round(2 * unusable + 0.005, 2)),
        "unusable_share": Written(f"{unusable:.1%}"),
        "columns": [{"name": name, "kind": Written(kind.value)} for name, kind in roles.declared.items()],
        "train": calendar.train,
        "holdout": calendar.holdout,
        "n_partitions": len(calendar.counts),
        "min_samples_leaf": max(5, min(100, sum(holdouts) // 50)),
        "cluster": _cluster(asked, roles),
        "slices": _slices(found.columns, roles, sum(holdouts)),
        "slice_rows": _SLICE_ROWS,
        "monitor_rows": _monitor_rows(list(calendar.counts.values())),
        "fewest_rows": min(calendar.counts.values()),
    } | (_thresholds(measured, calendar, goal) if measured else _OPEN)


def _predicted(asked: Asked, goal: Goal) -> str:
    if goal.kind is TaskKind.BINARY:
        return f"The probability that {asked.target} is 1"
    if goal.kind is TaskKind.MULTICLASS:
        return f"The probability of each value of {asked.target}"
    return f"The expected {asked.target}"


def _classes(goal: Goal, declared: ColumnType) -> Written:
    if declared is ColumnType.INTEGER:
        return Written(f"[{', '.join(goal.classes)}]")
    return yaml_list(goal.classes)


_OPEN: dict[str, Any] = {
    **dict.fromkeys(("holdout_rows", "holdout_rarest", "n_rounds", "min_rows", "min_rarest"), 1),
    **dict.fromkeys(("worst_auc", "best_auc", "worst_skill", "floor_skill", "first_skill", "strongest"), 0.0),
    **dict.fromkeys(("floor_auc", "first_auc", "best_loss", "worst_loss", "best_r2", "margin", "slice_margin"), 0.0),
    **dict.fromkeys(("max_auc", "max_single", "max_r2"), 1.0),
}
SKILL = {True: Metric.POISSON_DEVIANCE_SKILL, False: Metric.MSE_SKILL}
_LOSS = {True: Metric.MEAN_POISSON_DEVIANCE, False: Metric.RMSE}


def _monitor_rows(counts: list[int]) -> int:
    """Half of the smallest partition, but never fewer than say something; of small ones most should be measured."""
    return max(50 if statistics.median(counts) >= 50 else 20, min(500, min(counts) // 2))


def _thresholds(measured: Baseline, calendar: Calendar, goal: Goal) -> dict[str, Any]:
    """Thresholds with room to the worst that was seen, never below what a coin reaches."""
    counts, n = list(calendar.counts.values()), calendar.holdout
    rows = min(sum(counts[i : i + n]) for i in range(len(counts) - n + 1))
    rarest = int(rows * min(one.rarest_share for one in measured.rounds))
    skill = measured.lowest(Metric.LOG_LOSS_SKILL if goal.has_classes else SKILL[goal.is_count])
    facts = {
        "n_rounds": len(measured.rounds),
        "holdout_rows": rows,
        "holdout_rarest": rarest,
        "min_rows": max(1, rows // 2),
        "min_rarest": max(1, rarest // 2),
        "worst_skill": round(skill, 3),
        "floor_skill": floor_to(skill - 0.1, 0.01),
        "first_skill": floor_to(skill - 0.05, 0.01),
        "max_single": _ceiling(measured.strongest_feature),
        "strongest": round(measured.strongest_feature, 3),
    }
    return _OPEN | facts | (_of_classes(measured) if goal.has_classes else _of_numbers(measured, goal))


def _of_classes(measured: Baseline) -> dict[str, Any]:
    auc, best = measured.lowest(Metric.ROC_AUC), measured.highest(Metric.ROC_AUC)
    return {
        "worst_auc": round(auc, 3),
        "best_auc": round(best, 3),
        "floor_auc": max(0.5, floor_to(auc - 0.05, 0.01)),
        "first_auc": max(0.5, floor_to(auc - 0.03, 0.01)),
        "max_auc": _ceiling(best),
    }


def _of_numbers(measured: Baseline, goal: Goal) -> dict[str, Any]:
    loss, best_r2 = _LOSS[goal.is_count], measured.highest(Metric.R2)
    worst = measured.highest(loss)
    return {
        "best_loss": _short(measured.lowest(loss)),
        "worst_loss": _short(worst),
        "margin": _short(0.05 * worst),
        "slice_margin": _short(0.25 * worst),
        "best_r2": round(best_r2, 3),
        "max_r2": _ceiling(best_r2),
    }


def _short(value: float) -> float:
    """Three digits that count."""
    return float(f"{value:.3g}")


def _ceiling(seen: float) -> float:
    """Half the way from what was seen to perfect, and not below what an honest model may reach."""
    return min(1.0, max(0.9, round((1 + seen) / 2 + 0.005, 2)))


def feature_facts(asked: Asked, found: Profile, roles: Roles) -> dict[str, Any]:
    """Facts for features.py."""
    times = roles.frame[asked.time].dt
    clock = [name for name in ("hour", "dayofweek") if getattr(times, name).nunique() > 1]
    return {
        "time": asked.time,
        "numbers": roles.numbers,
        "categories": roles.categories,
        "moments": roles.moments,
        "clock": tuple(clock),
        "min_frequency": max(2, min(20, found.rows // 1000)),
    }


def card_facts(
    asked: Asked, found: Profile, goal: Goal, roles: Roles, calendar: Calendar, reference: Reference
) -> dict[str, Any]:
    """Facts for README.md, without the guesses."""
    keys = list(calendar.counts)
    return {
        "title": asked.name.replace("_", " ").capitalize(),
        "source_sentence": reference.sentence,
        "rows": Written(f"{found.rows:,}"),
        "n_partitions": len(keys),
        "period": Written(calendar.period.value),
        "first_key": Written(keys[0]),
        "last_key": Written(keys[-1]),
        "labels": labels_seen(goal, roles.frame[asked.target]),
        "card": [
            _card_row(asked, goal, found.columns[name], roles) for name in found.columns if name in roles.declared
        ],
    }


def labels_seen(goal: Goal, target: "pd.Series[Any]") -> str:
    """What the labelled rows say, in words."""
    if goal.kind is TaskKind.BINARY:
        return f"{target.astype(float).mean():.1%} of the labelled ones are positive"
    if goal.kind is TaskKind.REGRESSION:
        return f"the labels lie between {target.min():g} and {target.max():g}, {target.mean():.4g} in the mean"
    shares = target.astype(str).value_counts(normalize=True)
    return "of the labelled ones " + ", ".join(f"{share:.1%} are {shown(name, 40)}" for name, share in shares.items())


def _card_row(asked: Asked, goal: Goal, column: Column, roles: Roles) -> dict[str, Any]:
    uses = {asked.target: "target", asked.time: "time"} | dict.fromkeys(asked.key, "key")
    strength = roles.strengths.get(column.name)
    return {
        "name": column.name,
        "kind": Written(roles.declared[column.name].value),
        "use": uses.get(column.name) or f"feature, {goal.task.strength_words} alone {strength:.2f}",
        "missing": Written(f"{column.null_rate:.1%}"),
        "seen": _seen(column),
    }


def _seen(column: Column) -> str:
    if column.low is not None and column.kind in (ColumnType.INTEGER, ColumnType.FLOAT):
        return f"{column.low:g} to {column.high:g}"
    if column.is_diverse:
        return f"more than {len(column.distinct) - 1} values"
    values = sorted(column.distinct)
    return ", ".join(values[:8]) + (f" and {len(values) - 8} more" if len(values) > 8 else "")


def _cluster(asked: Asked, roles: Roles) -> list[str]:
    """The key without the time, if enough rows differ in it for an interval; else every row is on its own."""
    coarse = [name for name in asked.key if name != asked.time]
    return coarse if coarse and len(roles.frame[coarse].drop_duplicates()) >= _FEWEST_CLUSTERS else list(asked.key)


def _slices(columns: dict[str, Column], roles: Roles, holdout_rows: int) -> list[str]:
    few = [n for n in roles.categories if len(columns[n].distinct) in _SLICE_VALUES and not columns[n].is_diverse]
    return [name for name in few if holdout_rows / len(columns[name].distinct) >= _SLICE_ROWS][:2]


def _unusable_share(asked: Asked, found: Profile) -> float:
    return min(
        1.0, sum(found.columns[name].null_rate for name in dict.fromkeys((asked.time, asked.target, *asked.key)))
    )
