"""What a snapshot says of its partition: the delivery, the rows of other deliveries that belong here, and the labels.

Both lie beside the delivery's own files, in folders that no source writes to: ``LATE`` and ``LABELS``.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from include.perennial.blocks import Blocks, are_many, spooled
from include.perennial.contracts import Snapshot
from include.perennial.messages import data_error, shown_names
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.quality.sieve import told
from include.perennial.quality.verdict_in_blocks import CheckedBlocks
from include.perennial.sources import read, read_in_tables, read_labels
from include.perennial.sources.reading import Form, read_files
from include.perennial.spec import DataSection, PythonSource
from include.perennial.stores.objects import ObjectStore
from include.perennial.tables import from_frame, schema, to_frame, write_parquet, write_parts

log = logging.getLogger(__name__)

LATE, LABELS = "_late", "_labels"
_AREA = "late"
_HOME = pa.field("", pa.string())  # a declared column has a name


def read_delivered(pipeline: Pipeline, partition: Partition, folder: Path) -> pd.DataFrame:
    """The rows of the snapshot in ``folder``: those of its own delivery first, then those that others have brought.

    Raises:
        DataError: a file cannot be read, or labels were delivered and none is of a row of the partition.
    """
    late, labels = _apart(folder / LATE), _apart(folder / LABELS)
    frame = _with_late(pipeline, read(pipeline, partition, folder), late)
    return _labelled(pipeline, partition, frame, labels) if labels.is_dir() else frame


def spool_delivered(pipeline: Pipeline, partition: Partition, folder: Path, work: Path) -> Blocks:
    """The same rows of a large delivery, kept below ``work`` to be read in blocks.

    Raises:
        DataError: a file cannot be read.
        BadInput: the rows, or their labels, come as one frame: see ``comes_in_blocks``.
    """
    late = _apart(folder / LATE)
    data, names = pipeline.spec.data, [path.name for path in sorted(folder.iterdir())]
    tables = read_in_tables(pipeline, partition, folder)
    if late.is_dir():
        tables = _then_late(
            tables, read_files(sorted(late.iterdir(), reverse=True), Form("parquet", data.columns)), data
        )
    return spooled(tables, schema(data.columns), work / "delivered.arrow", shown_names(names))


def comes_in_blocks(pipeline: Pipeline, snapshot: Snapshot) -> bool:
    """Whether a delivery is too large to be held, and of a kind that need not be.

    What ``source.py`` assembles is one frame already, and labels of a source of their own are joined to one.
    """
    has_labels = any(record.name.startswith(f"{LABELS}/") for record in snapshot.files)
    return are_many(snapshot.rows) and not has_labels and not isinstance(pipeline.spec.source, PythonSource)


def hand_over_blocks(
    checked: CheckedBlocks, name: str, delivery: str, store: ObjectStore, work: Path
) -> dict[str, int]:
    """``hand_over`` for rows that are not held."""
    if not checked.homes:
        return {}
    columns = schema(checked.spec.data.columns)
    away = spooled(_with_homes(checked), columns.append(_HOME), work / "elsewhere.arrow", name)
    for key in sorted(checked.homes):
        mine = (table.filter(pc.equal(table[_HOME.name], key)).drop_columns([_HOME.name]) for table in away.tables())
        write_parts(mine, columns, work / "late.parquet")
        store.put_file(_late_key(name, key, delivery), work / "late.parquet")
    log.warning("%s", told(checked.homes))
    return dict(sorted(checked.homes.items()))


def _with_homes(checked: CheckedBlocks) -> Iterator[pa.Table]:
    for table, sieve in checked.sieved():
        homes = sieve.elsewhere
        yield table.append_column(_HOME, pa.array(homes, pa.string())).filter(pa.array(homes != ""))


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
        store.put_file(_late_key(name, key, delivery), work / "late.parquet")
        found[key] = rows.num_rows
    if found:
        log.warning("%s", told(found))
    return found


def fetch_late(name: str, key: str, store: ObjectStore, folder: Path) -> list[Path]:
    """Write what other deliveries have brought for partition ``key`` into ``folder``."""
    kept = store.list(f"{_AREA}/{name}/{key}/")
    return [store.get_file(one, folder / LATE / one.rpartition("/")[2]) for one in kept]


def _late_key(name: str, key: str, delivery: str) -> str:
    return f"{_AREA}/{name}/{key}/{delivery}.parquet"


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
    late = read_files(files, Form("parquet", data.columns))
    both = to_frame(pa.concat_tables([from_frame(frame, data.columns, "the delivery"), late]))
    again = both.duplicated(list(data.key)).to_numpy() & (np.arange(len(both)) >= len(frame))
    log.info("%d rows that came with other partitions are taken in, %d are here already",
             len(both) - len(frame) - int(again.sum()), int(again.sum()))  # fmt: skip
    return both[~again].reset_index(drop=True)


def _then_late(tables: Iterator[pa.Table], late: pa.Table, data: DataSection) -> Iterator[pa.Table]:
    """``tables``, and after them the rows of ``late`` that they do not hold."""
    key = list(data.key)
    keys = to_frame(late.select(key))
    again = keys.duplicated().to_numpy()
    for table in tables:
        both = pd.concat([to_frame(table.select(key)), keys], ignore_index=True)
        again |= both.duplicated().to_numpy()[table.num_rows :]
        yield table
    log.info("%d rows that came with other partitions are taken in, %d are here already",
             int((~again).sum()), int(again.sum()))  # fmt: skip
    yield late.filter(pa.array(~again))


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
