"""Deliveries by a SELECT on a database that is only read, written to one Parquet file in chunks.

The session is read-only by the database's own means (PostgreSQL, MySQL and MariaDB: a read-only
transaction; SQLite: ``query_only``), and the statement must be a single SELECT. Give the connection
a role that may do no more: a function called by a SELECT can still have effects of its own.
"""

import contextlib
import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
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
from include.perennial.partitions import Partition, clock_at
from include.perennial.sources.reading import Keep
from include.perennial.spec import ColumnType, SqlSource
from include.perennial.spec.fields import parameters_of
from include.perennial.tables import from_rows, schema

FILE_NAME = "rows.parquet"
CHUNK_ROWS = 50_000
_READ_ONLY = {
    "postgresql": ("SET TRANSACTION READ ONLY", "SET LOCAL TIME ZONE '{zone}'"),
    "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION time_zone = '{zone}'"),
    "mariadb": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION time_zone = '{zone}'"),
    "sqlite": ("PRAGMA query_only = ON",),
}
_LEADING_COMMENTS = re.compile(r"\A(\s+|--[^\n]*(\n|$)|/\*.*?\*/)*", re.DOTALL)


def deliver(
    source: SqlSource,
    partition: Partition,
    columns: Mapping[str, ColumnType],
    target: Path,
    url: str,
    *,
    zone: str = "UTC",
    keep: Keep | None = None,
) -> None:
    """Run the query with ``:start`` and ``:end`` bound to the partition's bounds; write ``rows.parquet``.

    Args:
        zone: time zone in which the database's moments without one are.
        keep: the rows that are wanted of a table of ``columns``; all without it.

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
                connection.exec_driver_sql(statement.format(zone=_session_zone(zone, engine.dialect.name)))
            rows = connection.execution_options(stream_results=True, yield_per=CHUNK_ROWS).execute(
                sa.text(source.query), _bounds(source.query, partition, engine.dialect.name, zone)
            )
            writer = _Writer(columns, f"connection {shown(source.connection)}", zone, keep)
            writer.write(rows, target / FILE_NAME)
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


def _session_zone(zone: str, dialect: str) -> str:
    # MySQL knows names only once its tables of zones have been filled.
    return "+00:00" if zone == "UTC" and dialect != "postgresql" else zone


def _bounds(query: str, partition: Partition, dialect: str, zone: str) -> dict[str, Any]:
    bounds = {"start": partition.start_utc, "end": partition.end_utc}
    used = {name: bounds[name] for name in parameters_of(query)}
    if dialect == "postgresql":
        return used
    return {name: _as_text(clock_at(moment, zone)) for name, moment in used.items()}


def _as_text(local: dt.datetime) -> str:
    # SQLite compares text: a bare day sorts before every moment of that day, with a blank or with a T.
    return f"{local:%Y-%m-%d}" if local.time() == dt.time() else f"{local:%Y-%m-%d %H:%M:%S}"


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


@dataclass(frozen=True)
class _Writer:
    columns: Mapping[str, ColumnType]
    where: str
    zone: str
    keep: Keep | None

    def write(self, rows: sa.CursorResult[Any], path: Path) -> None:
        names = list(rows.keys())
        with pq.ParquetWriter(path, schema(self.columns), compression="zstd", write_page_checksum=True) as writer:
            read = written = 0
            for chunk in rows.partitions(CHUNK_ROWS):
                table = self._table(names, chunk, read)
                if table.num_rows:
                    writer.write_table(table)
                read, written = read + len(chunk), written + table.num_rows
            if not written:
                writer.write_table(self._table(names, (), 0))

    def _table(self, names: Sequence[str], rows: Sequence[Any], read: int) -> pa.Table:
        table = from_rows(names, rows, self.columns, self.where, first_row=read + 1, zone=self.zone)
        return self.keep(table) if self.keep else table
