"""Great Expectations, and nothing else of the project touches it.

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
from typing import Any, Literal, cast

import great_expectations as gx
import numpy as np
import numpy.typing as npt
import pandas as pd
from great_expectations.core import ExpectationSuite, ExpectationValidationResult
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.datasource.fluent.interfaces import Batch
from great_expectations.expectations.expectation import (
    ColumnMapExpectation,
    ColumnPairMapExpectation,
    Expectation,
    MulticolumnMapExpectation,
)
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

from include.perennial.digests import digest
from include.perennial.errors import SpecError
from include.perennial.messages import clipped, first_line, shown

Rows = npt.NDArray[np.intp]
_ROW_LEVEL = (ColumnMapExpectation, ColumnPairMapExpectation, MulticolumnMapExpectation)
_POSITION = "perennial_position"
_TEXT_LIMIT = 240


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

    expectations: tuple[tuple[str, Group, Expectation], ...]
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
        kept = [entry for entry in self.expectations if not any(_needs(entry[2], column) for column in columns)]
        return Suite(tuple(kept), self.digest)

    def run(self, frame: pd.DataFrame) -> SuiteReport:
        """Check ``frame``, whose index must count from 0.

        Each expectation is evaluated once, cheaply; row-level ones that fail a second time, for their rows.
        """
        batch = _batch(frame)
        findings = self._findings(_evaluate(batch, [item for _, _, item in self.expectations], "BASIC"))
        failed = [i for i, f in enumerate(findings) if f.group is Group.ROWS and not f.success and not f.error]
        again = _evaluate(batch, [self.expectations[i][2] for i in failed], "COMPLETE")
        rows = {findings[i].label: _rows(result) for i, result in zip(failed, again, strict=True)}
        return SuiteReport(tuple(findings), rows)

    def _findings(self, results: Sequence[ExpectationValidationResult]) -> list[Finding]:
        return [
            Finding(
                label=label,
                group=group,
                severity=str(item.severity.value),
                success=bool(result.success),
                observed=_observed(result.result),
                expected=_expected(item),
                error=_crash(result.exception_info),
            )
            for (label, group, item), result in zip(self.expectations, results, strict=True)
        ]


def _listed(module: ModuleType, group: Group) -> list[Expectation]:
    file = module.__spec__.origin if module.__spec__ else module.__name__
    items = getattr(module, group, None)
    if not isinstance(items, list | tuple):
        raise SpecError(f"{file}:1: no list {group}. Expected: a list of Great Expectations objects.")
    for n, item in enumerate(items):
        place = f"{file}:1: {group}[{n}] is {shown(type(item).__name__)}"
        if not isinstance(item, Expectation):
            raise SpecError(f"{place}. Expected: an object such as gxe.ExpectColumnValuesToNotBeNull(column=…).")
        if group is Group.ROWS and not isinstance(item, _ROW_LEVEL):
            raise SpecError(f"{place}, which does not speak of single rows. Move it to {Group.BATCH}.")
    return list(items)


def _label(item: Expectation) -> str:
    columns = _columns(item)
    return item.expectation_type + (f"({', '.join(columns)})" if columns else "")


def _columns(item: Expectation) -> list[str]:
    kwargs = item.configuration.kwargs
    named = kwargs.get("column_list") or [kwargs[k] for k in ("column", "column_A", "column_B") if k in kwargs]
    return [str(column) for column in named]


def _needs(item: Expectation, column: str) -> bool:
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


def _batch(frame: pd.DataFrame) -> Batch:
    # A context of this call only: nothing on disk, nothing shared between tasks, nothing sent.
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    asset = context.data_sources.add_pandas("partition").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})


def _evaluate(
    batch: Batch, items: Sequence[Expectation], form: Literal["BASIC", "COMPLETE"]
) -> list[ExpectationValidationResult]:
    """Results in the order of ``items``; GX returns them in its own."""
    if not items:
        return []
    copies = [item.copy(update={"id": None, "meta": {_POSITION: n}}, deep=True) for n, item in enumerate(items)]
    results = batch.validate(ExpectationSuite(name="partition", expectations=copies), result_format=form)
    return sorted(results.results, key=_position)


def _position(result: ExpectationValidationResult) -> int:
    return int(cast(ExpectationConfiguration, result.expectation_config).meta[_POSITION])


def _rows(result: ExpectationValidationResult) -> Rows:
    return np.asarray(result.result["unexpected_index_list"], dtype=np.intp)


def _crash(info: dict[str, Any]) -> str | None:
    """The message of an expectation that could not be evaluated. GX nests it by metric, or not."""
    entries = [info] if "raised_exception" in info else [entry for entry in info.values() if isinstance(entry, dict)]
    messages = [entry.get("exception_message") for entry in entries if entry.get("raised_exception")]
    return first_line(RuntimeError(str(messages[0]))) if messages else None


def _observed(result: dict[str, Any]) -> str:
    if "observed_value" in result:
        value = result["observed_value"]
        return shown(value.item() if isinstance(value, np.generic) else value, _TEXT_LIMIT)
    if "unexpected_count" not in result:
        return "not so"
    examples = ", ".join(shown(value, 40) for value in result.get("partial_unexpected_list", [])[:3])
    text = f"{result['unexpected_count']} of {result['element_count']} rows" + (
        f", such as {examples}" if examples else ""
    )
    return clipped(text, _TEXT_LIMIT)


def _expected(item: Expectation) -> str:
    kwargs = {
        k: v for k, v in item.configuration.kwargs.items() if k not in ("column", "column_A", "column_B", "column_list")
    }
    return clipped(
        ", ".join(f"{name}={shown(value)}" for name, value in kwargs.items()) or "so in every case", _TEXT_LIMIT
    )
