"""Makes or upgrades a ledger's schema with Alembic, inside the transaction of the caller, who holds the write lock.

Imported only when there is something to do: Alembic costs 0.2 s, and a ledger is opened in every task.
"""

import hashlib
import json
from dataclasses import dataclass

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from include.perennial.errors import BadInput, IntegrityError
from include.perennial.stores.ledger.chain import HASHED_FIELDS
from include.perennial.stores.ledger.schema import EVENTS, VERSION_TABLE, Migrations, found_version


@dataclass(frozen=True)
class Upgraded:
    """What became of a ledger; ``before`` is None where there was none, and equals ``after`` where nothing was due."""

    before: str | None
    after: str
    events: int


def upgrade(connection: sa.Connection, migrations: Migrations, *, asked: bool) -> Upgraded:
    """Bring the ledger of ``connection`` to the newest schema, or make it; nothing changes if it has that.

    An older one on SQLite is upgraded by whoever opens it. On PostgreSQL others may be writing with the older code,
    so that a person has to have ``asked``.

    Raises:
        BadInput: the ledger is newer than this code, or older and nobody asked.
        IntegrityError: the upgrade failed or changed a recorded event. Nothing is changed then.
    """
    before = found_version(connection)
    is_older = before is not None and migrations.is_older(before)
    if is_older and not asked and connection.dialect.name != "sqlite":
        raise BadInput(
            f"The ledger has schema {before}, this code needs {migrations.newest}. Make a backup, then run "
            "`perennial ledger upgrade` once, with a database user that may create tables (docs/backup.md)."
        )
    recorded = _recorded(connection) if before is not None else None
    _run(connection, migrations, before)
    after = _recorded(connection)
    if recorded not in (None, after):
        raise IntegrityError(
            f"The upgrade of the ledger from schema {before} to {migrations.newest} would have changed what is "
            "recorded, and was undone. Report this as a bug of that migration."
        )
    return Upgraded(before, migrations.newest, after[0])


def _run(connection: sa.Connection, migrations: Migrations, before: str | None) -> None:
    folder = str(migrations.folder)
    script = ScriptDirectory(folder, version_locations=[folder])

    steps = lambda noted, _: script._upgrade_revs("head", noted)  # noqa: E731
    try:
        with EnvironmentContext(Config(), script, fn=steps) as environment:
            environment.configure(connection=connection, version_table=VERSION_TABLE)
            context = environment.get_context()
            if before is not None and not context.get_current_heads():  # from before versions were noted
                context.stamp(script, before)
            environment.run_migrations()
    except sa.exc.DBAPIError as error:
        if error.connection_invalidated:
            raise
        raise IntegrityError(
            f"The ledger could not be brought from schema {before} to {migrations.newest}: "
            f"{str(error.orig).strip()[:500]}. Nothing was changed. Check that the database has room and that its "
            "user may create tables, then run `perennial ledger upgrade`."
        ) from error


def _recorded(connection: sa.Connection) -> tuple[int, str]:
    """How many events there are, and a SHA-256 over all that is recorded of them."""
    columns = [EVENTS.c[name] for name in (*HASHED_FIELDS, "hash")]
    seen, n = hashlib.sha256(), 0
    for row in connection.execute(sa.select(*columns).order_by(EVENTS.c.pipeline, EVENTS.c.seq)):
        seen.update(json.dumps(tuple(row)).encode())
        n += 1
    return n, seen.hexdigest()
