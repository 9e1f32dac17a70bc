"""What a column adds up to, and a small frame of which an expectation finds the same as of all its rows.

The largest value of a column is the largest of its extremes, its distinct values are those of its distinct values: GX
is asked about these, so that bounds, words and errors stay its own.
"""

import enum
import math
from collections.abc import Iterable
from typing import Any

import pandas as pd
from great_expectations.expectations.expectation import Expectation


class Sum(enum.StrEnum):
    """How the answer to an expectation adds up from parts of the rows."""

    ROWS = "rows"
    SHAPE = "shape"
    EXTREMES = "extremes"
    MEAN = "mean"
    TOTAL = "total"
    DISTINCT = "distinct"


_SUMS = {
    "expect_table_row_count_to_be_between": Sum.ROWS,
    "expect_table_row_count_to_equal": Sum.ROWS,
    "expect_table_column_count_to_be_between": Sum.SHAPE,
    "expect_table_column_count_to_equal": Sum.SHAPE,
    "expect_table_columns_to_match_ordered_list": Sum.SHAPE,
    "expect_table_columns_to_match_set": Sum.SHAPE,
    "expect_column_to_exist": Sum.SHAPE,
    "expect_column_max_to_be_between": Sum.EXTREMES,
    "expect_column_min_to_be_between": Sum.EXTREMES,
    "expect_column_mean_to_be_between": Sum.MEAN,
    "expect_column_sum_to_be_between": Sum.TOTAL,
    "expect_column_distinct_values_to_be_in_set": Sum.DISTINCT,
    "expect_column_distinct_values_to_contain_set": Sum.DISTINCT,
    "expect_column_distinct_values_to_equal_set": Sum.DISTINCT,
    "expect_column_unique_value_count_to_be_between": Sum.DISTINCT,
}

_OF_TABLE = (Sum.ROWS, Sum.SHAPE)


class Witness:
    """The answer to ``item`` over all rows, added up. Memory grows with the distinct values, where these are asked."""

    def __init__(self, item: Expectation, sum_: Sum) -> None:
        self._sum, self._column = sum_, str(item.configuration.kwargs.get("column", ""))
        self._rows = self._known = 0
        self._totals: list[Any] = []
        self._values: pd.Series[Any] | None = None
        self._shape = pd.DataFrame()

    def take(self, frame: pd.DataFrame) -> None:
        """Count the rows of ``frame`` in."""
        self._rows += len(frame)
        self._shape = frame.head(1)
        if self._sum in _OF_TABLE:
            return
        values = frame[self._column].dropna()
        self._known += len(values)
        if self._sum in (Sum.MEAN, Sum.TOTAL):
            self._totals.append(values.sum())
        else:
            found = values if self._values is None else pd.concat([self._values, values], ignore_index=True)
            self._values = _extremes(found) if self._sum is Sum.EXTREMES else found.drop_duplicates()

    def frame(self) -> pd.DataFrame:
        """Rows that answer for all."""
        if self._sum is Sum.ROWS:
            return pd.DataFrame(index=range(self._rows))
        if self._sum is Sum.SHAPE:
            return self._shape
        if self._sum in (Sum.MEAN, Sum.TOTAL):
            total = _added(self._totals)
            answer = [total / self._known if self._sum is Sum.MEAN else total] if self._known else []
            return pd.DataFrame({self._column: pd.Series(answer, dtype=None if answer else float)})
        return pd.DataFrame({self._column: self._values}).reset_index(drop=True)


def adds_up(item: Expectation, frame: pd.DataFrame) -> Sum | None:
    """How the answer to ``item`` adds up over blocks like ``frame``; None if it does not."""
    found, kwargs = _SUMS.get(item.expectation_type), item.configuration.kwargs
    if found is None or kwargs.get("row_condition") or (found not in _OF_TABLE and kwargs.get("column") not in frame):
        return None
    is_number = found not in (Sum.MEAN, Sum.TOTAL) or pd.api.types.is_numeric_dtype(frame[kwargs["column"]])
    return found if is_number else None


def _extremes(values: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.Series([values.min(), values.max()], dtype=values.dtype) if len(values) else values


def _added(totals: Iterable[Any]) -> Any:
    totals = list(totals)
    return math.fsum(totals) if any(isinstance(total, float) for total in totals) else sum(map(int, totals))
