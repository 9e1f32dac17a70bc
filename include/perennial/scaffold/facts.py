"""What the templates are told: numbers, checked words, and names that they must escape."""

import math
from dataclasses import dataclass
from typing import Any

from include.perennial.gate.tasks import BINARY, REGRESSION, Task
from include.perennial.scaffold.asked import Asked
from include.perennial.scaffold.baseline import Baseline, floor_to
from include.perennial.scaffold.kinds import Column
from include.perennial.scaffold.periods import Calendar
from include.perennial.scaffold.profile import Profile
from include.perennial.scaffold.roles import Roles
from include.perennial.scaffold.words import Written
from include.perennial.spec import ColumnType

_SLICE_VALUES = range(2, 11)
_SLICE_ROWS = 100


@dataclass(frozen=True)
class Reference:
    """Where the data stay: ``path`` as pipeline.yaml has it; ``sentence`` says it in words."""

    path: str
    sentence: str


def spec_facts(
    asked: Asked,
    found: Profile,
    roles: Roles,
    calendar: Calendar,
    reference: Reference,
    task: Task,
    measured: Baseline | None,
) -> dict[str, Any]:
    """Facts for pipeline.yaml. Without ``measured`` the thresholds are open, for the fit that measures."""
    label = asked.name.replace("_", " ").capitalize()
    unusable = _unusable_share(asked, found)
    holdouts = list(calendar.counts.values())[-calendar.holdout :]
    return {
        "name": asked.name,
        "title": label,
        "description": f"The {task.purpose(asked.target)}, from {asked.file.name}. Say here what it means.",
        "regression": task is REGRESSION,
        "score_words": Written("R²" if task is REGRESSION else "ROC AUC"),
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
        "cluster": [name for name in asked.key if name != asked.time] or list(asked.key),
        "slices": _slices(found.columns, roles, sum(holdouts)),
        "slice_rows": _SLICE_ROWS,
        "monitor_rows": max(50, min(500, min(calendar.counts.values()) // 2)),
        "fewest_rows": min(calendar.counts.values()),
    } | (_thresholds(measured, calendar, task) if measured else _OPEN)


_OPEN: dict[str, Any] = {
    **dict.fromkeys(("holdout_rows", "holdout_positives", "n_rounds", "min_rows", "min_positives"), 1),
    **dict.fromkeys(("worst_score", "best_score", "worst_skill", "floor_skill", "first_skill", "strongest"), 0.0),
    **dict.fromkeys(("floor_score", "first_score", "margin", "rmse"), 0.0),
    **dict.fromkeys(("max_score", "max_single"), 1.0),
}


def _thresholds(measured: Baseline, calendar: Calendar, task: Task) -> dict[str, Any]:
    """Thresholds with room to the worst that was seen; a ROC AUC never below what a coin reaches."""
    skill, score = measured.worst_skill, measured.worst_score
    coin = 0.5 if task is BINARY else -math.inf
    counts, n = list(calendar.counts.values()), calendar.holdout
    rows = min(sum(counts[i : i + n]) for i in range(len(counts) - n + 1))
    positives = int(rows * min(one.rate for one in measured.rounds)) if task is BINARY else 0
    return {
        "n_rounds": len(measured.rounds),
        "holdout_rows": rows,
        "holdout_positives": positives,
        "min_rows": max(1, rows // 2),
        "min_positives": max(1, positives // 2),
        "worst_score": round(score, 3),
        "best_score": round(measured.best_score, 3),
        "worst_skill": round(skill, 3),
        "floor_score": max(coin, floor_to(score - 0.05, 0.01)),
        "floor_skill": floor_to(skill - 0.1, 0.01),
        "first_score": max(coin, floor_to(score - 0.03, 0.01)),
        "first_skill": floor_to(skill - 0.05, 0.01),
        "max_score": _ceiling(measured.best_score),
        "max_single": _ceiling(measured.strongest_feature),
        "strongest": round(measured.strongest_feature, 3),
        "rmse": 0.0 if task is BINARY else float(f"{measured.rmse:.3g}"),
        "margin": 0.03 if task is BINARY else float(f"{0.05 * measured.rmse:.2g}"),
    }


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
    asked: Asked, found: Profile, roles: Roles, calendar: Calendar, reference: Reference, task: Task
) -> dict[str, Any]:
    """Facts for README.md, without the guesses."""
    keys = list(calendar.counts)
    rate = float(roles.frame[asked.target].astype(float).mean())
    return {
        "title": asked.name.replace("_", " ").capitalize(),
        "source_sentence": reference.sentence,
        "rows": Written(f"{found.rows:,}"),
        "n_partitions": len(keys),
        "period": Written(calendar.period.value),
        "first_key": Written(keys[0]),
        "last_key": Written(keys[-1]),
        "target_sentence": f"{rate:.1%} positive." if task is BINARY else f"{asked.target} is {rate:.4g} on average.",
        "card": [_card_row(asked, found.columns[name], roles, task) for name in roles.declared],
    }


def _card_row(asked: Asked, column: Column, roles: Roles, task: Task) -> dict[str, Any]:
    uses = {asked.target: "target", asked.time: "time"} | dict.fromkeys(asked.key, "key")
    strength = roles.strengths.get(column.name)
    return {
        "name": column.name,
        "kind": Written(roles.declared[column.name].value),
        "use": uses.get(column.name) or f"feature, {task.strength_words} alone {strength:.2f}",
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


def _slices(columns: dict[str, Column], roles: Roles, holdout_rows: int) -> list[str]:
    few = [n for n in roles.categories if len(columns[n].distinct) in _SLICE_VALUES and not columns[n].is_diverse]
    return [name for name in few if holdout_rows / len(columns[name].distinct) >= _SLICE_ROWS][:2]


def _unusable_share(asked: Asked, found: Profile) -> float:
    return min(
        1.0, sum(found.columns[name].null_rate for name in dict.fromkeys((asked.time, asked.target, *asked.key)))
    )
