"""Rows that come with another partition are set aside with the key of theirs, and its next ingest takes them in."""

import io
import sqlite3
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.perennial.contracts import Validated
from include.perennial.errors import DataError
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.quality.sieve import sift
from include.perennial.sources import SettingsConnections
from include.perennial.spec import ColumnType, DataSection
from include.perennial.steps.snapshot import take_snapshot
from include.perennial.steps.validate import validate
from include.perennial.steps.version import publish_partition
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import EventKind, Ledger
from include.perennial.stores.objects import ObjectStore
from tests.deliveries import COLUMNS, WEEK, csv, ingest, make_pipeline, put, row, settings

NEXT = WEEK.shift(1)
DATA = DataSection(
    time="at",
    key=("id",),
    target="ok",
    quarantine_quota=0.1,
    columns={"at": ColumnType.TIMESTAMP, "id": ColumnType.INTEGER, "ok": ColumnType.BOOLEAN},
)
GOOD = [row(n) for n in range(20)]
LATE = [row(n, id=f"late{n}") for n in (20, 21)]
OF_NEXT = [row(n, at=f"2013-06-10T{n % 24:02d}:00:00Z", id=f"n{n:03d}") for n in range(18)]


def delivered(root: Path, week: list[dict[str, object]], following: list[dict[str, object]]) -> Pipeline:
    pipeline = make_pipeline(root)
    put(pipeline, f"{WEEK.key}.csv", csv(week))
    put(pipeline, f"{NEXT.key}.csv", csv(following))
    return pipeline


def rows_of(validated: Validated, store: ObjectStore) -> pd.DataFrame:
    return pq.read_table(io.BytesIO(store.get_bytes(validated.object_key, validated.sha256))).to_pandas()


