"""Ledgers of the first version, and migrations that do not exist yet; what other processes run imports little."""

import sqlite3
from pathlib import Path

import sqlalchemy as sa

from include.perennial.stores.ledger import Ledger
from include.perennial.stores.ledger.database import Database
from include.perennial.stores.ledger.schema import CURRENT, Migrations
from tests.unit.stores.ledger.writers import note

HERE = Path(__file__).parent
NEXT = f"{int(CURRENT.newest) + 1:04}"
_NEXT_FILE = """
from alembic import op
from include.perennial.stores.ledger.migrations import refuse_downgrade

revision = "{revision}"
down_revision = "{newest}"


def upgrade():
    op.create_index("events_by_kind", "events", ["pipeline", "kind", "seq"])
{more}

def downgrade():
    refuse_downgrade()
"""


def first_version(url: str) -> str:
    """The ledger that the first version of this project has written, dumped in SQL, in the empty database ``url``."""
    parsed = sa.make_url(url)
    text = (HERE / f"first_version.{parsed.get_backend_name()}.sql").read_text()
    if parsed.get_backend_name() == "sqlite":
        Path(parsed.database or "").parent.mkdir(parents=True)
        with sqlite3.connect(parsed.database or "") as database:
            database.executescript(text)
        database.close()
    else:
        connection = sa.create_engine(url, poolclass=sa.NullPool).raw_connection()
        connection.cursor().execute(text)
        connection.commit()
        connection.close()
    return url


def next_version(folder: Path, more: str = "") -> Migrations:
    """Today's migrations and one that adds an index and then does ``more``, statements of Python."""
    for path in CURRENT.folder.glob("v*.py"):
        (folder / path.name).write_text(path.read_text())
    body = "".join(f"    {line}\n" for line in more.splitlines())
    (folder / f"v{NEXT}_next.py").write_text(_NEXT_FILE.format(revision=NEXT, newest=CURRENT.newest, more=body))
    return Migrations(folder, NEXT)


def open_and_append(url: str, name: str, migrations: Migrations, asked: bool) -> None:
    """Upgrade the ledger, or open it, and append five events, from a process of its own."""
    if asked:
        Database.upgrade(url, migrations)
    ledger = Ledger(Database.open(url, migrations))
    for n in range(5):
        note(ledger, f"{name}/{n}")
