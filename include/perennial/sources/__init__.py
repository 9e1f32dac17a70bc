"""Where deliveries come from. A source never changes what it reads.

``deliver``      brings one partition's bytes into a folder, as they are:
                 ``files`` (disk, S3), ``sql`` (a SELECT, as Parquet), ``python_source`` (source.py)
``read``         turns a delivery into one frame of the declared columns, strictly: ``reading``
                 parses, ``text`` looks for what parsers forgive
``wanted``       which rows of a large delivery are taken
``batches``      the rows of a large file, some thousands at a time, for those who only look
``newest``       which partitions there are, as far as that can be told without asking for each
``narrow``       only the newest partitions of a file that holds all time
``connections``  how addresses and secrets are found

Between the two stands the snapshot: what is read is what was stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from include.perennial.columns import ARROW_TYPES
from include.perennial.errors import BadInput
from include.perennial.messages import data_error, shown
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.sources import files, python_source, sql
from include.perennial.sources.connections import Connections, EnvironmentConnections, SettingsConnections
from include.perennial.sources.reading import Columns, Form, Keep, read_files, read_tables
from include.perennial.sources.wanted import OfPartition, WithKeys
from include.perennial.spec import ColumnType, DataSection, FilesSource, PythonSource, SqlSource
from include.perennial.tables import from_frame, to_frame

__all__ = [
    "Connections",
    "EnvironmentConnections",
    "SettingsConnections",
    "deliver",
    "deliver_labels",
    "read",
    "read_in_tables",
    "read_labels",
    "read_whole",
]


def deliver(pipeline: Pipeline, partition: Partition, target: Path, connections: Connections) -> list[Path]:
    """Write the partition's delivery into the empty folder ``target``; the files written, sorted.

    Raises:
        DataError: there is no delivery, or the source refuses.
        BadInput: the source is configured wrongly.
        Unavailable: the source does not answer.
    """
    data, source = pipeline.spec.data, pipeline.spec.source
    keep = OfPartition(partition, data.time) if source.is_snapshot else None
    _deliver(_Asked(pipeline, partition, source, data.delivered), target, connections, keep)
    return sorted(path for path in target.rglob("*") if path.is_file())


def deliver_labels(pipeline: Pipeline, partition: Partition, target: Path, connections: Connections) -> None:
    """Write what ``data.labels.source`` has for the partition, or for all of them, into the new folder ``target``.

    Raises:
        DataError, BadInput, Unavailable: as ``deliver``.
    """
    target.mkdir(parents=True)
    _deliver(_asked_for_labels(pipeline, partition), target, connections, None)


@dataclass(frozen=True)
class _Asked:
    """One question to a source: for which rows, in which columns; ``suffix`` of the functions of source.py."""

    pipeline: Pipeline
    partition: Partition
    source: FilesSource | SqlSource | PythonSource
    columns: dict[str, ColumnType]
    suffix: str = ""


def _asked_for_labels(pipeline: Pipeline, partition: Partition) -> _Asked:
    data = pipeline.spec.data
    if data.labels is None:
        raise BadInput(f"{pipeline.spec.name} has no data.labels in pipeline.yaml: its labels come with its rows.")
    columns = {name: data.columns[name] for name in (*data.label_key, data.target)}
    return _Asked(pipeline, partition, data.labels.source, columns, "_labels")


def _deliver(asked: _Asked, target: Path, connections: Connections, keep: OfPartition | None) -> None:
    source, pipeline, partition = asked.source, asked.pipeline, asked.partition
    if isinstance(source, PythonSource):
        python_source.deliver(pipeline, partition, target, source.options, f"deliver{asked.suffix}")
    elif isinstance(source, FilesSource):
        files.deliver(source, partition, pipeline.folder, target, connections.s3(source.connection))
    else:
        url, zone = connections.sql_url(source.connection), pipeline.spec.data.zone
        sql.deliver(source, partition, asked.columns, target, url, zone=zone, keep=keep)
        if keep:
            keep.tell(f"connection {shown(source.connection)}")


def read(pipeline: Pipeline, partition: Partition, folder: Path) -> pd.DataFrame:
    """The delivery in ``folder`` as one frame: the declared columns, in order, with the dtypes of ``tables``.

    Of a snapshot, which holds the whole table, only the rows of the partition.

    Raises:
        DataError: the delivery cannot be read, or is not what ``data.columns`` declares.
    """
    if not pipeline.spec.source.is_snapshot:
        return read_whole(pipeline, partition, folder)
    keep = OfPartition(partition, pipeline.spec.data.time)
    frame = to_frame(_table(pipeline, partition, folder, keep))
    keep.tell(f"partition {partition.key} of a snapshot")
    return frame


def read_whole(pipeline: Pipeline, partition: Partition, folder: Path) -> pd.DataFrame:
    """All rows of the delivery in ``folder``, whatever their time.

    Raises:
        DataError: as ``read``.
    """
    return to_frame(_table(pipeline, partition, folder, None))


def read_in_tables(pipeline: Pipeline, partition: Partition, folder: Path) -> Iterator[pa.Table]:
    """The rows of ``read``, some thousands at a time, of a delivery that is files or the answer to a query.

    Raises:
        DataError: as ``read``, once the place is reached.
        BadInput: the source is code of the pipeline, which gives one frame.
    """
    spec, data = pipeline.spec, pipeline.spec.data
    if isinstance(spec.source, PythonSource):
        raise BadInput(f"{spec.name} has a source.py, which gives its rows as one frame: read that.")
    keep = OfPartition(partition, data.time) if spec.source.is_snapshot else None
    form = _form(spec.source, data.delivered, data.zone)
    for table in read_tables(sorted(folder.iterdir()), form, keep):
        yield _with_target(table, data)
    if keep:
        keep.tell(f"partition {partition.key} of a snapshot")


def read_labels(pipeline: Pipeline, partition: Partition, folder: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """The labels in ``folder`` of ``rows``, which have the columns of the key: key and target, one row a key.

    A label that is missing is none; one that comes twice and is the same counts once.

    Raises:
        DataError: as ``read``, or a row has two labels.
    """
    asked, data = _asked_for_labels(pipeline, partition), pipeline.spec.data
    key = list(data.label_key)
    frame = to_frame(_rows(asked, folder, WithKeys(rows, key))).dropna(subset=data.target).drop_duplicates()
    twice = frame[frame.duplicated(key)]
    if len(twice):
        raise data_error(
            where=f"labels of partition {partition.key}",
            got=f"{len(twice)} rows with two labels, for example {shown(dict(twice[key].iloc[0].items()))}",
            allowed=f"one value of {data.target} for each {', '.join(key)}",
            fix="let the source say which label holds, or name more columns under data.labels.key",
        )
    return frame


def _table(pipeline: Pipeline, partition: Partition, folder: Path, keep: Keep | None) -> pa.Table:
    data = pipeline.spec.data
    table = _rows(_Asked(pipeline, partition, pipeline.spec.source, data.delivered), folder, keep)
    return _with_target(table, data)


def _with_target(table: pa.Table, data: DataSection) -> pa.Table:
    """All declared columns; labels that come from a source of their own are not there yet."""
    if data.labels is None:
        return table
    whole = table.append_column(data.target, pa.nulls(table.num_rows, ARROW_TYPES[data.columns[data.target]]))
    return whole.select(list(data.columns))


def _rows(asked: _Asked, folder: Path, keep: Keep | None) -> pa.Table:
    source, zone = asked.source, asked.pipeline.spec.data.zone
    if isinstance(source, PythonSource):
        name = f"assemble{asked.suffix}"
        frame = python_source.assemble(asked.pipeline, asked.partition, folder, name)
        where = f"source.py: the frame of {name} for {shown(asked.partition.key)}"
        table = from_frame(frame, asked.columns, where, zone)
        return keep(table) if keep else table
    return read_files(sorted(folder.iterdir()), _form(source, asked.columns, zone), keep)


def _form(source: FilesSource | SqlSource, columns: Columns, zone: str) -> Form:
    kind, nulls = (source.format, source.null_values) if isinstance(source, FilesSource) else ("parquet", ())
    return Form(kind, columns, nulls, zone)
