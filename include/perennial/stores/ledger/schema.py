"""The schema that this code reads and writes, and whether a ledger has it: one cheap query at each opening."""

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from include.perennial.errors import BadInput

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

# Of its own name, since the ledger may share a database with others that Alembic looks after.
VERSION_TABLE = "ledger_schema"
FIRST = "0001"
_VERSION = sa.text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
_UNDEFINED_TABLE = "42P01"


@dataclass(frozen=True)
class Migrations:
    """A folder of migrations and the version that they end with."""

    folder: Path
    newest: str

    def is_older(self, version: str) -> bool:
        """Whether a ledger of ``version`` can be upgraded.

        Raises:
            BadInput: it is of a newer version of this project, or of none.
        """
        if version > self.newest or not version.isdecimal():
            raise BadInput(
                f"The ledger has schema {version[:20]!r}, this code knows {FIRST} to {self.newest}: a newer version of "
                "Perennial has upgraded it. Run that version or a later one here too; a ledger is never downgraded. "
                "To go back, restore a backup from before the upgrade (docs/backup.md)."
            )
        return version < self.newest


CURRENT = Migrations(Path(__file__).with_name("migrations"), newest="0001")


def noted_version(connection: sa.Connection) -> str | None:
    """The version that the ledger has noted, None if it has noted none: an empty database, or one older than that."""
    try:
        return str(connection.scalar(_VERSION))
    except sa.exc.DBAPIError as error:
        if not _is_missing_table(error):
            raise
        return None


def found_version(connection: sa.Connection) -> str | None:
    """The version of the ledger, None if the database has no ledger yet."""
    tables = sa.inspect(connection).get_table_names()
    if VERSION_TABLE in tables:
        return str(connection.scalar(_VERSION))
    return FIRST if EVENTS.name in tables else None


def _is_missing_table(error: sa.exc.DBAPIError) -> bool:
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    return code == _UNDEFINED_TABLE or f"no such table: {VERSION_TABLE}" in str(error.orig)
