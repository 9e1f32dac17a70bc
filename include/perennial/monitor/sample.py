"""The sample of the champion's window as a file, stored with the champion: what reports are drawn against."""

import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from include.perennial.gate.arrays import Floats, Integers
from include.perennial.gate.tasks import BINARY, Task
from include.perennial.monitor.reference import Window

PREDICTION = "prediction of the champion"


def compared_rows(x: pd.DataFrame, p: Floats, rows: Integers | None = None, task: Task = BINARY) -> pd.DataFrame:
    """The columns of ``x`` and the predictions beside them; only the positions ``rows``, if given."""
    frame = x.assign(**{PREDICTION: task.shown(p).to_numpy()})
    return frame if rows is None else frame.iloc[rows].reset_index(drop=True)


def to_parquet(window: Window, task: Task = BINARY) -> bytes:
    """The sampled rows of a window with predictions of a model that had not seen them."""
    table = pa.Table.from_pandas(compared_rows(window.x, window.p, task=task), preserve_index=False)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


def from_parquet(data: bytes) -> pd.DataFrame:
    """The rows in bytes that ``to_parquet`` made."""
    return pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True).read().to_pandas()
