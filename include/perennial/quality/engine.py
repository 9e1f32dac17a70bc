"""One run of Great Expectations on a frame: results in the order asked for, and what they say in words."""

from collections.abc import Sequence
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
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

from include.perennial.messages import clipped, first_line, shown

Rows = npt.NDArray[np.intp]
_POSITION = "perennial_position"
_TEXT_LIMIT = 240


def batch_of(frame: pd.DataFrame) -> Batch:
    """``frame``, whose index must count from 0, as Great Expectations takes it."""
    # A context of this call only: nothing on disk, nothing shared between tasks, nothing sent.
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    asset = context.data_sources.add_pandas("partition").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})


def evaluate(
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


def failing_rows(result: ExpectationValidationResult) -> Rows:
    """Positions of the rows that fail, from a result of the form ``COMPLETE``."""
    return np.asarray(result.result["unexpected_index_list"], dtype=np.intp)


def crash_of(info: dict[str, Any]) -> str | None:
    """The message of an expectation that could not be evaluated. GX nests it by metric, or not."""
    entries = [info] if "raised_exception" in info else [entry for entry in info.values() if isinstance(entry, dict)]
    messages = [entry.get("exception_message") for entry in entries if entry.get("raised_exception")]
    return first_line(RuntimeError(str(messages[0]))) if messages else None


def observed_in(result: dict[str, Any]) -> str:
    """What was found, in words."""
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


def expected_of(item: Expectation) -> str:
    """What an expectation asks for, in words."""
    kwargs = {
        k: v for k, v in item.configuration.kwargs.items() if k not in ("column", "column_A", "column_B", "column_list")
    }
    return clipped(
        ", ".join(f"{name}={shown(value)}" for name, value in kwargs.items()) or "so in every case", _TEXT_LIMIT
    )
