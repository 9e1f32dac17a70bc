"""Events inside one transaction: read, checked against their hash, and added at the head of the chain."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from include.perennial.digests import canonical_json
from include.perennial.errors import BadInput, IntegrityError
from include.perennial.stores.ledger.chain import GENESIS, Anchor, event_hash
from include.perennial.stores.ledger.events import (
    CROWNING_KINDS,
    FREEZING_KINDS,
    Champion,
    ChampionChanged,
    Event,
    EventKind,
    PipelineFrozen,
)
from include.perennial.stores.ledger.schema import EVENTS

_LONGEST = {"pipeline": 64, "key": 256, "actor": 256}


def new_row(pipeline: str, kind: EventKind, key: str, payload: dict[str, Any], actor: str) -> dict[str, Any]:
    """The fields of an event that do not depend on its place in the chain.

    Raises:
        BadInput: ``payload`` is not JSON, or a name is empty, too long or not printable.
    """
    row = {"pipeline": pipeline, "kind": str(kind), "key": key, "actor": actor}
    for field, longest in _LONGEST.items():
        text = row[field]
        if not (text and len(text) <= longest and text.isprintable()):
            raise BadInput(f"Ledger {field} {text[:80]!r} is invalid: expected 1 to {longest} printable characters.")
    try:
        canonical = canonical_json(payload)
        canonical.encode()
    except (TypeError, ValueError) as error:
        raise BadInput(f"The payload of {kind} {key!r} is not JSON: {str(error)[:300]}.") from None
    return row | {"payload": canonical}


def of(pipeline: str, kinds: Iterable[EventKind] | None = None) -> sa.Select[Any]:
    """A query for the events of a pipeline, of ``kinds`` only if given."""
    query = sa.select(EVENTS).where(EVENTS.c.pipeline == pipeline)
    return query if kinds is None else query.where(EVENTS.c.kind.in_([str(kind) for kind in kinds]))


def event(row: Mapping[str, Any]) -> Event:
    """The event stored in ``row``.

    Raises:
        IntegrityError: the row is not what was written.
    """
    if event_hash(row) != row["hash"]:
        raise IntegrityError(
            f"Ledger event {row['seq']} of {row['pipeline']} was edited after it was written; nothing may rest on it. "
            "Compare the ledger with a backup and restore it."
        )
    parsed = {
        "kind": EventKind(row["kind"]),
        "at_utc": dt.datetime.fromisoformat(row["at_utc"]),
        "payload": json.loads(row["payload"]),
    }
    return Event(**(dict(row) | parsed))


def fetch(connection: sa.Connection, query: sa.Select[Any]) -> list[dict[str, Any]]:
    """The rows of ``query`` as they are stored, unchecked."""
    return [{str(column): value for column, value in row.items()} for row in connection.execute(query).mappings()]


def find(connection: sa.Connection, pipeline: str, kind: str, key: str) -> Event | None:
    """The event under (pipeline, kind, key), or None."""
    return _first(connection, of(pipeline).where(EVENTS.c.kind == str(kind), EVENTS.c.key == key))


def head(connection: sa.Connection, pipeline: str) -> Anchor:
    """Sequence and hash of the newest event; 0 and zeros when there is none."""
    query = sa.select(EVENTS.c.seq, EVENTS.c.hash).where(EVENTS.c.pipeline == pipeline)
    row = connection.execute(query.order_by(EVENTS.c.seq.desc()).limit(1)).first()
    return Anchor(pipeline, row.seq, row.hash) if row else Anchor(pipeline, 0, GENESIS)


def heads(connection: sa.Connection) -> list[Anchor]:
    """The heads of all pipelines with events, by name."""
    newest = sa.select(EVENTS.c.pipeline, sa.func.max(EVENTS.c.seq).label("seq")).group_by(EVENTS.c.pipeline).subquery()
    is_newest = (EVENTS.c.pipeline == newest.c.pipeline) & (EVENTS.c.seq == newest.c.seq)
    query = sa.select(EVENTS.c.pipeline, EVENTS.c.seq, EVENTS.c.hash).join(newest, is_newest)
    return [Anchor(*row) for row in connection.execute(query.order_by(EVENTS.c.pipeline))]


def champion(connection: sa.Connection, pipeline: str) -> Champion | None:
    """Who is champion, from the last crowning event."""
    last = _last(connection, pipeline, CROWNING_KINDS)
    return Champion.of(last) if last else None


def is_frozen(connection: sa.Connection, pipeline: str) -> bool:
    """Whether the last freezing event is ``frozen``."""
    last = _last(connection, pipeline, FREEZING_KINDS)
    return last is not None and last.kind is EventKind.FROZEN


def add(connection: sa.Connection, row: dict[str, Any]) -> tuple[Event, bool]:
    """Append ``row``, or return the event that exists under its (pipeline, kind, key); and whether it was appended."""
    # The head is read before anything else that the event rests on: whatever is committed after
    # that takes the seq wanted here, the insert fails, and the attempt starts over.
    newest = head(connection, row["pipeline"])
    existing = find(connection, row["pipeline"], row["kind"], row["key"])
    return (existing, False) if existing else (_insert(connection, row, newest), True)


def crown(connection: sa.Connection, row: dict[str, Any], expected_champion_seq: int | None) -> tuple[Event, bool]:
    """Append a crowning if the champion is the expected one; an event that exists under its key is returned.

    The second value says whether it was appended.

    Raises:
        ChampionChanged: it is another one.
        PipelineFrozen: the pipeline keeps its champion.
    """
    pipeline = row["pipeline"]
    newest = head(connection, pipeline)
    existing = find(connection, pipeline, row["kind"], row["key"])
    if existing:
        return existing, False
    current = champion(connection, pipeline)
    if (current.seq if current else None) != expected_champion_seq:
        raise ChampionChanged(pipeline, current)
    if is_frozen(connection, pipeline):
        raise PipelineFrozen(f"{pipeline} is frozen: it keeps its champion until somebody unfreezes it.")
    return _insert(connection, row, newest), True


def _insert(connection: sa.Connection, row: dict[str, Any], newest: Anchor) -> Event:
    now_utc = dt.datetime.now(dt.timezone.utc).isoformat(timespec="microseconds")
    full = row | {"seq": newest.seq + 1, "at_utc": now_utc, "prev_hash": newest.hash}
    full["hash"] = event_hash(full)
    connection.execute(EVENTS.insert().values(full))
    return event(full)


def _first(connection: sa.Connection, query: sa.Select[Any]) -> Event | None:
    found = fetch(connection, query.limit(1))
    return event(found[0]) if found else None


def _last(connection: sa.Connection, pipeline: str, kinds: Iterable[EventKind]) -> Event | None:
    return _first(connection, of(pipeline, kinds).order_by(EVENTS.c.seq.desc()))
