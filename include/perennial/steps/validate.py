"""Step 2: read a snapshot strictly, check the pipeline's expectations, write the partition.

Three outcomes, nothing between: the partition is valid (a few bad rows set aside with their
reasons), or it is refused and nothing is published. The report and the quarantine are written in
both cases, so that a person can look.
"""

import json
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import pandas as pd
import pyarrow as pa

from include.perennial.contracts import FileRecord, Snapshot, Validated
from include.perennial.digests import file_sha256
from include.perennial.errors import DataError
from include.perennial.messages import clipped
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.quality.page import PageReport, render
from include.perennial.quality.sieve import Sieve, told
from include.perennial.quality.suite import Suite
from include.perennial.quality.verdict import Checked, check
from include.perennial.quality.verdict_in_blocks import CheckedBlocks, check_blocks
from include.perennial.sorting import in_order
from include.perennial.spec import DataSection
from include.perennial.steps.delivered import (
    comes_in_blocks,
    hand_over,
    hand_over_blocks,
    read_delivered,
    spool_delivered,
)
from include.perennial.steps.snapshot import fetch_snapshot
from include.perennial.stores.objects import ObjectStore
from include.perennial.tables import from_frame, schema, write_parts

log = logging.getLogger(__name__)

REASON_COLUMN = "_reason"
_REASON = pa.field(REASON_COLUMN, pa.string())
Outcome = Checked | CheckedBlocks
_URL_LIMIT = 200


def validate(pipeline: Pipeline, snapshot: Snapshot, store: ObjectStore) -> Validated:
    """Check the snapshot and store its valid rows as ``partitions/<pipeline>/<key>/<sha256>.parquet``.

    Rows are sorted by time and key, columns are in declared order, the writer is fixed: the same
    valid rows give the same bytes. The quarantine and the report are named by the snapshot.

    Raises:
        DataError: the delivery cannot be read, breaks a batch expectation, has no row of the
            partition, or too many rows are bad.
        IntegrityError: the snapshot's bytes are not what was recorded.
        SpecError: expectations.py is invalid.
        Unavailable: the object store does not answer.
    """
    partition = Partition.of_key(snapshot.key, pipeline.spec.period)
    with tempfile.TemporaryDirectory(prefix="perennial-") as name:
        work = Path(name)
        fetch_snapshot(snapshot, store, work / "delivery")
        judge = _blocks if comes_in_blocks(pipeline, snapshot) else _frame
        checked, found = judge(pipeline, partition, work)
        quarantine_key = _store_quarantine(found.bad(), checked, snapshot, store, work)
        docs_key = _store_report(checked, snapshot, quarantine_key, store)
        if checked.refusal:
            raise DataError(f"{checked.refusal}\nReport: {clipped(store.url(docs_key), _URL_LIMIT)}")
        delivery = f"{snapshot.key}-{snapshot.digest[:16]}"
        elsewhere = found.hand_over(snapshot.pipeline, delivery, store, work)
        record, labelled = _store_partition(found.valid(work), pipeline, snapshot, store, work)
        return Validated(
            pipeline=snapshot.pipeline,
            key=snapshot.key,
            snapshot_digest=snapshot.digest,
            object_key=record.name,
            sha256=record.sha256,
            n_bytes=record.n_bytes,
            rows=checked.rows_kept,
            rows_quarantined=checked.rows - checked.rows_kept,
            quarantine_key=quarantine_key,
            quarantine_reasons=checked.reasons,
            docs_key=docs_key,
            suite_digest=checked.suite_digest,
            columns={column: str(kind) for column, kind in pipeline.spec.data.columns.items()},
            rows_labelled=labelled,
            rows_elsewhere=elsewhere,
        )


def _frame(pipeline: Pipeline, partition: Partition, work: Path) -> tuple[Checked, "_Held"]:
    frame = read_delivered(pipeline, partition, work / "delivery")
    checked = check(pipeline.spec, suite_of(pipeline, frame), partition, frame)
    table = from_frame(checked.frame, pipeline.spec.data.columns, f"partition {partition.key}")
    return checked, _Held(table, checked.sieve, pipeline.spec.data)


def _blocks(pipeline: Pipeline, partition: Partition, work: Path) -> tuple[CheckedBlocks, "_OnDisk"]:
    blocks = spool_delivered(pipeline, partition, work / "delivery", work)
    checked = check_blocks(pipeline.spec, _suite(pipeline, has_labels=False), partition, blocks)
    return checked, _OnDisk(checked)


