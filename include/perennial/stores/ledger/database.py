"""The ledger's database: one table with append-only triggers, on SQLite or PostgreSQL, and how writers retry."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from include.perennial.errors import BadInput, IntegrityError, Unavailable

T = TypeVar("T")
_CONNECT_ARGS: dict[str, dict[str, Any]] = {
    # isolation_level None: sqlite3 must not say BEGIN itself.
    "sqlite": {"timeout": 10, "isolation_level": None},
    "postgresql": {"connect_timeout": 10, "options": "-c lock_timeout=10s"},
}
# What opens a transaction. A writer must hold the lock before it reads the head of a chain: so says
# SQLite's IMMEDIATE, and on PostgreSQL an advisory lock, whose number is arbitrary, does the same.
_BEGIN = {
    ("sqlite", "read"): "BEGIN",
    ("sqlite", "write"): "BEGIN IMMEDIATE",
    ("postgresql", "write"): "SELECT pg_advisory_xact_lock(5207391116)",
}
_CONFLICT_ATTEMPTS = 20
_FAILED_ATTEMPTS = 4
_MAX_PAUSE_S = 0.5

METADATA = sa.MetaData()
EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("pipeline", sa.String(64), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("key", sa.String(256), nullable=False),
    # Text, so that what was hashed is what is stored, whatever the database's clock types do.
    sa.Column("at_utc", sa.String(40), nullable=False),
    sa.Column("actor", sa.String(256), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("prev_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.UniqueConstraint("pipeline", "kind", "key", name="events_once"),
)

_TRIGGERS = {
    "sqlite": (
        """CREATE TRIGGER events_no_update BEFORE UPDATE ON events
           BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
        """CREATE TRIGGER events_no_delete BEFORE DELETE ON events
           BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
        # INSERT OR REPLACE deletes rows without firing the delete trigger.
        """CREATE TRIGGER events_no_replace BEFORE INSERT ON events
           WHEN EXISTS (SELECT 1 FROM events WHERE pipeline = NEW.pipeline
                        AND (seq = NEW.seq OR (kind = NEW.kind AND key = NEW.key)))
           BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    ),
    "postgresql": (
        """CREATE OR REPLACE FUNCTION events_refuse() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$""",
        """CREATE TRIGGER events_no_change BEFORE UPDATE OR DELETE ON events
           FOR EACH ROW EXECUTE FUNCTION events_refuse()""",
        """CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON events
           FOR EACH STATEMENT EXECUTE FUNCTION events_refuse()""",
    ),
}


class Database:
    """Runs functions of a connection in transactions of their own.

    Each transaction opens its own connection: tasks fork, and a pooled one would be shared.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._name = engine.url.render_as_string(hide_password=True)

    @classmethod
    def open(cls, url: str) -> "Database":
        """The database at SQLAlchemy ``url`` with its schema; many processes may open it at once.

        Raises:
            BadInput: not a URL, neither SQLite nor PostgreSQL, or the driver is not installed.
            Unavailable: it does not answer.
        """
        database = cls(_engine(url))
        database._retrying(lambda: _create_schema(database._engine))
        return database

    def read(self, action: Callable[[sa.Connection], T]) -> T:
        """``action(connection)`` in a transaction that changes nothing.

        Raises:
            Unavailable: the database does not answer.
        """
        return self._retrying(lambda: _transaction(self._engine, "read", action))

    def write(self, action: Callable[[sa.Connection], T]) -> T:
        """``action(connection)``, committed; run again from the start when another writer was faster.

        Raises:
            Unavailable: the database does not answer, or stayed busy.
        """
        return self._retrying(lambda: _transaction(self._engine, "write", action))

    def _retrying(self, attempt: Callable[[], T]) -> T:
        failures = 0
        for n in range(_CONFLICT_ATTEMPTS):
            try:
                return attempt()
            except sa.exc.IntegrityError as conflict:
                last: sa.exc.DBAPIError = conflict
            except (sa.exc.OperationalError, sa.exc.InterfaceError) as failure:
                failures += 1
                last = failure
                if failures == _FAILED_ATTEMPTS:
                    break
            except sa.exc.DatabaseError as error:
                raise IntegrityError(self._message("cannot be used", error)) from error
            time.sleep(random.uniform(0, min(_MAX_PAUSE_S, 0.01 * 2**n)))  # noqa: S311 - spreads writers, no secret
        raise Unavailable(self._message("does not answer", last)) from last

    def _message(self, what: str, error: sa.exc.DBAPIError) -> str:
        return (
            f"The ledger at {self._name} {what}: {str(error.orig).strip()[:500]}. Nothing was recorded. "
            "Check that the database runs, that PERENNIAL_LEDGER names it, and that its user may SELECT and INSERT."
        )


def _transaction(engine: sa.Engine, access: str, action: Callable[[sa.Connection], T]) -> T:
    with engine.connect().execution_options(access=access) as connection, connection.begin():
        return action(connection)


def _engine(text: str) -> sa.Engine:
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError:
        raise BadInput("PERENNIAL_LEDGER is not a database URL: expected sqlite:///path or postgresql://…") from None
    dialect, shown = url.get_backend_name(), url.render_as_string(hide_password=True)
    if dialect not in _TRIGGERS or (dialect == "sqlite" and url.database in (None, "", ":memory:")):
        raise BadInput(f"The ledger cannot live in {shown}: allowed are sqlite:///path and postgresql://…")
    if dialect == "sqlite":
        Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
    try:
        engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=_CONNECT_ARGS[dialect])
    except ImportError as error:
        raise BadInput(
            f"The driver of the ledger at {shown} is not installed ({error}): install it, or name one that is, "
            "such as postgresql+psycopg2://…"
        ) from None
    sa.event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: sa.Connection) -> None:
    access = connection.get_execution_options().get("access", "read")
    statement = _BEGIN.get((connection.dialect.name, access))
    if statement:
        connection.exec_driver_sql(statement)


def _create_schema(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        if sa.inspect(connection).has_table(EVENTS.name):
            return
    if engine.dialect.name == "sqlite":
        with engine.connect().execution_options(access="none") as connection:
            # Readers never wait for a writer; the file remembers the mode.
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    _transaction(engine, "write", _create_tables)


def _create_tables(connection: sa.Connection) -> None:
    if not sa.inspect(connection).has_table(EVENTS.name):
        METADATA.create_all(connection)
        for statement in _TRIGGERS[connection.dialect.name]:
            connection.exec_driver_sql(statement)