def test_a_late_row_waits_in_the_quarantine_with_the_key_of_its_partition(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = delivered(tmp_path, GOOD, OF_NEXT + LATE)

    validated, store = ingest(pipeline, tmp_path, NEXT)

    quarantine = pq.read_table(io.BytesIO(store.get_bytes(validated.quarantine_key or ""))).to_pandas()
    assert set(quarantine["_reason"]) == {f"outside_partition, it belongs to {WEEK.key}"}
    assert validated.rows_elsewhere == {WEEK.key: 2}
    assert "2 rows belong to other partitions: 2013-06-03 (2). The next ingest of each takes them in." in caplog.text
    assert validated.docs_key is not None
    assert b"2013-06-03 (2)" in store.get_bytes(validated.docs_key)


def test_a_run_again_of_their_partition_takes_late_rows_in_as_a_new_version(tmp_path: Path) -> None:
    home = settings(tmp_path)
    registry, ledger, store = DataRegistry.open(home), Ledger.open(home.ledger_url), ObjectStore.open(home)
    pipeline = delivered(tmp_path, GOOD, OF_NEXT + LATE)

    for partition in (WEEK, NEXT, WEEK, WEEK):
        validated, _ = ingest(pipeline, tmp_path, partition)
        publish_partition(validated, store, registry, ledger)

    assert [version.rows for version in registry.history("small", WEEK.key)] == [20, 22]
    assert len(ledger.events("small", [EventKind.PARTITION_CHANGED])) == 1
    assert set(rows_of(validated, store)["id"]) == {*(one["id"] for one in GOOD), "late20", "late21"}


def test_a_row_that_comes_too_early_is_there_when_its_partition_is_ingested(tmp_path: Path) -> None:
    pipeline = delivered(tmp_path, [*GOOD, OF_NEXT[0]], OF_NEXT[1:])

    ingest(pipeline, tmp_path, WEEK)
    validated, _ = ingest(pipeline, tmp_path, NEXT)

    assert (validated.rows, validated.rows_quarantined) == (18, 0)


def test_what_the_own_delivery_says_of_a_key_stands_and_the_later_of_two_late_rows_does(tmp_path: Path) -> None:
    pipeline = delivered(tmp_path, GOOD, [*OF_NEXT, row(3, size=99.0), row(20, id="x", size=1.0)])
    after = NEXT.shift(1)
    later = [row(n, at="2013-06-17T00:00:00Z", id=f"m{n:03d}") for n in range(18)]
    put(pipeline, f"{after.key}.csv", csv([*later, row(20, id="x", size=2.0)]))

    for partition in (after, NEXT):
        ingest(pipeline, tmp_path, partition)
    validated, store = ingest(pipeline, tmp_path, WEEK)

    size = rows_of(validated, store).set_index("id")["size"]
    assert (size["r003"], size["x"]) == (0.75, 2.0)
    assert (validated.rows, validated.rows_quarantined) == (21, 0)


def test_a_late_row_meets_the_expectations_of_its_partition(tmp_path: Path) -> None:
    pipeline = delivered(tmp_path, GOOD, [*OF_NEXT, row(20, id="bad", count=500)])

    ingest(pipeline, tmp_path, NEXT)
    validated, _ = ingest(pipeline, tmp_path, WEEK)

    assert validated.quarantine_reasons == {"expect_column_values_to_be_between(count)": 1}


def test_a_row_with_something_else_against_it_is_handed_to_nobody(tmp_path: Path) -> None:
    pipeline = delivered(tmp_path, GOOD, [*OF_NEXT, row(20, id=None), row(21, size="inf")])

    assert ingest(pipeline, tmp_path, NEXT)[0].rows_elsewhere == {}


def test_nothing_is_taken_from_a_delivery_that_is_refused(tmp_path: Path) -> None:
    pipeline = delivered(tmp_path, GOOD, OF_NEXT[:2] + LATE)

    with pytest.raises(DataError, match="outside_partition 2"):
        ingest(pipeline, tmp_path, NEXT)

    assert ObjectStore.open(settings(tmp_path)).list("late/") == []


def test_a_replay_takes_nothing_from_other_deliveries(tmp_path: Path) -> None:
    pipeline = delivered(tmp_path, GOOD, OF_NEXT + LATE)
    _, store = ingest(pipeline, tmp_path, NEXT)

    snapshot = take_snapshot(pipeline, WEEK, store, SettingsConnections(settings(tmp_path)), late=False)

    assert validate(pipeline, snapshot, store).rows == 20


def test_a_database_that_has_got_late_rows_gives_them_when_it_is_asked_again(tmp_path: Path) -> None:
    source = {"kind": "sql", "connection": "shop", "query": "SELECT * FROM rows WHERE at >= :start AND at < :end"}
    pipeline, store = make_pipeline(tmp_path, source), ObjectStore.open(settings(tmp_path))
    connections = SettingsConnections(settings(tmp_path), (("shop", f"sqlite:///{tmp_path / 'shop.db'}"),))
    found = []
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute(f"CREATE TABLE rows ({', '.join(COLUMNS)})")
        for rows in (GOOD, LATE):
            marks = ", ".join("?" * len(COLUMNS))
            connection.executemany(f"INSERT INTO rows VALUES ({marks})", [tuple(one.values()) for one in rows])
            connection.commit()
            found.append(validate(pipeline, take_snapshot(pipeline, WEEK, store, connections), store).rows)
    connection.close()

    assert found == [20, 22]


@given(st.lists(st.integers(-900, 900), min_size=1, max_size=20))
def test_every_row_of_another_time_is_told_its_partition(hours: list[int]) -> None:
    at = [pd.Timestamp(WEEK.start_utc) + pd.Timedelta(hour, "h") for hour in hours]
    frame = pd.DataFrame({"at": pd.Series(at, dtype="datetime64[ns, UTC]"), "id": range(len(hours)), "ok": True})

    homes = sift(frame, DATA, WEEK).elsewhere

    own = [Partition.containing(moment.to_pydatetime(), WEEK.period).key for moment in at]
    assert list(homes) == ["" if key == WEEK.key else key for key in own]
