"""What each column is for, and which of them give the label away."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from include.perennial.errors import DataError
from include.perennial.gate.arrays import Labels
from include.perennial.gate.tasks import BINARY, Task
from include.perennial.messages import shown, shown_names
from include.perennial.scaffold.asked import Asked
from include.perennial.scaffold.kinds import Column
from include.perennial.scaffold.profile import Profile
from include.perennial.scaffold.refusals import name_problem
from include.perennial.spec import ColumnType, TaskKind
from include.perennial.tables import conform, to_frame

LEAK = 0.98
SUSPICIOUS = 0.9
"""Of ROC AUC, and of rank correlation."""
_NOTHING = {TaskKind.BINARY: 0.5, TaskKind.REGRESSION: 0.0}
_FEWEST_OF_A_CLASS = 20
_IDENTIFYING = 0.5
_IDENTIFIER = "nearly every row has a value of its own"
_MOMENTS = (ColumnType.DATE, ColumnType.TIMESTAMP)


@dataclass(frozen=True)
class Roles:
    """Columns by use. ``declared`` is in the order of the file; ``left_out`` says why; ``strengths`` is the ROC AUC,
    or the rank correlation, of each feature column alone. ``frame`` is the profile's sample, labelled rows of the
    declared columns.
    """

    declared: dict[str, ColumnType]
    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    moments: tuple[str, ...]
    left_out: dict[str, str]
    strengths: dict[str, float]
    frame: pd.DataFrame

    @property
    def features(self) -> tuple[str, ...]:
        """All columns that the model sees."""
        return (*self.numbers, *self.categories, *self.moments)


def roles(asked: Asked, found: Profile, task: Task) -> Roles:
    """Sort the columns.

    Raises:
        DataError: no column is left, or one alone gives the label away.
    """
    own = dict.fromkeys((asked.time, asked.target, *asked.key))
    left_out = {name: reason for name, column in found.columns.items() if (reason := _unusable(asked, column))}
    features = [name for name in found.columns if name not in own and name not in left_out]
    frame = _frame(asked, found, features, task)
    left_out |= {name: _IDENTIFIER for name in features if _is_identifier(found.columns[name], frame[name])}
    labels = frame[asked.target].to_numpy(dtype=task.label_type)
    strengths = {name: _strength(frame[name], labels, task) for name in features if name not in left_out}
    _refuse_leaks(asked, strengths, labels, task)
    kept = sorted(strengths, key=lambda name: -strengths[name])[: asked.most_columns]
    left_out |= {
        name: f"it tells less than the {asked.most_columns} columns kept" for name in strengths if name not in kept
    }
    if not kept:
        raise DataError(
            f"{shown(asked.file.name)} has no column that a model could use: {len(left_out)} left out, such as "
            f"{shown_names(list(left_out)[:4])} ({next(iter(left_out.values()), 'there is none')}). "
            "To fix: add columns that are known before the outcome."
        )
    used = [name for name in found.columns if name in kept]
    declared = {name: _declared(asked, found, name, task) for name in found.columns if name in own or name in kept}
    return Roles(
        declared=declared,
        numbers=tuple(name for name in used if declared[name] not in (*_MOMENTS, ColumnType.STRING)),
        categories=tuple(name for name in used if declared[name] is ColumnType.STRING),
        moments=tuple(name for name in used if declared[name] in _MOMENTS),
        left_out=left_out,
        strengths={name: strengths[name] for name in used},
        frame=frame[list(declared)],
    )


def _unusable(asked: Asked, column: Column) -> str:
    if column.name in (asked.time, asked.target, *asked.key):
        return ""
    if column.name in asked.leave_out:
        return "as asked for"
    if problem := name_problem(column.name):
        return problem
    return column.unusable or ("every row has the same value" if column.is_constant else "")


def _declared(asked: Asked, found: Profile, name: str, task: Task) -> ColumnType:
    if name == asked.time:
        return ColumnType.TIMESTAMP
    kind = found.columns[name].kind
    if name == asked.target and kind is ColumnType.FLOAT and task is BINARY:
        return ColumnType.INTEGER
    return kind or ColumnType.STRING


def _frame(asked: Asked, found: Profile, features: list[str], task: Task) -> pd.DataFrame:
    wanted = {*features, asked.time, asked.target, *asked.key}
    declared = {name: _declared(asked, found, name, task) for name in found.columns if name in wanted}
    frame = to_frame(conform(found.sample.select(list(declared)), declared, shown(asked.file.name)))
    usable = frame[[asked.time, asked.target, *asked.key]].notna().all(axis=1)
    floats = [name for name, kind in declared.items() if kind is ColumnType.FLOAT]
    usable &= ~np.isinf(frame[floats].to_numpy(dtype=float)).any(axis=1)
    return frame[usable].sort_values(asked.time, kind="stable", ignore_index=True)


def _is_identifier(column: Column, values: pd.Series) -> bool:
    return column.kind is ColumnType.STRING and values.nunique() > _IDENTIFYING * max(1, values.notna().sum())


def _strength(values: pd.Series, labels: Labels, task: Task) -> float:
    """How much a column alone tells, or its being missing, whichever is more: ROC AUC, or rank correlation."""
    missing = values.isna().to_numpy()
    alone = task.feature_score(labels, missing) if 0 < missing.sum() < len(missing) else _NOTHING[task.kind]
    if values.dtype == object:
        return max(alone, task.category_scores(values.astype(str).reset_index(drop=True), labels))
    numbers = values.astype("int64") if values.dtype.kind == "M" else values.astype(float)
    return max(alone, task.feature_score(labels[~missing], numbers.to_numpy()[~missing]))


def _refuse_leaks(asked: Asked, strengths: dict[str, float], labels: Labels, task: Task) -> None:
    if task is BINARY and min(labels.sum(), len(labels) - labels.sum()) < _FEWEST_OF_A_CLASS:
        return
    leaks = [name for name, strength in strengths.items() if strength >= LEAK and name not in asked.keep]
    if leaks:
        told = ", ".join(f"{shown(name, 40)} ({task.strength_words} {strengths[name]:.3f})" for name in leaks[:8])
        names = ",".join(leaks[:8])
        raise DataError(
            f"{shown(asked.file.name)}: alone, {told} nearly gives the target {shown(asked.target)} away. A column "
            f"that is filled in after the outcome is a leak. To fix: LEAVE_OUT={shown(names, 200)}, or KEEP= the same "
            "if it is known when the prediction is made."
        )