@dataclass(frozen=True)
class _Held:
    """The rows of a delivery as one table, and what stands against each."""

    table: pa.Table
    sieve: Sieve
    data: DataSection

    def bad(self) -> Iterator[pa.Table]:
        """Rows that are set aside, with their reasons."""
        yield _with_reasons(self.table, self.sieve)

    def valid(self, work: Path) -> Iterator[pa.Table]:
        """The others, in the order of a partition; ``work`` is there to be written to."""
        yield valid_rows(self.table, self.sieve, self.data)

    def hand_over(self, name: str, delivery: str, store: ObjectStore, work: Path) -> dict[str, int]:
        """See ``delivered.hand_over``."""
        return hand_over(self.table, self.sieve.elsewhere, name, delivery, store, work)


@dataclass(frozen=True)
class _OnDisk:
    """The same, block by block."""

    checked: CheckedBlocks

    def bad(self) -> Iterator[pa.Table]:
        return (_with_reasons(table, sieve) for table, sieve in self.checked.sieved())

    def valid(self, work: Path) -> Iterator[pa.Table]:
        data = self.checked.spec.data
        return in_order(self.checked.kept(), schema(data.columns), sorted_by(data), work / "sorting")

    def hand_over(self, name: str, delivery: str, store: ObjectStore, work: Path) -> dict[str, int]:
        return hand_over_blocks(self.checked, name, delivery, store, work)


def suite_of(pipeline: Pipeline, frame: pd.DataFrame) -> Suite:
    """The pipeline's expectations; of rows whose labels are still to come, those that do not need them."""
    return _suite(pipeline, has_labels=bool(frame[pipeline.spec.data.target].notna().any()))


def _suite(pipeline: Pipeline, *, has_labels: bool) -> Suite:
    suite, data = Suite.load(pipeline.load_module("expectations")), pipeline.spec.data
    return suite if has_labels or not data.labels else suite.without(data.target)


def _with_reasons(table: pa.Table, sieve: Sieve) -> pa.Table:
    return table.filter(pa.array(~sieve.kept)).append_column(_REASON, pa.array(sieve.reasons(), pa.string()))


def _store_quarantine(
    bad: Iterator[pa.Table], checked: Outcome, snapshot: Snapshot, store: ObjectStore, work: Path
) -> str | None:
    if checked.rows_kept == checked.rows:
        return None
    key = f"quarantine/{snapshot.pipeline}/{snapshot.key}/{snapshot.digest[:16]}.parquet"
    first = next(bad)
    write_parts(chain([first], bad), first.schema, work / "quarantine.parquet")
    store.put_file(key, work / "quarantine.parquet")
    return key


def _store_report(checked: Outcome, snapshot: Snapshot, quarantine_key: str | None, store: ObjectStore) -> str:
    """The page for people, and the same as JSON beside it."""
    report = PageReport(
        pipeline=snapshot.pipeline,
        key=snapshot.key,
        snapshot_digest=snapshot.digest,
        suite_digest=checked.suite_digest,
        accepted=checked.refusal is None,
        verdict=_verdict(checked),
        rows_delivered=checked.rows,
        rows_valid=checked.rows_kept,
        reasons=checked.reasons,
        quarantine_key=quarantine_key,
        findings=checked.findings,
    )
    key = f"docs/{snapshot.pipeline}/{snapshot.key}/{snapshot.digest[:16]}"
    store.put_bytes(f"{key}.json", json.dumps(asdict(report), indent=1).encode())
    store.put_bytes(f"{key}.html", render(report))
    return f"{key}.html"


def _verdict(checked: Outcome) -> str:
    if checked.refusal:
        return f"Refused. {checked.refusal}"
    return f"Accepted. {told(checked.homes)}" if checked.homes else "Accepted."


def valid_rows(table: pa.Table, sieve: Sieve, data: DataSection) -> pa.Table:
    """The rows of ``table`` with nothing against them, sorted by time and key."""
    return table.filter(pa.array(sieve.kept)).sort_by([(name, "ascending") for name in sorted_by(data)])


def sorted_by(data: DataSection) -> list[str]:
    """The columns by which the rows of a partition are in order."""
    return list(dict.fromkeys((data.time, *data.key)))


def _store_partition(
    rows: Iterator[pa.Table], pipeline: Pipeline, snapshot: Snapshot, store: ObjectStore, work: Path
) -> tuple[FileRecord, int | None]:
    """The stored file, and how many of its rows have a label where these come from a source of their own."""
    data, path, labelled = pipeline.spec.data, work / "partition.parquet", 0

    def counted() -> Iterator[pa.Table]:
        nonlocal labelled
        for table in rows:
            labelled += table.num_rows - table[data.target].null_count
            yield table

    write_parts(counted(), schema(data.columns), path)
    record = store.put_file(f"partitions/{snapshot.pipeline}/{snapshot.key}/{file_sha256(path)}.parquet", path)
    return record, labelled if data.labels else None
