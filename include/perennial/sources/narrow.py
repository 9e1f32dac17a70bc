"""Of a large file that holds all time, only the rows of the newest partitions: a check need not keep the rest.

A real ingest reads the whole file; here memory grows with the window and not with the file.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from include.perennial.columns import convert
from include.perennial.messages import shown
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.s3 import SCHEME
from include.perennial.sources.batches import batches, column_names
from include.perennial.spec import ColumnType, FilesSource
from include.perennial.tables import check_header

LARGE_BYTES = 64_000_000


def narrowed(pipeline: Pipeline, source: FilesSource, n: int, scratch: Path) -> Pipeline:
    """``pipeline`` with its source at a file of the newest ``n`` partitions (and those without labels yet).

    The pipeline itself where the file is small, far away, or of a form that is not read in batches.

    Raises:
        DataError: the file cannot be read, a declared column is missing, or a time is none.
    """
    path = pipeline.folder / source.path
    if source.path.startswith(SCHEME) or source.format == "jsonl" or not path.is_file():
        return pipeline
    if path.stat().st_size <= LARGE_BYTES:
        return pipeline
    check_header(column_names(path), pipeline.spec.data.columns, shown(path.name))
    found = partitions_in(pipeline, path)
    wanted = found[-(n + pipeline.spec.data.label_delay_periods) :]
    if len(wanted) == len(found):
        return pipeline
    target = scratch / f"newest_of_{path.name.removesuffix('.gz')}"
    _write(pipeline, path, wanted[0], target)
    spec = pipeline.spec.model_copy(update={"source": source.model_copy(update={"path": str(target)})})
    return dataclasses.replace(pipeline, spec=spec)


def partitions_in(pipeline: Pipeline, path: Path) -> list[Partition]:
    """The partitions of which a CSV or Parquet file holds rows, oldest first.

    Raises:
        DataError: the file cannot be read, or a time is none.
    """
    found = set()
    for _, moments in _timed(pipeline, path, [pipeline.spec.data.time]):
        for hour in pc.unique(pc.floor_temporal(moments.drop_null(), unit="hour")).to_pylist():
            found.add(Partition.containing(hour.to_pydatetime(), pipeline.spec.period))
    return sorted(found)


def _write(pipeline: Pipeline, path: Path, first: Partition, target: Path) -> None:
    """The rows from the start of ``first`` on, cells of CSV as they stand in the file."""
    writer: pyarrow.csv.CSVWriter | pq.ParquetWriter | None = None
    start = pa.scalar(first.start_utc, pa.timestamp("ns", "UTC"))
    for table, moments in _timed(pipeline, path, list(pipeline.spec.data.columns)):
        if writer is None:
            is_csv = pipeline.spec.source.model_dump()["format"] == "csv"
            writer = (pyarrow.csv.CSVWriter if is_csv else pq.ParquetWriter)(target, table.schema)
        writer.write_table(table.filter(pc.fill_null(pc.greater_equal(moments, start), False)))
    if writer is not None:
        writer.close()


def _timed(pipeline: Pipeline, path: Path, names: list[str]) -> Iterator[tuple[pa.Table, pa.ChunkedArray]]:
    data, source = pipeline.spec.data, pipeline.spec.source
    row = 2
    # Without null values: what a cell means is decided when the copy is read, by the spec's own list.
    for table in batches(path, names, ()):
        times = table[data.time]
        if pa.types.is_string(times.type) and isinstance(source, FilesSource):
            times = pc.if_else(pc.is_in(times, pa.array(source.null_values, pa.string())), None, times)
        yield table, convert(times, ColumnType.TIMESTAMP, shown(path.name), data.time, row, data.zone)
        row += table.num_rows
