"""A first suite of expectations from what was seen, with room around it; each line says what that was."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from include.perennial.gate.tasks import BINARY, Task
from include.perennial.scaffold.kinds import Column
from include.perennial.scaffold.periods import Calendar
from include.perennial.scaffold.roles import Roles
from include.perennial.scaffold.words import Written, python_call
from include.perennial.spec import ColumnType

_MOST_CATEGORIES = 50
_KNOWN_SHARE = 0.9
_NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT)


@dataclass(frozen=True)
class Line:
    """One expectation as Python, and what was seen of it."""

    code: Written
    seen: str


def batch_lines(
    target: str, columns: dict[str, Column], roles: Roles, calendar: Calendar, keys: "pd.Series[str]", task: Task
) -> list[Line]:
    """Row counts, the rate of the label, gaps and known categories of a partition."""
    counts, rates = calendar.counts.values(), roles.frame[target].astype(float).groupby(keys.to_numpy()).mean()
    if task is BINARY:
        low, high = max(0.0, rates.min() / 2 - 0.02), min(1.0, rates.max() * 1.5 + 0.02)
        seen = f"{rates.min():.1%} to {rates.max():.1%} positive: all or none would be a label that was cut or shifted"
    else:
        low, high = _with_room(float(rates.min()), float(rates.max()), is_whole=False)
        seen = f"{rates.min():.4g} to {rates.max():.4g} on average: far off would be another unit, or a label cut short"
    lines = [
        Line(
            _call("TableRowCountToBeBetween", min_value=max(1, min(counts) // 2), max_value=2 * max(counts)),
            f"{min(counts):,} to {max(counts):,} rows a {calendar.period}",
        ),
        Line(
            _call("ColumnMeanToBeBetween", column=target, min_value=round(low, 3), max_value=round(high, 3)),
            seen,
        ),
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


def row_lines(target: str, columns: dict[str, Column], roles: Roles, task: Task) -> list[Line]:
    """Labels and ranges of single rows."""
    values: list[Any] = [False, True] if roles.declared[target] is ColumnType.BOOLEAN else [0, 1]
    lines = [Line(_call("ColumnValuesToNotBeNull", column=target), "a row without its label teaches nothing")]
    if task is BINARY:
        lines.append(Line(_call("ColumnValuesToBeInSet", column=target, value_set=values), "both outcomes"))
    for name in roles.numbers if task is BINARY else (target, *roles.numbers):
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


def _with_room(low: float, high: float, *, is_whole: bool) -> tuple[float, float]:
    """Half the span more on each side; what was never negative stays so."""
    room = (high - low) / 2 or max(1.0, abs(high))
    least = max(0.0, low - room) if low >= 0 else low - room
    if is_whole:
        return math.floor(least), math.ceil(high + room)
    return float(f"{least:.4g}"), float(f"{high + room:.4g}")


def _call(name: str, **arguments: Any) -> Written:
    return python_call(f"gxe.Expect{name}", arguments, indent=4)
