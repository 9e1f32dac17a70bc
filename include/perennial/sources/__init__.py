"""Where deliveries come from. A source never changes what it reads.

``deliver``      brings one partition's bytes into a folder, as they are:
                 ``files`` (disk, S3), ``sql`` (a SELECT, as Parquet), ``python_source`` (source.py)
``read``         turns a delivery into one frame of the declared columns, strictly: ``reading``
                 parses, ``text`` looks for what parsers forgive
``batches``      the rows of a large file, some thousands at a time, for those who only look
``connections``  how addresses and secrets are found

Between the two stands the snapshot: what is read is what was stored.
"""

from pathlib import Path

import pandas as pd

from include.perennial.messages import shown
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.sources import files, python_source, sql
from include.perennial.sources.connections import Connections, EnvironmentConnections, SettingsConnections
from include.perennial.sources.reading import read_files
from include.perennial.spec import FilesSource, PythonSource
from include.perennial.tables import from_frame, to_frame

__all__ = ["Connections", "EnvironmentConnections", "SettingsConnections", "deliver", "read"]


def deliver(pipeline: Pipeline, partition: Partition, target: Path, connections: Connections) -> list[Path]:
    """Write the partition's delivery into the empty folder ``target``; the files written, sorted.

    Raises:
        DataError: there is no delivery, or the source refuses.
        BadInput: the source is configured wrongly.
        Unavailable: the source does not answer.
    """
    source = pipeline.spec.source
    if isinstance(source, PythonSource):
        python_source.deliver(pipeline, partition, target, source.options)
    elif isinstance(source, FilesSource):
        files.deliver(source, partition, pipeline.folder, target, connections.s3(source.connection))
    else:
        sql.deliver(source, partition, pipeline.spec.data.columns, target, connections.sql_url(source.connection))
    return sorted(path for path in target.rglob("*") if path.is_file())


def read(pipeline: Pipeline, partition: Partition, folder: Path) -> pd.DataFrame:
    """The delivery in ``folder`` as one frame: the declared columns, in order, with the dtypes of ``tables``.

    Raises:
        DataError: the delivery cannot be read, or is not what ``data.columns`` declares.
    """
    source, columns = pipeline.spec.source, pipeline.spec.data.columns
    if isinstance(source, PythonSource):
        frame = python_source.assemble(pipeline, partition, folder)
        return to_frame(from_frame(frame, columns, f"source.py: the frame of assemble for {shown(partition.key)}"))
    kind, null_values = (source.format, source.null_values) if isinstance(source, FilesSource) else ("parquet", ())
    return to_frame(read_files(sorted(path for path in folder.iterdir()), kind, columns, null_values))
