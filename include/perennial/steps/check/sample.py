"""Brings the newest few partitions into a scratch folder by the very steps of ingest; nothing else is written."""

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from include.perennial.contracts import PartitionRef
from include.perennial.errors import BadInput, DataError
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.quality.suite import Suite
from include.perennial.quality.verdict import Checked, check
from include.perennial.sources import Connections, read_whole
from include.perennial.sources.narrow import narrowed
from include.perennial.sources.newest import listed, tried
from include.perennial.sources.wanted import OfPartition
from include.perennial.spec import FilesSource
from include.perennial.steps.delivered import read_delivered
from include.perennial.steps.snapshot import fetch_snapshot, take_snapshot
from include.perennial.steps.validate import valid_rows
from include.perennial.stores.objects import LocalObjects
from include.perennial.tables import from_frame, to_frame, write_parquet

MOST_TRAIN_ROWS = 20_000
MOST_HOLDOUT_ROWS = 50_000


@dataclass(frozen=True)
class Delivered:
    """One partition as delivered: a frame of the declared columns, and the seconds it took to fetch and read."""

    partition: Partition
    frame: pd.DataFrame
    seconds: float


@dataclass
class Sample:
    """The valid rows of some partitions as Parquet files, oldest first; at most so many rows of each."""

    refs: list[PartitionRef] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    refused: list[tuple[str, Checked]] = field(default_factory=list)
    rows: int = 0
    rows_set_aside: int = 0
    seconds: float = 0.0

    @property
    def rows_kept(self) -> int:
        """Rows in the files."""
        return sum(ref.rows for ref in self.refs)


def n_partitions(pipeline: Pipeline, asked: int | None) -> int:
    """How many partitions a sample has: as many as a training run needs, unless fewer are asked for.

    Raises:
        BadInput: fewer than two training partitions and the holdout, or more than a run needs.
    """
    window = pipeline.spec.window
    fewest, most = 2 + window.holdout, window.partitions + window.holdout
    if asked is None:
        return most
    if not fewest <= asked <= most:
        raise BadInput(f"--partitions is {asked}: expected {fewest} to {most} for the window of {pipeline.spec.name}.")
    return asked


def deliveries(
    pipeline: Pipeline, n: int, scratch: Path, connections: Connections, now: dt.datetime
) -> list[Delivered]:
    """The newest ``n`` labelled partitions that exist, oldest first; fewer if there are no more.

    Raises:
        DataError: there is none, or the newest cannot be read.
        Unavailable, BadInput: as the source.
    """
    source, delay = pipeline.spec.source, pipeline.spec.data.label_delay_periods
    if isinstance(source, FilesSource) and "{key}" not in source.path and pipeline.spec.data.labels is None:
        return _of_whole_table(pipeline, source, n, scratch, connections, now)
    known = listed(pipeline)
    if known is not None:
        chosen = known[: len(known) - delay][-n:]
        if not chosen:
            raise DataError(
                f"source.path finds {len(known)} partitions, of which the newest {delay} have no labels yet. "
                "To fix: correct source.path, or deliver files whose names hold the key of their partition."
            )
        return [_delivered(pipeline, partition, scratch, connections) for partition in chosen]
    return _asked_for(pipeline, n, scratch, connections, now)


def take(pipeline: Pipeline, suite: Suite, found: Sequence[Delivered], scratch: Path) -> Sample:
    """Put each partition through the expectations and keep a bounded sample of its valid rows."""
    sample, spec = Sample(), pipeline.spec
    n_train = max(1, len(found) - spec.window.holdout)
    for n, delivered in enumerate(found):
        start, key = time.perf_counter(), delivered.partition.key
        checked = check(spec, suite, delivered.partition, delivered.frame)
        sample.rows += len(delivered.frame)
        if checked.refusal:
            sample.refused.append((key, checked))
            continue
        table = from_frame(checked.frame, spec.data.columns, f"partition {key}")
        most = MOST_TRAIN_ROWS // n_train if n < n_train else max(MOST_HOLDOUT_ROWS, spec.gate.min_rows)
        valid = valid_rows(table, checked.sieve, spec.data)
        # Labels of a source of their own may never come: such rows are not trained on.
        known = valid.filter(valid[spec.data.target].is_valid()) if spec.data.labels else valid
        kept = _thinned(known, most, spec.seed)
        path = scratch / f"{key}.parquet"
        write_parquet(kept, path)
        sample.refs.append(PartitionRef(key=key, sha256="", rows=kept.num_rows))
        sample.paths.append(path)
        sample.rows_set_aside += table.num_rows - valid.num_rows
        sample.seconds += delivered.seconds + time.perf_counter() - start
    return sample


