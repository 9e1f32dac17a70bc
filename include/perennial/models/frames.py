"""Partitions as a model is given them: every declared column but the target, and the labels apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from include.perennial.errors import DataError, IntegrityError
from include.perennial.gate.arrays import Floats, Labels
from include.perennial.gate.tasks import BINARY, Task
from include.perennial.messages import first_line
from include.perennial.spec import DataSection
from include.perennial.tables import schema, to_frame


@dataclass(frozen=True)
class Labelled:
    """Rows with known labels: ``x`` holds every declared column but the target, ``y`` (shape ``(n,)``) the labels.

    Labels are as the task has them: 0 or 1, positions of classes, or numbers.
    """

    x: pd.DataFrame
    y: Labels

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
    frame = to_frame(pa.concat_tables([_table(path, schema(data.columns)) for path in paths]))
    if data.labels is not None:
        frame = frame[frame[data.target].notna()].reset_index(drop=True)
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
            f"rows are not, for example {target[wrong].iloc[0]!r}."
        )
    return Labelled(frame, labels.astype(task.label_type))


def read_features(path: Path, data: DataSection) -> pd.DataFrame:
    """What a model may see of one published partition: every declared column but the target, labelled or not yet.

    Raises:
        IntegrityError: the file is damaged or does not hold the declared columns.
    """
    declared = schema(data.columns)
    return to_frame(_table(path, declared).drop_columns([data.target]))


def read_with_gaps(path: Path, data: DataSection, task: Task = BINARY) -> tuple[pd.DataFrame, Floats]:
    """One published partition whose labels may not have come: ``x`` as in ``Labelled``, and ``y`` with NaN for a gap.

    Raises:
        IntegrityError: the file is damaged or does not hold the declared columns.
    """
    frame = to_frame(_table(path, schema(data.columns)))
    target = frame.pop(data.target)
    return frame, task.encode(target)


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
