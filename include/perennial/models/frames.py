"""Partitions as a model is given them: every declared column but the target and the weights, and those apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from include.perennial.blocks import Blocks, of_parquet
from include.perennial.errors import DataError, IntegrityError
from include.perennial.gate.arrays import Floats, Integers, Labels
from include.perennial.gate.tasks import BINARY, Task
from include.perennial.messages import first_line
from include.perennial.spec import DataSection
from include.perennial.tables import schema, to_frame

_NO_LABEL = (
    "To fix: correct the label at the source; have an expectation in ROWS of expectations.py set such rows aside; "
    "raise data.label_delay_periods if it has not come yet; or, if it is a new class, add it to classes."
)


@dataclass(frozen=True)
class Labelled:
    """Rows with known labels: ``x`` holds every declared column but the target, ``y`` (shape ``(n,)``) the labels.

    Labels are as the task has them: 0 or 1, positions of classes, or numbers. ``partition`` numbers the partition of
    each row, oldest 0, where that is known; ``weights`` is the column of sample weights, where the spec names one.
    """

    x: pd.DataFrame
    y: Labels
    partition: Integers | None = None
    weights: Floats | None = None

    def __len__(self) -> int:
        return len(self.y)

    @property
    def rate(self) -> float:
        """Share of ones."""
        return float(self.y.mean())


def read(paths: Sequence[Path], data: DataSection, task: Task = BINARY) -> Labelled:
    """Read published partitions, in the order of ``paths``, into one frame.

    Where labels come from a source of their own, rows without one are left out: theirs never came.

    Raises:
        DataError: there are no rows, or a label is missing or none of the task's.
        IntegrityError: a file is damaged or does not hold the declared columns.
    """
    tables = [_table(path, schema(data.columns)) for path in paths]
    partition = np.repeat(np.arange(len(tables)), [table.num_rows for table in tables])
    frame = to_frame(pa.concat_tables(tables))
    if data.labels is not None:
        known = frame[data.target].notna().to_numpy()
        frame, partition = frame[known].reset_index(drop=True), partition[known]
    if frame.empty:
        raise DataError(
            f"Partitions {', '.join(path.name for path in paths)} hold no rows: nothing to train or judge on."
        )
    target = frame.pop(data.target)
    labels = task.encode(target)
    wrong = np.isnan(labels)
    if wrong.any():
        raise DataError(
            f"Target {data.target!r} must be {task.label_words} in every row: {int(wrong.sum())} of {len(labels)} "
            f"rows are not, for example {target[wrong].iloc[0]!r}. {_NO_LABEL}"
        )
    weights = None if data.weight is None else checked_weights(frame.pop(data.weight), f"column {data.weight!r}")
    return Labelled(frame, labels.astype(task.label_type), partition, weights)


def checked_weights(values: Any, where: str) -> Floats:
    """Sample weights as numbers, one per row.

    Raises:
        DataError: one is missing, infinite or negative, or all are zero.
    """
    weights = pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(dtype=float)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        raise DataError(
            f"Sample weights of {where} must be finite numbers, 0 or more, in every row: {int(wrong.sum())} of "
            f"{len(weights)} rows are not, for example {weights[wrong][0]}. To fix: set them at the source, or have "
            "an expectation in ROWS of expectations.py set such rows aside."
        )
    if not weights.any():
        raise DataError(f"Sample weights of {where} are all 0: nothing to learn. To fix: weigh some rows.")
    return weights


def read_features(path: Path, data: DataSection) -> pd.DataFrame:
    """What a model may see of one published partition: every declared column but the withheld, labelled or not yet.

    Raises:
        IntegrityError: the file is damaged or does not hold the declared columns.
    """
    declared = schema(data.columns)
    return to_frame(_table(path, declared).drop_columns(list(data.withheld)))


def features_in_blocks(path: Path, data: DataSection) -> Blocks:
    """The same of a partition that is too large to be held.

    Raises:
        IntegrityError: as ``read_features``, once the place is reached.
    """
    return of_parquet(path, schema({name: kind for name, kind in data.columns.items() if name not in data.withheld}))


def read_with_gaps(path: Path, data: DataSection, task: Task = BINARY) -> tuple[pd.DataFrame, Floats]:
    """One published partition whose labels may not have come: ``x`` as in ``Labelled``, and ``y`` with NaN for a gap.

    Raises:
        IntegrityError: the file is damaged or does not hold the declared columns.
    """
    return with_gaps(to_frame(_table(path, schema(data.columns))), data, task)


def with_gaps(frame: pd.DataFrame, data: DataSection, task: Task) -> tuple[pd.DataFrame, Floats]:
    """Rows of a partition apart from their labels, which are NaN where there is none."""
    labels = task.encode(frame[data.target])
    return frame.drop(columns=list(data.withheld)), labels


def _table(path: Path, declared: pa.Schema) -> pa.Table:
    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
    except (pa.ArrowException, OSError) as error:
        raise IntegrityError(f"Partition file {path.name} cannot be read: {first_line(error)}.") from error
    if not set(declared) <= set(table.schema):
        raise IntegrityError(
            f"Partition file {path.name} does not hold the columns and types that pipeline.yaml declares now. "
            "Run the ingest of that partition again."
        )
    return table.select(declared.names)
