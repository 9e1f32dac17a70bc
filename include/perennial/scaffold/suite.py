"""A first suite of expectations from what was seen, with room around it; each line says what that was."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from include.perennial.scaffold.goals import Goal
from include.perennial.scaffold.kinds import Column
from include.perennial.scaffold.periods import Calendar
from include.perennial.scaffold.roles import Roles
from include.perennial.scaffold.words import Written, python_call
from include.perennial.spec import ColumnType
from include.perennial.spec.metrics import TaskKind

_MOST_CATEGORIES = 50
_KNOWN_SHARE = 0.9
_NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT)


@dataclass(frozen=True)
class Line:
    """One expectation as Python, and what was seen of it."""

    code: Written
    seen: str


def batch_lines(
    target: str, goal: Goal, columns: dict[str, Column], roles: Roles, calendar: Calendar, keys: "pd.Series[str]"
) -> list[Line]:
    """Row counts, the mean of the label, gaps and known categories of a partition."""
    counts = calendar.counts.values()
    lines = [
        Line(
            _call("TableRowCountToBeBetween", min_value=max(1, min(counts) // 2), max_value=2 * max(counts)),
            f"{min(counts):,} to {max(counts):,} rows a {calendar.period}",
        ),
        _label_line(target, goal, roles.frame[target], keys, calendar),
    ]
    for name in roles.features:
        worst = float(roles.frame[name].isna().groupby(keys.to_numpy()).mean().max())
        if worst < _KNOWN_SHARE:
            mostly = max(0.05, math.floor((1 - worst - 0.1) * 100) / 100)
            lines.append(
                Line(
                    _call("ColumnValuesToNotBeNull", column=name, mostly=mostly),
                    f"at most {worst:.1%} missing in a {calendar.period}",
                )
            )
    for name in roles.categories:
        values = sorted(columns[name].distinct)
        if not columns[name].is_diverse and len(values) <= _MOST_CATEGORIES:
            lines.append(
                Line(
                    _call("ColumnValuesToBeInSet", column=name, value_set=values, mostly=_KNOWN_SHARE),
                    f"{len(values)} values; a new one may come, many at once mean that the codes have changed",
                )
            )
    return lines


def _label_line(target: str, goal: Goal, values: "pd.Series[Any]", keys: "pd.Series[str]", calendar: Calendar) -> Line:
    if goal.kind is TaskKind.MULTICLASS:
        return Line(
            _call("ColumnUniqueValueCountToBeBetween", column=target, min_value=2, max_value=len(goal.classes)),
            f"{len(goal.classes)} classes: one alone would be a label that was cut",
        )
    means = values.astype(float).groupby(keys.to_numpy()).mean()
    if goal.kind is TaskKind.BINARY:
        low, high = max(0.0, means.min() / 2 - 0.02), min(1.0, means.max() * 1.5 + 0.02)
        seen = f"{means.min():.1%} to {means.max():.1%} positive: all or none would be a label that was cut or shifted"
        return Line(
            _call("ColumnMeanToBeBetween", column=target, min_value=round(low, 3), max_value=round(high, 3)), seen
        )
    low, high = _with_room(float(means.min()), float(means.max()), is_whole=False)
    seen = f"{means.min():.4g} to {means.max():.4g} in the mean of a {calendar.period}"
    return Line(_call("ColumnMeanToBeBetween", column=target, min_value=low, max_value=high), seen)


def row_lines(target: str, goal: Goal, columns: dict[str, Column], roles: Roles) -> list[Line]:
    """Labels and ranges of single rows."""
    lines = [
        Line(_call("ColumnValuesToNotBeNull", column=target), "a row without its label teaches nothing"),
        _label_of_a_row(target, goal, columns[target], roles.declared[target]),
    ]
    for name in roles.numbers:
        column = columns[name]
        if column.kind in _NUMBERS and column.low is not None and column.high is not None:
            low, high = _with_room(column.low, column.high, is_whole=column.kind is ColumnType.INTEGER)
            lines.append(
                Line(
                    _call("ColumnValuesToBeBetween", column=name, min_value=low, max_value=high),
                    f"{column.low:g} to {column.high:g}",
                )
            )
    return lines


def _label_of_a_row(target: str, goal: Goal, column: Column, declared: ColumnType) -> Line:
    if goal.kind is TaskKind.BINARY:
        values: list[Any] = [False, True] if declared is ColumnType.BOOLEAN else [0, 1]
        return Line(_call("ColumnValuesToBeInSet", column=target, value_set=values), "both outcomes")
    if goal.kind is TaskKind.MULTICLASS:
        classes: list[Any] = [int(name) if declared is ColumnType.INTEGER else name for name in goal.classes]
        return Line(_call("ColumnValuesToBeInSet", column=target, value_set=classes), "the classes of pipeline.yaml")
    low, high = _with_room(column.low or 0.0, column.high or 0.0, is_whole=declared is ColumnType.INTEGER)
    low = 0 if goal.is_count else low
    seen = f"{column.low:g} to {column.high:g}"
    return Line(_call("ColumnValuesToBeBetween", column=target, min_value=low, max_value=high), seen)


def _with_room(low: float, high: float, *, is_whole: bool) -> tuple[float, float]:
    """Half the span more on each side; what was never negative stays so."""
    room = (high - low) / 2 or max(1.0, abs(high))
    least = max(0.0, low - room) if low >= 0 else low - room
    if is_whole:
        return math.floor(least), math.ceil(high + room)
    return float(f"{least:.4g}"), float(f"{high + room:.4g}")


def _call(name: str, **arguments: Any) -> Written:
    return python_call(f"gxe.Expect{name}", arguments, indent=4)
