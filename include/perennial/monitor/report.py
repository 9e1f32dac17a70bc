"""The comparison as an Evidently page and JSON, for people. The only module that imports Evidently.

Evidently draws and lays out; what it shows are this project's numbers: both distances are registered with it, so
that a value or a threshold on the page is the one in the measurement. Columns that nothing is asked for, too.
"""

import html
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.core.metric_types import Metric as EvidentlyMetric
from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
from evidently.legacy.core import ColumnType as EvidentlyType
from evidently.metrics import MissingValueCount, RowCount, ValueDrift
from jinja2 import Environment, FileSystemLoader

from include.perennial.gate.evidence import Floats
from include.perennial.monitor.cells import Cells, category_cells, number_cells
from include.perennial.monitor.drift import distance
from include.perennial.monitor.measurement import Measurement, Signal, SignalKind
from include.perennial.monitor.sample import PREDICTION

_RANKS, _SHANNON = "perennial_rank_distance", "perennial_jensen_shannon"


@dataclass(frozen=True)
class DriftPage:
    """One partition's page. ``html`` is a whole document with scripts of its own: serve it sandboxed."""

    html: bytes
    json: bytes


def render(measurement: Measurement, reference: pd.DataFrame, current: pd.DataFrame) -> DriftPage:
    """The page of a measurement that has signals.

    Args:
        reference, current: the compared rows of the window and of the partition, as the measurement saw them, with
            the column ``PREDICTION`` beside the data's own.

    Evidently writes names and values into its page as they are, so both are escaped here first.
    """
    compared = [signal for signal in measurement.signals if signal.kind in (SignalKind.FEATURE, SignalKind.PREDICTION)]
    before, after = _drawable(reference), _drawable(current)
    shown = [signal for signal in compared if _is_drawable(_column(signal), before, after)]
    columns = [_column(signal) for signal in shown]
    numeric = [name for name in columns if pd.api.types.is_numeric_dtype(before[name])]
    definition = DataDefinition(
        numerical_columns=numeric, categorical_columns=[name for name in columns if name not in numeric]
    )
    metrics: list[EvidentlyMetric] = [RowCount()]
    for signal, name in zip(shown, columns, strict=True):
        method = _RANKS if name in numeric else _SHANNON
        metrics += [ValueDrift(column=name, method=method, threshold=signal.threshold), MissingValueCount(column=name)]
    report = Report(metrics, metadata={"partition": measurement.key, "champion": str(measurement.champion_version)})
    run = report.run(
        Dataset.from_pandas(after[columns], data_definition=definition),
        Dataset.from_pandas(before[columns], data_definition=definition),
    )
    page = run.get_html_str(as_iframe=False).replace("<body>", f"<body>{_summary(measurement)}", 1)
    # Evidently's part is JSON already, and stays as it wrote it.
    whole = f'{{"measurement": {measurement.model_dump_json()}, "evidently": {run.json()}}}'
    return DriftPage(page.encode(), whole.encode())


def _summary(measurement: Measurement) -> str:
    """What Evidently does not show: signals of no distribution, performance with its interval, slices, the estimate."""
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    return environment.get_template("summary.html.j2").render(measurement=measurement)


def _column(signal: Signal) -> str:
    return PREDICTION if signal.kind is SignalKind.PREDICTION else html.escape(signal.name)


def _is_drawable(name: str, before: pd.DataFrame, after: pd.DataFrame) -> bool:
    """Evidently raises on a column without values; its null rate is in the measurement."""
    return all(name in frame and bool(frame[name].notna().any()) for frame in (before, after))


def _drawable(frame: pd.DataFrame) -> pd.DataFrame:
    """Texts and names escaped; yes and no as the numbers that they are measured as, since Evidently subtracts them."""
    flags = {
        name: frame[name].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        for name in frame.columns
        if pd.api.types.infer_dtype(frame[name], skipna=True) == "boolean"
    }
    frame = frame.assign(**flags)
    texts = {
        name: frame[name].map(lambda value: html.escape(str(value)), na_action="ignore")
        for name in frame.columns
        if frame[name].dtype == object
    }
    return frame.assign(**texts).rename(columns=html.escape)


def _registered(name: str, shown: str, kind: EvidentlyType, cells_of: Callable[["pd.Series[Any]"], Cells]) -> None:
    def test(
        reference: "pd.Series[Any]", current: "pd.Series[Any]", _: EvidentlyType, threshold: float
    ) -> tuple[float, bool]:
        cells = cells_of(reference)
        value = float(distance(cells, _counted(cells, current), _counted(cells, reference))[0])
        return value, value > threshold

    register_stattest(StatTest(name=name, display_name=shown, allowed_feature_types=[kind]), test)


def _counted(cells: Cells, values: "pd.Series[Any]") -> Floats:
    return cells.count(values, np.zeros(len(values), dtype=int), 1)


def _numbers(values: "pd.Series[Any]") -> Cells:
    return number_cells("", values.to_numpy(dtype=float))


def _categories(values: "pd.Series[Any]") -> Cells:
    return category_cells("", [values]) or Cells(column="", categories=("",))


_registered(_RANKS, "distance in reference ranks", EvidentlyType.Numerical, _numbers)
_registered(_SHANNON, "Jensen-Shannon distance, base 2", EvidentlyType.Categorical, _categories)
