"""The ledger's database, SQLite or PostgreSQL: opening it with the schema it should have, and how writers retry."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from include.perennial.errors import BadInput, IntegrityError, Unavailable
from include.perennial.stores.ledger.schema import CURRENT, Migrations, noted_version

if TYPE_CHECKING:
    from include.perennial.stores.ledger.upgrade import Upgraded

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


class Database:
    """Runs functions of a connection in transactions of their own.

    Each transaction opens its own connection: tasks fork, and a pooled one would be shared.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._name = engine.url.render_as_string(hide_password=True)

    @classmethod
    def open(cls, url: str, migrations: Migrations = CURRENT) -> "Database":
        """The database at SQLAlchemy ``url`` with its schema; many processes may open it at once.

        An empty one gets its schema; an older one on SQLite is upgraded.

        Raises:
            BadInput: not a URL, neither SQLite nor PostgreSQL, or the driver is not installed; a schema newer than
                this code; an older one on PostgreSQL, which a person has to upgrade.
            IntegrityError: it could not be upgraded, and is as it was.
            Unavailable: it does not answer.
        """
        database = cls(_engine(url))
        if database.read(noted_version) != migrations.newest:
            database._upgrade(migrations, asked=False)
        return database

    @classmethod
    def upgrade(cls, url: str, migrations: Migrations = CURRENT) -> "Upgraded":
        """Bring the database at ``url`` to the newest schema, wherever it is; what was done.

        Raises:
            As ``open``.
        """
        return cls(_engine(url))._upgrade(migrations, asked=True)

    def _upgrade(self, migrations: Migrations, *, asked: bool) -> "Upgraded":
        from include.perennial.stores.ledger.upgrade import upgrade

        if self._engine.dialect.name == "sqlite":
            self._retrying(lambda: _write_ahead(self._engine))
        return self.write(lambda connection: upgrade(connection, migrations, asked=asked))

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
    if dialect not in _CONNECT_ARGS or (dialect == "sqlite" and url.database in (None, "", ":memory:")):
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


def _write_ahead(engine: sa.Engine) -> None:
    """Readers never wait for a writer; the file remembers the mode."""
    with engine.connect().execution_options(access="none") as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
