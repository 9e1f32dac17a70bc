"""A SELECT on SQLite: bound, read-only, and its failures. ``tests/integration`` does it on PostgreSQL."""

import dataclasses
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from include.perennial.errors import BadInput, DataError, PerennialError, Unavailable
from include.perennial.partitions import Partition
from include.perennial.sources import SettingsConnections, read, sql
from include.perennial.sources.sql import check_query
from include.perennial.steps.snapshot import take_snapshot
from include.perennial.steps.validate import validate
from include.perennial.stores.objects import ObjectStore
from tests.deliveries import COLUMNS, WEEK, make_pipeline, row, settings

QUERY = "SELECT * FROM deliveries WHERE at >= :start AND at < :end"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    rows = [row(n) for n in range(20)]
    rows += [
        row(n, at=at) for n, at in ((20, "2013-06-02T23:59:59Z"), (21, "2013-06-09T23:59:59Z"), (22, "2013-06-10"))
    ]
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE deliveries ({', '.join(COLUMNS)}, note)")
        marks = ", ".join("?" * (len(COLUMNS) + 1))
        connection.executemany(f"INSERT INTO deliveries VALUES ({marks})", [(*r.values(), None) for r in rows])
    connection.close()
    return path


def pipeline_of(root: Path, query: str = QUERY, **more: Any) -> Any:
    return make_pipeline(root, {"kind": "sql", "connection": "shop", "query": query}, **more)


def deliver(tmp_path: Path, query: str, url: str, partition: Partition = WEEK) -> Path:
    pipeline = pipeline_of(tmp_path, query)
    sql.deliver(pipeline.spec.source, partition, pipeline.spec.data.columns, tmp_path, url)
    return tmp_path / "rows.parquet"


def test_the_rows_of_the_interval_become_the_partition(tmp_path: Path, database: Path) -> None:
    pipeline, store = pipeline_of(tmp_path), ObjectStore.open(settings(tmp_path))
    connections = SettingsConnections(settings(tmp_path), (("shop", f"sqlite:///{database}"),))

    snapshot = take_snapshot(pipeline, WEEK, store, connections)
    validated = validate(pipeline, snapshot, store)

    assert (snapshot.rows, snapshot.columns) == (21, tuple(COLUMNS))
    assert (validated.rows, validated.rows_quarantined) == (21, 0)
    assert take_snapshot(pipeline, WEEK, store, connections) == snapshot.model_copy(update={"new": False})


def test_many_chunks_are_one_file_in_the_declared_types(
    tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "CHUNK_ROWS", 4)
    path = deliver(tmp_path, QUERY, f"sqlite:///{database}")

    assert pq.read_metadata(path).num_row_groups == 6
    (tmp_path / "delivery").mkdir()
    path.rename(tmp_path / "delivery" / "rows.parquet")
    frame = read(pipeline_of(tmp_path), WEEK, tmp_path / "delivery")
    assert [str(dtype) for dtype in frame.dtypes] == [
        "datetime64[ns, UTC]",
        "object",
        "int64",
        "float64",
        "bool",
        "datetime64[ns]",
    ]


def test_no_rows_are_a_file_without_rows(tmp_path: Path, database: Path) -> None:
    path = deliver(tmp_path, QUERY, f"sqlite:///{database}", WEEK.shift(9))
    assert pq.read_metadata(path).num_rows == 0


@pytest.mark.parametrize(
    "query",
    [
        "WITH gone AS (SELECT :start, :end) DELETE FROM deliveries",
        "WITH gone AS (SELECT :start, :end) UPDATE deliveries SET count = 0",
    ],
)
def test_a_statement_that_writes_is_stopped_by_the_database(tmp_path: Path, database: Path, query: str) -> None:
    before = database.read_bytes()
    with pytest.raises(DataError, match="attempt to write a readonly database"):
        deliver(tmp_path, query, f"sqlite:///{database}")
    assert database.read_bytes() == before


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM deliveries",
        "SELECT 1; DELETE FROM deliveries",
        "SELECT 1;; ",
        "-- SELECT\nDROP TABLE deliveries",
        "/* SELECT */ PRAGMA query_only = OFF",
        "SELECTED",
        "",
        "-- SELECT",
        "ATTACH 'x' AS y",
        "SELECT ';' FROM deliveries",
    ],
)
def test_only_one_select_is_taken(query: str) -> None:
    with pytest.raises(BadInput, match="expected one SELECT or WITH statement"):
        check_query(query)


