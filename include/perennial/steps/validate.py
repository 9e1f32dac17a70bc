"""Step 2: read a snapshot strictly, check the pipeline's expectations, write the partition.

Three outcomes, nothing between: the partition is valid (a few bad rows set aside with their
reasons), or it is refused and nothing is published. The report and the quarantine are written in
both cases, so that a person can look.
"""

import json
import logging
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pyarrow as pa

from include.perennial.contracts import Snapshot, Validated
from include.perennial.digests import file_sha256
from include.perennial.errors import DataError
from include.perennial.messages import clipped
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.quality.page import PageReport, render
from include.perennial.quality.sieve import Sieve, told
from include.perennial.quality.suite import Suite
from include.perennial.quality.verdict import Checked, check
from include.perennial.spec import DataSection
from include.perennial.steps.delivered import hand_over, read_delivered
from include.perennial.steps.snapshot import fetch_snapshot
from include.perennial.stores.objects import ObjectStore
from include.perennial.tables import from_frame, write_parquet

log = logging.getLogger(__name__)

REASON_COLUMN = "_reason"
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
        frame = read_delivered(pipeline, partition, work / "delivery")
        checked = check(pipeline.spec, suite_of(pipeline, frame), partition, frame)
        table = from_frame(checked.frame, pipeline.spec.data.columns, f"partition {partition.key}")
        quarantine_key = _store_quarantine(table, checked.sieve, snapshot, store, work)
        docs_key = _store_report(checked, snapshot, quarantine_key, store)
        if checked.refusal:
            raise DataError(f"{checked.refusal}\nReport: {clipped(store.url(docs_key), _URL_LIMIT)}")
        delivery = f"{snapshot.key}-{snapshot.digest[:16]}"
        elsewhere = hand_over(table, checked.sieve.elsewhere, snapshot.pipeline, delivery, store, work)
        validated = _store_partition(pipeline, checked, table, snapshot, quarantine_key, docs_key, store, work)
        return validated.model_copy(update={"rows_elsewhere": elsewhere})


def suite_of(pipeline: Pipeline, frame: pd.DataFrame) -> Suite:
    """The pipeline's expectations; of rows whose labels are still to come, those that do not need them."""
    suite, data = Suite.load(pipeline.load_module("expectations")), pipeline.spec.data
    return suite.without(data.target) if data.labels and frame[data.target].isna().all() else suite


def _store_quarantine(table: pa.Table, sieve: Sieve, snapshot: Snapshot, store: ObjectStore, work: Path) -> str | None:
    if sieve.kept.all():
        return None
    bad = table.filter(pa.array(~sieve.kept)).append_column(REASON_COLUMN, pa.array(sieve.reasons(), pa.string()))
    key = f"quarantine/{snapshot.pipeline}/{snapshot.key}/{snapshot.digest[:16]}.parquet"
    write_parquet(bad, work / "quarantine.parquet")
    store.put_file(key, work / "quarantine.parquet")
    return key


def _store_report(checked: Checked, snapshot: Snapshot, quarantine_key: str | None, store: ObjectStore) -> str:
    """The page for people, and the same as JSON beside it."""
    report = PageReport(
        pipeline=snapshot.pipeline,
        key=snapshot.key,
        snapshot_digest=snapshot.digest,
        suite_digest=checked.suite_digest,
        accepted=checked.refusal is None,
        verdict=_verdict(checked),
        rows_delivered=len(checked.frame),
        rows_valid=int(checked.sieve.kept.sum()),
        reasons=checked.sieve.counts,
        quarantine_key=quarantine_key,
        findings=checked.findings,
    )
    key = f"docs/{snapshot.pipeline}/{snapshot.key}/{snapshot.digest[:16]}"
    store.put_bytes(f"{key}.json", json.dumps(asdict(report), indent=1).encode())
    store.put_bytes(f"{key}.html", render(report))
    return f"{key}.html"


def _verdict(checked: Checked) -> str:
    if checked.refusal:
        return f"Refused. {checked.refusal}"
    homes = Counter(key for key in checked.sieve.elsewhere if key)
    return f"Accepted. {told(homes)}" if homes else "Accepted."


def valid_rows(table: pa.Table, sieve: Sieve, data: DataSection) -> pa.Table:
    """The rows of ``table`` with nothing against them, sorted by time and key."""
    by = [(name, "ascending") for name in dict.fromkeys((data.time, *data.key))]
    return table.filter(pa.array(sieve.kept)).sort_by(by)


def _store_partition(
    pipeline: Pipeline,
    checked: Checked,
    table: pa.Table,
    snapshot: Snapshot,
    quarantine_key: str | None,
    docs_key: str,
    store: ObjectStore,
    work: Path,
) -> Validated:
    data = pipeline.spec.data
    valid = valid_rows(table, checked.sieve, data)
    write_parquet(valid, work / "partition.parquet")
    sha256 = file_sha256(work / "partition.parquet")
    record = store.put_file(
        f"partitions/{snapshot.pipeline}/{snapshot.key}/{sha256}.parquet", work / "partition.parquet"
    )
    return Validated(
        pipeline=snapshot.pipeline,
        key=snapshot.key,
        snapshot_digest=snapshot.digest,
        object_key=record.name,
        sha256=record.sha256,
        n_bytes=record.n_bytes,
        rows=valid.num_rows,
        rows_quarantined=table.num_rows - valid.num_rows,
        quarantine_key=quarantine_key,
        quarantine_reasons=checked.sieve.counts,
        docs_key=docs_key,
        suite_digest=checked.suite_digest,
        columns={name: str(kind) for name, kind in data.columns.items()},
        rows_labelled=valid.num_rows - valid[data.target].null_count if data.labels else None,
    )
