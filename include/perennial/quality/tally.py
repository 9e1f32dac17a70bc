"""The pipeline's expectations over a partition that comes block by block.

Four ways to one answer, by what an expectation asks:

=========  ========================================  =======================================================
way        of which expectations                     what is held
=========  ========================================  =======================================================
by block   about single rows, in ``ROWS`` or BATCH   one block; counts add up, ``mostly`` is of their sum
added up   row count, mean, sum, min, max, distinct  a few numbers, or the distinct values (``witness``)
columns    that compare rows, such as uniqueness     the columns that it speaks of, of all rows
sample     all others, such as a median              at most ``ROWS_AT_ONCE`` rows, drawn with a seed; it says so
=========  ========================================  =======================================================
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from great_expectations.core import ExpectationValidationResult
from great_expectations.expectations.expectation import Expectation

from include.perennial import blocks
from include.perennial.messages import clipped
from include.perennial.quality.engine import Rows, batch_of, crash_of, evaluate, failing_rows, observed_in
from include.perennial.quality.suite import ROW_LEVEL, Entry, Finding, Group, Suite, SuiteReport, finding_of, needs
from include.perennial.quality.witness import Witness, adds_up

_COMPARES_ROWS = frozenset(
    {
        "expect_column_proportion_of_unique_values_to_be_between",
        "expect_column_value_z_scores_to_be_less_than",
        "expect_column_values_to_be_decreasing",
        "expect_column_values_to_be_increasing",
        "expect_column_values_to_be_unique",
        "expect_column_values_to_not_be_outliers",
        "expect_compound_columns_to_be_unique",
    }
)
_SHOWN_EXAMPLES = 3
_OBSERVED_LIMIT = 240


class _Way(enum.Enum):
    BLOCK = enum.auto()
    ADDED = enum.auto()
    COLUMNS = enum.auto()
    SAMPLE = enum.auto()


@dataclass
class _Count:
    """Of one expectation about single rows, what all blocks so far have found."""

    elements: int = 0
    considered: int = 0
    unexpected: int = 0
    examples: list[Any] = field(default_factory=list)
    is_counted: bool = True
    success: bool = True
    observed: str = ""
    error: str | None = None

    def take(self, result: ExpectationValidationResult) -> None:
        found = result.result
        self.error = self.error or crash_of(result.exception_info)
        if not self.observed or (self.success and not result.success):
            self.observed = observed_in(found)
        self.success &= bool(result.success)
        self.is_counted &= found.get("unexpected_count") is not None
        if self.is_counted:
            self.elements += found["element_count"]
            self.considered += found["element_count"] - (found.get("missing_count") or 0)
            self.unexpected += found["unexpected_count"]
            self.examples += found.get("partial_unexpected_list", [])[: _SHOWN_EXAMPLES - len(self.examples)]

    def finding(self, entry: Entry) -> Finding:
        if self.error or not self.is_counted:
            return finding_of(entry, self.success, self.observed, self.error)
        # The same division as GX makes of all rows.
        right = float(self.considered) - float(self.unexpected)
        mostly = getattr(entry[2], "mostly", None)
        wanted = float(mostly) if isinstance(mostly, int | float) else 1.0
        success = not self.considered or right / float(self.considered) >= wanted
        found = {"unexpected_count": self.unexpected, "element_count": self.elements}
        return finding_of(entry, success, observed_in(found | {"partial_unexpected_list": self.examples}), None)


class Tally:
    """``suite`` over ``rows`` rows, which come in blocks of a few hundred thousand.

    ``first`` is any of the blocks; ``seed`` decides the sample.
    """

    def __init__(self, suite: Suite, rows: int, first: pd.DataFrame, seed: Sequence[int]) -> None:
        self._suite, self._rows, self._seen = suite, rows, 0
        self._random = np.random.default_rng(list(seed))
        self._ways = {entry[0]: self._way(entry[2], first) for entry in suite.expectations}
        self._counts = {entry[0]: _Count() for entry in self._by(_Way.BLOCK)}
        self._witnesses = {
            label: Witness(item, sum_)
            for label, _, item in self._by(_Way.ADDED)
            if (sum_ := adds_up(item, first)) is not None
        }
        self._held: dict[_Way, list[pd.DataFrame]] = {_Way.COLUMNS: [], _Way.SAMPLE: []}

    @property
    def _sample_rows(self) -> int:
        return min(self._rows, blocks.ROWS_AT_ONCE)

    def _way(self, item: Expectation, frame: pd.DataFrame) -> _Way:
        compares = item.expectation_type in _COMPARES_ROWS
        if isinstance(item, ROW_LEVEL) and not compares:
            return _Way.BLOCK
        if self._rows <= blocks.ROWS_AT_ONCE:
            return _Way.SAMPLE  # of all rows
        return _Way.COLUMNS if compares else _Way.ADDED if adds_up(item, frame) else _Way.SAMPLE

    def _by(self, way: _Way) -> list[Entry]:
        return [entry for entry in self._suite.expectations if self._ways[entry[0]] is way]

    def take(self, frame: pd.DataFrame) -> dict[str, Rows]:
        """Count the next block in; positions of its rows that fail an expectation of ``ROWS``, by label.

        They are set aside only if the expectation fails over all blocks: it may ask for most rows only.
        """
        if not len(frame):
            return {}
        for witness in self._witnesses.values():
            witness.take(frame)
        self._hold(frame)
        self._seen += len(frame)
        entries = self._by(_Way.BLOCK)
        batch = batch_of(frame)
        again = []
        for entry, result in zip(entries, evaluate(batch, [item for _, _, item in entries], "BASIC"), strict=True):
            self._counts[entry[0]].take(result)
            if entry[1] is Group.ROWS and result.result.get("unexpected_count"):
                again.append(entry)
        results = evaluate(batch, [item for _, _, item in again], "COMPLETE")
        return {label: failing_rows(result) for (label, _, _), result in zip(again, results, strict=True)}

    def report(self) -> SuiteReport:
        """The findings; ``bad_rows`` only of expectations that compare rows, by position among all rows."""
        found = {entry[0]: self._counts[entry[0]].finding(entry) for entry in self._by(_Way.BLOCK)}
        bad_rows: dict[str, Rows] = {}
        for entry in self._by(_Way.ADDED):
            report = Suite((entry,), "").run(self._witnesses[entry[0]].frame())
            found |= {finding.label: finding for finding in report.findings}
        for way, frames in self._held.items():
            if frames:
                report = Suite(tuple(self._by(way)), "").run(pd.concat(frames, ignore_index=True))
                found |= {finding.label: self._told(finding, way) for finding in report.findings}
                bad_rows |= report.bad_rows
        return SuiteReport(tuple(found[label] for label, _, _ in self._suite.expectations), bad_rows)

    def _hold(self, frame: pd.DataFrame) -> None:
        for way, held in self._held.items():
            if entries := self._by(way):
                names = [name for name in frame if any(needs(item, str(name)) for _, _, item in entries)]
                rows = self._drawn(len(frame)) if way is _Way.SAMPLE else np.arange(len(frame))
                held.append(frame[names].iloc[rows])

    def _drawn(self, rows: int) -> Rows:
        """Positions among the next ``rows`` rows: in the end each set of ``_sample_rows`` rows is as likely as any."""
        wanted = self._sample_rows - sum(map(len, self._held[_Way.SAMPLE]))
        others = self._rows - self._seen - wanted
        n = int(self._random.hypergeometric(wanted, others, rows)) if others else rows
        return np.sort(self._random.choice(rows, n, replace=False))

    def _told(self, finding: Finding, way: _Way) -> Finding:
        if finding.error or way is not _Way.SAMPLE or self._rows <= self._sample_rows:
            return finding
        said = f"{finding.observed} (in a sample of {self._sample_rows:,} of {self._rows:,} rows)"
        return Finding(**{**finding.__dict__, "observed": clipped(said, _OBSERVED_LIMIT)})
