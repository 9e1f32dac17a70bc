"""The SQL source on a real PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from include.perennial.errors import DataError, Unavailable
from include.perennial.sources import sql
from include.perennial.spec import ColumnType, SqlSource
from tests import servers
from tests.deliveries import WEEK

pytestmark = pytest.mark.server

COLUMNS = {
    "at": ColumnType.TIMESTAMP,
    "id": ColumnType.STRING,
    "n": ColumnType.INTEGER,
    "price": ColumnType.FLOAT,
    "ok": ColumnType.BOOLEAN,
    "day": ColumnType.DATE,
}
ROWS = """
CREATE TABLE deliveries (at timestamptz, plain timestamp, id text, n bigint, price numeric(9, 2), ok boolean, day date);
INSERT INTO deliveries SELECT
    timestamptz '2013-06-02 23:00+00' + n * interval '1 hour', timestamp '2013-06-02 23:00' + n * interval '1 hour',
    'r' || n, nullif(n, 7), n / 4.0, n % 2 = 0, date '2013-06-03'
FROM generate_series(0, 400) AS n;
CREATE FUNCTION wipe() RETURNS boolean LANGUAGE sql AS 'DELETE FROM deliveries; SELECT true';
CREATE ROLE reader LOGIN PASSWORD 'secret-word';
GRANT ALL ON deliveries TO reader;
ALTER ROLE reader SET timezone = 'America/New_York';
"""
BOUND = "at >= :start AND at < :end"
SELECT = "SELECT at, id, n, price, ok, day FROM deliveries"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with servers.postgres_server() as owner:
        engine = sa.create_engine(owner)
        with engine.begin() as connection:
            connection.execute(sa.text(ROWS))
        engine.dispose()
        yield owner.replace("ledger@", "reader:secret-word@")


def deliver(tmp_path: Path, query: str, url: str) -> list[dict[str, object]]:
    sql.deliver(SqlSource(kind="sql", connection="shop", query=query), WEEK, COLUMNS, tmp_path, url)
    return pq.read_table(tmp_path / "rows.parquet").to_pylist()


@pytest.mark.parametrize("column", ["at", "plain"])
def test_the_interval_is_utc_whatever_the_session_thinks(
    tmp_path: Path, url: str, column: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "CHUNK_ROWS", 50)
    query = (
        f"{SELECT.replace('at,', f'{column} AS at,')} WHERE {column} >= :start AND {column} < :end ORDER BY {column}"
    )

    rows = deliver(tmp_path, query, url)

    assert len(rows) == 7 * 24
    assert (rows[0]["at"], rows[0]["id"], rows[0]["price"]) == (WEEK.start_utc, "r1", 0.25)
    assert [row["n"] for row in rows[5:8]] == [6, None, 8]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (f"WITH gone AS (DELETE FROM deliveries RETURNING *) {SELECT} WHERE {BOUND}", "data-modifying statements"),
        (f"{SELECT} WHERE {BOUND} AND wipe()", "cannot execute DELETE in a read-only transaction"),
        (f"SELECT * INTO copied FROM deliveries WHERE {BOUND}", "INTO"),
    ],
)
def test_nothing_can_be_written(tmp_path: Path, url: str, query: str, told: str) -> None:
    with pytest.raises(DataError) as caught:
        deliver(tmp_path, query, url)
    assert told in str(caught.value)
    assert len(deliver(tmp_path, f"{SELECT} WHERE {BOUND}", url)) == 168


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (f"SELECT * FROM nothing WHERE {BOUND}", 'relation "nothing" does not exist'),
        (f"{SELECT} WHERE {BOUND} AND 1 / (n - n) = 1", "division by zero"),
        (f"SELECT id FROM deliveries WHERE {BOUND}", "missing 5 of 6 declared columns"),
    ],
)
def test_a_query_that_the_tables_do_not_answer_is_refused(tmp_path: Path, url: str, query: str, told: str) -> None:
    with pytest.raises(DataError) as caught:
        deliver(tmp_path, query, url)
    assert told in str(caught.value)


def test_a_server_that_goes_away_may_be_tried_again(tmp_path: Path, url: str) -> None:
    # The reader ends its own session, as an administrator or a restart would.
    query = f"{SELECT} WHERE {BOUND} AND pg_terminate_backend(pg_backend_pid())"
    with pytest.raises(Unavailable, match=r"terminating connection|closed the connection"):
        deliver(tmp_path, query, url)


def test_a_wrong_database_is_told_without_the_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(Unavailable) as caught:
        deliver(tmp_path, f"{SELECT} WHERE {BOUND}", url.replace("/postgres?", "/nothing?"))
    assert 'database "nothing" does not exist' in str(caught.value)
    assert "secret-word" not in str(caught.value)