def _asked_for(
    pipeline: Pipeline, n: int, scratch: Path, connections: Connections, now: dt.datetime
) -> list[Delivered]:
    """What a source that lists nothing delivers where it is asked first; the rest is not asked for."""
    known: dict[Partition, Delivered | DataError] = {}
    for chosen in tried(pipeline, n, now):
        # The newest decides whether there are data at all; the others may have gaps.
        for partition in reversed(chosen):
            known.setdefault(partition, _or_error(pipeline, partition, scratch, connections))
            if not _has_rows(known[partition]) and partition == chosen[-1]:
                break
        found = [entry for partition in chosen if isinstance(entry := known.get(partition), Delivered)]
        found = [entry for entry in found if _has_rows(entry)]
        if found and _has_rows(known[chosen[-1]]):
            return found
    raise next((entry for entry in known.values() if isinstance(entry, DataError)), _no_rows(pipeline, known))


def _no_rows(pipeline: Pipeline, known: dict[Partition, Delivered | DataError]) -> DataError:
    keys = sorted(partition.key for partition in known)
    return DataError(
        f"the source delivers no rows for the partitions asked for, {', '.join(keys[:8])}. "
        "To fix: correct the source, or schedule.start, from which a check looks when the newest periods are empty."
    )


def _has_rows(entry: Delivered | DataError) -> bool:
    return isinstance(entry, Delivered) and not entry.frame.empty


def _or_error(
    pipeline: Pipeline, partition: Partition, scratch: Path, connections: Connections
) -> Delivered | DataError:
    try:
        return _delivered(pipeline, partition, scratch, connections)
    except DataError as error:
        return error


def _of_whole_table(
    pipeline: Pipeline, source: FilesSource, n: int, scratch: Path, connections: Connections, now: dt.datetime
) -> list[Delivered]:
    spec, start = pipeline.spec, time.perf_counter()
    pipeline = narrowed(pipeline, source, n, scratch)
    whole = _delivered(pipeline, Partition.containing(now, spec.period), scratch, connections, read_whole)
    hours = whole.frame[spec.data.time].dropna().dt.floor("h").drop_duplicates()
    found = sorted({Partition.containing(hour.to_pydatetime(), spec.period) for hour in hours})
    chosen = found[: len(found) - spec.data.label_delay_periods][-n:]
    if not chosen:
        raise DataError(
            f"the file holds rows of {len(found)} {spec.period}s in {spec.data.time!r}: none is labelled. "
            "To fix: deliver rows with a time, or lower data.label_delay_periods."
        )
    # Every ingest reads the whole file, to find its own rows.
    seconds = time.perf_counter() - start
    table = from_frame(whole.frame, spec.data.columns, source.path)
    return [Delivered(one, to_frame(OfPartition(one, spec.data.time)(table)), seconds) for one in chosen]


def _delivered(
    pipeline: Pipeline,
    partition: Partition,
    scratch: Path,
    connections: Connections,
    read_it: Callable[[Pipeline, Partition, Path], pd.DataFrame] = read_delivered,
) -> Delivered:
    start = time.perf_counter()
    store = LocalObjects(scratch / "store")
    snapshot = take_snapshot(pipeline, partition, store, connections)
    folder = scratch / "deliveries" / partition.key
    fetch_snapshot(snapshot, store, folder)
    frame = read_it(pipeline, partition, folder)
    return Delivered(partition, frame, time.perf_counter() - start)


def _thinned(table: pa.Table, most: int, seed: int) -> pa.Table:
    if table.num_rows <= most:
        return table
    drawn = np.random.default_rng(seed).choice(table.num_rows, most, replace=False)
    return table.take(pa.array(np.sort(drawn)))
