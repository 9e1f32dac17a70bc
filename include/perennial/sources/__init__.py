"""Where deliveries come from. A source never changes what it reads.

``deliver``      brings one partition's bytes into a folder, as they are:
                 ``files`` (disk, S3), ``sql`` (a SELECT, as Parquet), ``python_source`` (source.py)
``read``         turns a delivery into one frame of the declared columns, strictly: ``reading``
                 parses, ``text`` looks for what parsers forgive
``wanted``       which rows of a large delivery are taken
``batches``      the rows of a large file, some thousands at a time, for those who only look
``connections``  how addresses and secrets are found

Between the two stands the snapshot: what is read is what was stored.
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from include.perennial.messages import shown
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.sources import files, python_source, sql
from include.perennial.sources.connections import Connections, EnvironmentConnections, SettingsConnections
from include.perennial.sources.reading import Keep, read_files
from include.perennial.sources.wanted import OfPartition
from include.perennial.spec import FilesSource, PythonSource
from include.perennial.tables import from_frame, to_frame

__all__ = ["Connections", "EnvironmentConnections", "SettingsConnections", "deliver", "read", "read_whole"]


def deliver(pipeline: Pipeline, partition: Partition, target: Path, connections: Connections) -> list[Path]:
    """Write the partition's delivery into the empty folder ``target``; the files written, sorted.

    Raises:
        DataError: there is no delivery, or the source refuses.
        BadInput: the source is configured wrongly.
        Unavailable: the source does not answer.
    """
    source, data = pipeline.spec.source, pipeline.spec.data
    if isinstance(source, PythonSource):
        python_source.deliver(pipeline, partition, target, source.options)
    elif isinstance(source, FilesSource):
        files.deliver(source, partition, pipeline.folder, target, connections.s3(source.connection))
    else:
        keep = OfPartition(partition, data.time) if source.is_snapshot else None
        url = connections.sql_url(source.connection)
        sql.deliver(source, partition, data.columns, target, url, zone=data.zone, keep=keep)
        if keep:
            keep.tell(f"connection {shown(source.connection)}")
    return sorted(path for path in target.rglob("*") if path.is_file())


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


def _table(pipeline: Pipeline, partition: Partition, folder: Path, keep: Keep | None) -> pa.Table:
    source, columns, zone = pipeline.spec.source, pipeline.spec.data.columns, pipeline.spec.data.zone
    if isinstance(source, PythonSource):
        frame = python_source.assemble(pipeline, partition, folder)
        table = from_frame(frame, columns, f"source.py: the frame of assemble for {shown(partition.key)}", zone)
        return keep(table) if keep else table
    kind, null_values = (source.format, source.null_values) if isinstance(source, FilesSource) else ("parquet", ())
    return read_files(sorted(folder.iterdir()), kind, columns, null_values, zone, keep)