@pytest.mark.parametrize(
    "query", ["select 1", " WITH a AS (SELECT 1) SELECT * FROM a ; ", "-- why\n/* a\nb */\nSELECT(1)"]
)
def test_a_select_may_be_written_in_any_way(query: str) -> None:
    check_query(query)


WHERE = " FROM deliveries WHERE at >= :start AND at < :end"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (QUERY.replace("deliveries", "orders"), "no such table: orders"),
        (QUERY.replace("*", "wrong"), "no such column: wrong"),
        (QUERY + " AND", "incomplete input"),
        (QUERY + " AND id = :who", "bind parameter 'who'"),
        ("SELECT at, id, count, size, ok" + WHERE, "missing 1 of 6 declared columns: 'day'"),
        ("SELECT *, 1 AS id" + WHERE, "more than one column is named 'id'"),
        ("SELECT at, id, 'many' AS count, size, ok, day" + WHERE, "row 1, column 'count': 'many'"),
        ("SELECT at, id, count, x'00ff' AS size, ok, day" + WHERE, "column 'size': values of type binary"),
    ],
)
def test_a_query_that_the_tables_do_not_answer_is_refused(
    tmp_path: Path, database: Path, query: str, told: str
) -> None:
    with pytest.raises(DataError) as caught:
        deliver(tmp_path, query, f"sqlite:///{database}")
    assert told in str(caught.value)
    assert "sqlalche.me" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "kind", "told"),
    [
        ("sqlite:////nowhere/at/all.db", Unavailable, "there is no SQLite file"),
        ("sqlite://", Unavailable, "there is no SQLite file"),
        ("postgresql+psycopg2://u:secret-word@127.0.0.1:1/d", Unavailable, "Connection refused"),
        ("postgresql+nodriver://u:secret-word@h/d", BadInput, "cannot be used (NoSuchModuleError)"),
        ("not a url secret-word", BadInput, "cannot be used (ArgumentError)"),
        ("mssql+pyodbc://u:secret-word@h/d", BadInput, "'shop'"),
    ],
)
def test_a_connection_that_does_not_work_is_told_without_its_password(
    tmp_path: Path, url: str, kind: type[PerennialError], told: str
) -> None:
    with pytest.raises(kind) as caught:
        deliver(tmp_path, QUERY, url)
    assert told in str(caught.value)
    assert "secret-word" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


class UnknownDialect(SQLiteDialect_pysqlite):
    """A database of which nothing says how to open it read-only."""

    name = "unknown"


def test_a_database_that_cannot_be_opened_read_only_is_not_opened(tmp_path: Path, database: Path) -> None:
    registry.register("unknown", __name__, "UnknownDialect")
    with pytest.raises(BadInput, match=r"of kind .unknown.: expected one that can be opened read-only: postgresql,"):
        deliver(tmp_path, QUERY, f"unknown:///{database}")


def test_a_locked_database_may_be_tried_again(tmp_path: Path, database: Path) -> None:
    holder = sqlite3.connect(database)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable, match="database is locked"):
        deliver(tmp_path, QUERY, f"sqlite:///{database}?timeout=0.1")
    holder.close()


def test_a_connection_that_nobody_gave_is_said(tmp_path: Path) -> None:
    connections = SettingsConnections(dataclasses.replace(settings(tmp_path)))
    with pytest.raises(BadInput, match="SQL connection 'shop' is not known outside Airflow"):
        connections.sql_url("shop")
    with pytest.raises(BadInput, match="S3 connection 'lake' is not known outside Airflow"):
        connections.s3("lake")
    assert connections.s3(None) == settings(tmp_path).s3
