"""Deliveries by a SELECT on a database that is only read, written to one Parquet file in chunks.

The session is read-only by the database's own means (PostgreSQL, MySQL and MariaDB: a read-only
transaction; SQLite: ``query_only``), and the statement must be a single SELECT. Give the connection
a role that may do no more: a function called by a SELECT can still have effects of its own.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    StatementError,
)

from include.perennial.errors import BadInput, DataError, Unavailable
from include.perennial.messages import first_line, shown
from include.perennial.partitions import Partition
from include.perennial.spec import ColumnType, SqlSource
from include.perennial.tables import from_rows, schema

FILE_NAME = "rows.parquet"
CHUNK_ROWS = 50_000
_READ_ONLY = {
    "postgresql": ("SET TRANSACTION READ ONLY", "SET LOCAL TIME ZONE 'UTC'"),
    "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION time_zone = '+00:00'"),
    "mariadb": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION time_zone = '+00:00'"),
    "sqlite": ("PRAGMA query_only = ON",),
}
_LEADING_COMMENTS = re.compile(r"\A(\s+|--[^\n]*(\n|$)|/\*.*?\*/)*", re.DOTALL)


def deliver(source: SqlSource, partition: Partition, columns: Mapping[str, ColumnType], target: Path, url: str) -> None:
    """Run the query with ``:start`` and ``:end`` bound to the partition's UTC bounds; write ``rows.parquet``.

    Raises:
        BadInput: the query is not one SELECT, or the URL is unusable.
        DataError: the database refuses the query, or its rows do not have the declared columns.
        Unavailable: the database does not answer.
    """
    check_query(source.query)
    engine = _engine(url, source.connection)
    try:
        with _connected(engine, source.connection) as connection, _refused_queries(engine, source.connection):
            for statement in _READ_ONLY[engine.dialect.name]:
                connection.exec_driver_sql(statement)
            rows = connection.execution_options(stream_results=True, yield_per=CHUNK_ROWS).execute(
                sa.text(source.query), _bounds(partition, engine.dialect.name)
            )
            _write(rows, columns, target / FILE_NAME, f"connection {shown(source.connection)}")
    finally:
        engine.dispose()


def check_query(query: str) -> None:
    """Refuse what is not a single SELECT or WITH statement; that it is bound to the partition, the spec has checked.

    Raises:
        BadInput: it is something else.
    """
    body = _LEADING_COMMENTS.sub("", query)
    # Semicolons are refused inside literals as well: telling them apart is the database's business.
    if not re.match(r"(select|with)\b", body, re.IGNORECASE) or ";" in body.rstrip().removesuffix(";"):
        raise BadInput(
            f"source.query {shown(query)} is invalid: expected one SELECT or WITH statement without semicolons."
        )


def _engine(url: str, connection: str) -> sa.Engine:
    try:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        # The URL holds the password: name the class of what is wrong with it, not the text.
        raise BadInput(
            f"Connection {shown(connection)} cannot be used ({type(error).__name__}): "
            "expected a SQLAlchemy URL whose database driver is installed."
        ) from None
    if engine.dialect.name not in _READ_ONLY:
        raise BadInput(
            f"Connection {shown(connection)} leads to a database of kind {engine.dialect.name!r}: "
            f"expected one that can be opened read-only: {', '.join(_READ_ONLY)}."
        )
    _check_sqlite_file(engine, connection)
    return engine


def _check_sqlite_file(engine: sa.Engine, connection: str) -> None:
    # SQLite would create the file.
    name = engine.url.database
    if engine.dialect.name == "sqlite" and (not name or not Path(name).is_file()):
        raise Unavailable(
            f"Connection {shown(connection)}: there is no SQLite file {shown(name)}. Retry when there is."
        )


def _bounds(partition: Partition, dialect: str) -> dict[str, Any]:
    if dialect == "postgresql":
        return {"start": partition.start_utc, "end": partition.end_utc}
    # SQLite compares text: a bare day sorts before every moment of that day, with a blank or with a T.
    return {"start": f"{partition.start_utc:%Y-%m-%d}", "end": f"{partition.end_utc:%Y-%m-%d}"}


@contextlib.contextmanager
def _connected(engine: sa.Engine, connection: str) -> Iterator[sa.Connection]:
    try:
        opened = engine.connect()
    except DBAPIError as error:
        raise Unavailable(
            f"{_reason(engine, connection, error)} Check that it runs and the login; retry later."
        ) from None
    with opened:
        yield opened


@contextlib.contextmanager
def _refused_queries(engine: sa.Engine, connection: str) -> Iterator[None]:
    try:
        yield
    except StatementError as error:
        if _is_outage(error, engine.dialect.name):
            raise Unavailable(f"{_reason(engine, connection, error)} Retry later.") from None
        raise DataError(f"{_reason(engine, connection, error)} Correct source.query, or the tables it reads.") from None


def _is_outage(error: StatementError, dialect: str) -> bool:
    if dialect == "sqlite":  # where a missing table is an OperationalError too
        return "locked" in str(error.orig) or "busy" in str(error.orig)
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return lost or isinstance(error, OperationalError | InterfaceError)


def _reason(engine: sa.Engine, connection: str, error: StatementError) -> str:
    cause = error.orig or error
    # The first argument is the message alone; SQLAlchemy's str() adds the statement and a link.
    text = first_line(ValueError(*cause.args[:1]), 400)
    password = engine.url.password
    return f"Connection {shown(connection)}: {text.replace(password, '***') if password else text}."


def _write(rows: sa.CursorResult[Any], columns: Mapping[str, ColumnType], path: Path, where: str) -> None:
    names = list(rows.keys())
    with pq.ParquetWriter(path, schema(columns), compression="zstd", write_page_checksum=True) as writer:
        written = 0
        for chunk in rows.partitions(CHUNK_ROWS):
            writer.write_table(from_rows(names, chunk, columns, where, first_row=written + 1))
            written += len(chunk)
        if not written:
            writer.write_table(from_rows(names, (), columns, where))
