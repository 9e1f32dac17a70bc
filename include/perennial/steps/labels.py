"""Join labels that come from a second source: the stored delivery of a partition once more, now with its labels.

What the features were when the partition was delivered stays as it was: a source that is asked again might tell what
was only known later.
"""

import datetime as dt
import shutil
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from include.perennial.contracts import Contract, PartitionRef, PartitionVersion, Snapshot
from include.perennial.errors import BadInput, DataError
from include.perennial.partitions import UTC, Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.sources import Connections, deliver_labels, read_labels
from include.perennial.steps.delivered import LABELS
from include.perennial.steps.snapshot import fetch_snapshot, load_snapshot, store_snapshot
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.snapshot_folder import snapshot_prefix


class NoLabels(Contract):
    """Labels of partition ``key`` have not come; the sentence says what there is."""

    key: str
    sentence: str


def take_labels(
    pipeline: Pipeline,
    partition: Partition,
    *,
    registry: DataRegistry,
    store: ObjectStore,
    connections: Connections,
    now_utc: dt.datetime | None = None,
) -> Snapshot | NoLabels:
    """A snapshot of the published delivery of ``partition`` with the labels that are there, to be validated as any.

    Raises:
        BadInput: the pipeline has no ``data.labels``, or the partition has not been ingested.
        IntegrityError: the stored delivery is not what was recorded.
        Unavailable: a store or the source of the labels does not answer.
    """
    name, data = pipeline.spec.name, pipeline.spec.data
    if data.labels is None:
        raise BadInput(f"{name} has no data.labels in pipeline.yaml: its labels come with its rows.")
    version = registry.find(name, partition.key)
    if version is None:
        raise BadInput(f"Partition {partition.key} of {name} is not in the data registry: ingest it first.")
    due = pipeline.spec.labels_due_utc(partition)
    if (now_utc or dt.datetime.now(UTC)) < due:
        return NoLabels(key=partition.key, sentence=f"Labels of {partition.key} are due on {due:%Y-%m-%d %H:%M} UTC.")
    delivery = load_snapshot(snapshot_prefix(name, partition.key, version.snapshot_digest), store)
    with tempfile.TemporaryDirectory(prefix="perennial-") as work:
        folder = Path(work) / "delivery"
        fetch_snapshot(delivery, store, folder)
        shutil.rmtree(folder / LABELS, ignore_errors=True)
        try:
            deliver_labels(pipeline, partition, folder / LABELS, connections)
            n = _count(pipeline, partition, folder / LABELS, version, registry)
        except DataError as error:
            return NoLabels(key=partition.key, sentence=f"Labels of {partition.key}: {error}")
        if not n:
            sentence = f"Of the {version.rows:,} rows of {partition.key} none has a label yet."
            return NoLabels(key=partition.key, sentence=sentence)
        return store_snapshot(pipeline, partition, folder, store)


def _count(
    pipeline: Pipeline, partition: Partition, folder: Path, version: PartitionVersion, registry: DataRegistry
) -> int:
    ref = PartitionRef(key=version.key, sha256=version.sha256, rows=version.rows)
    [path] = registry.fetch(version.pipeline, [ref], version.commit)
    rows = pq.read_table(path, columns=list(pipeline.spec.data.label_key)).to_pandas()
    return len(read_labels(pipeline, partition, folder, rows))
