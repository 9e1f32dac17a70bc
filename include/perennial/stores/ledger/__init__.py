"""The ledger: an append-only, hash-chained record of every decision. It says who is champion.

``ledger``    the API: append, find, champion, promote, verify
``events``    what an event, a crowning and a champion are
``reigns``    the champion for a partition, the succession of champions, and the challenger
``rows``      reading and adding events inside one transaction
``telling``   the line that the log gets for every event
``chain``     hashes, and what a broken chain looks like
``database``  opening, transactions and retries, for SQLite and PostgreSQL
``schema``    the table, and whether a ledger has the schema of this code
``upgrade``   makes and upgrades it with the ``migrations``
"""

from include.perennial.stores.ledger.chain import Anchor
from include.perennial.stores.ledger.events import (
    CROWNING_KINDS,
    FREEZING_KINDS,
    Answered,
    Champion,
    ChampionChanged,
    Crowning,
    Event,
    EventKind,
    PipelineFrozen,
    Refused,
    Registered,
)
from include.perennial.stores.ledger.ledger import Ledger
from include.perennial.stores.ledger.reigns import CONTENDING_KINDS, Succession, challenger, champion_for, succession

__all__ = [
    "CONTENDING_KINDS",
    "CROWNING_KINDS",
    "FREEZING_KINDS",
    "Anchor",
    "Answered",
    "Champion",
    "ChampionChanged",
    "Crowning",
    "Event",
    "EventKind",
    "Ledger",
    "PipelineFrozen",
    "Refused",
    "Registered",
    "Succession",
    "challenger",
    "champion_for",
    "succession",
]
