"""What a snapshot says of its partition: the delivery, the rows of other deliveries that belong here, and the labels.

Both lie beside the delivery's own files, in folders that no source writes to: ``LATE`` and ``LABELS``.
"""

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from include.perennial.messages import data_error
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.quality.sieve import told
from include.perennial.sources import read, read_labels
from include.perennial.sources.reading import read_files
from include.perennial.stores.objects import ObjectStore
from include.perennial.tables import from_frame, to_frame, write_parquet

log = logging.getLogger(__name__)

LATE, LABELS = "_late", "_labels"
_AREA = "late"


def read_delivered(pipeline: Pipeline, partition: Partition, folder: Path) -> pd.DataFrame:
    """The rows of the snapshot in ``folder``: those of its own delivery first, then those that others have brought.

    Raises:
        DataError: a file cannot be read, or labels were delivered and none is of a row of the partition.
    """
    late, labels = _apart(folder / LATE), _apart(folder / LABELS)
    frame = _with_late(pipeline, read(pipeline, partition, folder), late)
    return _labelled(pipeline, partition, frame, labels) if labels.is_dir() else frame


def hand_over(
    table: pa.Table, elsewhere: npt.NDArray[np.object_], name: str, delivery: str, store: ObjectStore, work: Path
) -> dict[str, int]:
    """Keep the rows that belong to other partitions for the next ingest of those; how many, by key.

    Args:
        elsewhere: key of the other partition of each row of ``table``, empty for rows that stay.
        delivery: what brought them, ``<key>-<digest>``: later deliveries sort later.
    """
    found = {}
    for key in sorted(set(elsewhere) - {""}):
        rows = table.filter(pa.array(elsewhere == key))
        write_parquet(rows, work / "late.parquet")
        store.put_file(f"{_AREA}/{name}/{key}/{delivery}.parquet", work / "late.parquet")
        found[key] = rows.num_rows
    if found:
        log.warning("%s", told(found))
    return found


def fetch_late(name: str, key: str, store: ObjectStore, folder: Path) -> list[Path]:
    """Write what other deliveries have brought for partition ``key`` into ``folder``."""
    kept = store.list(f"{_AREA}/{name}/{key}/")
    return [store.get_file(one, folder / LATE / one.rpartition("/")[2]) for one in kept]


def _apart(folder: Path) -> Path:
    """``folder`` moved out of the delivery, where the source's own code would come across it."""
    away = folder.parent.parent / f"{folder.parent.name}{folder.name}"
    return folder.rename(away) if folder.is_dir() else away


def _with_late(pipeline: Pipeline, frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    if not folder.is_dir():
        return frame
    data = pipeline.spec.data
    # Of what was brought twice, what came last; the partition's own delivery before all others.
    files = sorted(folder.iterdir(), reverse=True)
    late = read_files(files, "parquet", data.columns, ())
    both = to_frame(pa.concat_tables([from_frame(frame, data.columns, "the delivery"), late]))
    again = both.duplicated(list(data.key)).to_numpy() & (np.arange(len(both)) >= len(frame))
    log.info("%d rows that came with other partitions are taken in, %d are here already",
             len(both) - len(frame) - int(again.sum()), int(again.sum()))  # fmt: skip
    return both[~again].reset_index(drop=True)


def _labelled(pipeline: Pipeline, partition: Partition, frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    data = pipeline.spec.data
    labels = read_labels(pipeline, partition, folder, frame)
    joined = frame.drop(columns=data.target).merge(labels, how="left", on=list(data.label_key), sort=False)
    n = int(joined[data.target].notna().sum())
    if not n:
        raise data_error(
            where=f"labels of partition {partition.key}",
            got=f"no label of any of its {len(frame)} rows",
            allowed=f"rows with {', '.join(data.label_key)} and {data.target}, some of this partition",
            fix="deliver the labels, or raise data.label_delay_periods; then run the partition again",
        )
    log.info("Partition %s: %d of %d rows have a label", partition.key, n, len(joined))
    return joined[list(data.columns)]
