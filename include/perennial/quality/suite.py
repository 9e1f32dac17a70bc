"""The pipeline's expectations, as Great Expectations has them.

``expectations.py`` of a pipeline holds two lists of GX expectation objects. ``BATCH`` speaks of
the partition as a whole: one failure of severity ``critical`` (GX's default) refuses it. ``ROWS``
speaks of single rows: the rows that fail are set aside. GX reports an expectation that crashed as
one that failed; here it is told apart, by ``exception_info``.
"""

import enum
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType

import pandas as pd
from great_expectations.core import ExpectationValidationResult
from great_expectations.expectations.expectation import (
    ColumnMapExpectation,
    ColumnPairMapExpectation,
    Expectation,
    MulticolumnMapExpectation,
)

from include.perennial.digests import digest
from include.perennial.errors import SpecError
from include.perennial.messages import shown
from include.perennial.quality.engine import (
    Rows,
    batch_of,
    crash_of,
    evaluate,
    expected_of,
    failing_rows,
    observed_in,
)

ROW_LEVEL = (ColumnMapExpectation, ColumnPairMapExpectation, MulticolumnMapExpectation)
Entry = tuple[str, "Group", Expectation]


class Group(enum.StrEnum):
    """Which list of expectations.py an expectation stands in."""

    BATCH = "BATCH"
    ROWS = "ROWS"


@dataclass(frozen=True)
class Finding:
    """What became of one expectation. ``error`` is set if GX could not evaluate it."""

    label: str
    group: Group
    severity: str
    success: bool
    observed: str
    expected: str
    error: str | None

    @property
    def is_fatal(self) -> bool:
        """Whether the partition is refused for it."""
        failed_batch = self.group is Group.BATCH and not self.success and self.severity == "critical"
        return self.error is not None or failed_batch


@dataclass(frozen=True)
class SuiteReport:
    """All findings, in the order of expectations.py; ``bad_rows`` are row positions by the label of what they fail."""

    findings: tuple[Finding, ...]
    bad_rows: dict[str, Rows] = field(default_factory=dict)

    @property
    def fatal(self) -> list[Finding]:
        """The findings that refuse the partition."""
        return [finding for finding in self.findings if finding.is_fatal]


@dataclass(frozen=True)
class Suite:
    """The expectations of a pipeline, labelled, ``digest`` over their configurations."""

    expectations: tuple[Entry, ...]
    digest: str

    @classmethod
    def load(cls, module: ModuleType) -> "Suite":
        """The suite in ``expectations.py``.

        Raises:
            SpecError: a list is missing, holds something else, or ``ROWS`` one that does not speak of rows.
        """
        found = [(group, item) for group in Group for item in _listed(module, group)]
        labels = _unique([_label(item) for _, item in found])
        configs = [[group, item.configuration.to_json_dict()] for group, item in found]
        return cls(
            tuple((label, group, item) for label, (group, item) in zip(labels, found, strict=True)), digest(configs)
        )

    def without(self, *columns: str) -> "Suite":
        """The expectations that can be asked of a frame without ``columns``: none about them, or the table's shape.

        The digest stays that of the whole suite.
        """
        kept = [entry for entry in self.expectations if not any(needs(entry[2], column) for column in columns)]
        return Suite(tuple(kept), self.digest)

    def run(self, frame: pd.DataFrame) -> SuiteReport:
        """Check ``frame``, whose index must count from 0.

        Each expectation is evaluated once, cheaply; row-level ones that fail a second time, for their rows.
        """
        batch = batch_of(frame)
        findings = self._findings(evaluate(batch, [item for _, _, item in self.expectations], "BASIC"))
        failed = [i for i, f in enumerate(findings) if f.group is Group.ROWS and not f.success and not f.error]
        again = evaluate(batch, [self.expectations[i][2] for i in failed], "COMPLETE")
        rows = {findings[i].label: failing_rows(result) for i, result in zip(failed, again, strict=True)}
        return SuiteReport(tuple(findings), rows)

    def _findings(self, results: Sequence[ExpectationValidationResult]) -> list[Finding]:
        return [
            finding_of(entry, bool(result.success), observed_in(result.result), crash_of(result.exception_info))
            for entry, result in zip(self.expectations, results, strict=True)
        ]


def finding_of(entry: Entry, success: bool, observed: str, error: str | None) -> Finding:
    """What became of the expectation in ``entry``."""
    label, group, item = entry
    return Finding(label, group, str(item.severity.value), success, observed, expected_of(item), error)


def _listed(module: ModuleType, group: Group) -> list[Expectation]:
    file = module.__spec__.origin if module.__spec__ else module.__name__
    items = getattr(module, group, None)
    if not isinstance(items, list | tuple):
        raise SpecError(f"{file}:1: no list {group}. Expected: a list of Great Expectations objects.")
    for n, item in enumerate(items):
        place = f"{file}:1: {group}[{n}] is {shown(type(item).__name__)}"
        if not isinstance(item, Expectation):
            raise SpecError(f"{place}. Expected: an object such as gxe.ExpectColumnValuesToNotBeNull(column=…).")
        if group is Group.ROWS and not isinstance(item, ROW_LEVEL):
            raise SpecError(f"{place}, which does not speak of single rows. Move it to {Group.BATCH}.")
    return list(items)


def _label(item: Expectation) -> str:
    columns = _columns(item)
    return item.expectation_type + (f"({', '.join(columns)})" if columns else "")


def _columns(item: Expectation) -> list[str]:
    kwargs = item.configuration.kwargs
    named = kwargs.get("column_list") or [kwargs[k] for k in ("column", "column_A", "column_B") if k in kwargs]
    return [str(column) for column in named]


def needs(item: Expectation, column: str) -> bool:
    """Whether ``item`` speaks of ``column``, or of the table's columns as a whole."""
    condition = str(item.configuration.kwargs.get("row_condition") or "")
    mentioned = re.search(rf"\b{re.escape(column)}\b", condition) is not None
    return mentioned or column in _columns(item) or item.expectation_type.startswith("expect_table_column")


def _unique(labels: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    out = []
    for label in labels:
        seen[label] += 1
        out.append(label if seen[label] == 1 else f"{label}#{seen[label]}")
    return out
