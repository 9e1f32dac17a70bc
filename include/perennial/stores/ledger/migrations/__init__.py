"""Migrations of the ledger's schema, oldest first, run by Alembic in one transaction (``upgrade``).

Each file is one version of the schema, named by it. To change the schema:

1. add ``v<number>_<what>.py`` with the next number as ``revision`` and the one before as ``down_revision``;
2. raise ``NEWEST`` and change ``EVENTS`` in ``schema``: a test compares both with what the migrations make;
3. only add (columns with a default, tables, indexes): processes of the version before go on writing until they end,
   and an upgrade that changes a recorded field is undone by ``upgrade``.

There is no way back: events that newer code has written may mean nothing to older code. ``downgrade`` refuses.
"""

from typing import NoReturn

from include.perennial.errors import BadInput


def refuse_downgrade() -> NoReturn:
    """What every migration does when asked to go back.

    Raises:
        BadInput: always.
    """
    raise BadInput(
        "A ledger is never downgraded: what newer code has recorded must not be lost. Run the newer version, or "
        "restore a backup from before the upgrade (docs/backup.md)."
    )
