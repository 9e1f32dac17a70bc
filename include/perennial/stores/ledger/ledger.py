"""The ledger's API.

``append`` is idempotent by (pipeline, kind, key); ``promote`` checks the expected champion
and crowns the new one in one transaction. Any number of processes may write at once: each
event takes the next ``seq`` of its pipeline, and two that want the same one are told apart
by the primary key.

``verify`` finds an event that was edited, removed or inserted. A chain whose newest events
were cut off is still whole, so ``head`` is written on each registered and promoted MLflow
version; given back as ``anchors``, it lets ``verify`` find that as well.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.perennial.contracts import Registration
from include.perennial.errors import BadInput
from include.perennial.stores.ledger import rows
from include.perennial.stores.ledger.chain import Anchor, anchor_problem, event_hash, problems
from include.perennial.stores.ledger.database import Database
from include.perennial.stores.ledger.events import CROWNING_KINDS, Champion, Crowning, Event, EventKind
from include.perennial.stores.ledger.schema import EVENTS
from include.perennial.stores.ledger.telling import tell

if TYPE_CHECKING:
    from include.perennial.stores.ledger.upgrade import Upgraded


class Ledger:
    """All events of all pipelines in one database. Safe to share between threads, and after a fork."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, url: str) -> "Ledger":
        """The ledger at SQLAlchemy ``url``; an empty database gets its schema, an older ledger on SQLite the newest.

        Raises:
            BadInput: ``url`` is neither SQLite nor PostgreSQL; the ledger is newer than this code, or older and on
                PostgreSQL.
            Unavailable: the database does not answer.
        """
        return cls(Database.open(url))

    @staticmethod
    def upgrade(url: str) -> "Upgraded":
        """Bring the ledger at ``url`` to the newest schema: what ``open`` leaves to a person.

        Raises:
            BadInput: it is newer than this code.
            IntegrityError: it could not be upgraded, and is as it was.
            Unavailable: the database does not answer.
        """
        return Database.upgrade(url)

    def append(self, pipeline: str, kind: EventKind, key: str, payload: dict[str, Any], actor: str) -> Event:
        """Record an event; one that exists under (pipeline, kind, key) is returned as it stands.

        Raises:
            BadInput: ``payload`` is not JSON, or a name is empty, too long or unprintable.
            Unavailable: the database does not answer.
        """
        row = rows.new_row(pipeline, kind, key, payload, actor)
        return self._told(self._database.write(lambda connection: rows.add(connection, row)))

    def find(self, pipeline: str, kind: EventKind, key: str) -> Event | None:
        """The event under (pipeline, kind, key), or None."""
        return self._database.read(lambda connection: rows.find(connection, pipeline, kind, key))

    def events(self, pipeline: str, kinds: Iterable[EventKind] | None = None, after_seq: int = 0) -> list[Event]:
        """Events of a pipeline after ``after_seq``, oldest first; of ``kinds`` only, if given."""
        query = rows.of(pipeline, kinds).where(EVENTS.c.seq > after_seq)
        return [rows.event(row) for row in self._rows(query)]

    def intact_events(self, pipeline: str, kinds: Iterable[EventKind] | None = None) -> list[Event]:
        """Like ``events``, but without those that were edited: for looking on when ``verify`` has found some."""
        return [rows.event(row) for row in self._rows(rows.of(pipeline, kinds)) if event_hash(row) == row["hash"]]

    def pipelines(self) -> list[str]:
        """Names of all pipelines with events, sorted."""
        query = sa.select(EVENTS.c.pipeline).distinct().order_by(EVENTS.c.pipeline)
        return self._database.read(lambda connection: list(connection.scalars(query)))

    def champion(self, pipeline: str) -> Champion | None:
        """Who is champion, from the last ``promoted`` or ``rolled_back`` event.

        Raises:
            IntegrityError: that event was edited after it was written.
        """
        return self._database.read(lambda connection: rows.champion(connection, pipeline))

    def is_frozen(self, pipeline: str) -> bool:
        """Whether the last of the ``frozen`` and ``unfrozen`` events is ``frozen``."""
        return self._database.read(lambda connection: rows.is_frozen(connection, pipeline))

    def head(self, pipeline: str) -> Anchor:
        """Sequence and hash of the newest event; keep it elsewhere to notice a truncated ledger."""
        return self._database.read(lambda connection: rows.head(connection, pipeline))

    def heads(self) -> list[Anchor]:
        """The head of every pipeline with events, by name: one look that tells which have news."""
        return self._database.read(rows.heads)

    def promote(
        self,
        registration: Registration,
        prediction_digest: str,
        expected_champion_seq: int | None,
        *,
        reason: str,
        actor: str,
        key: str,
        evidence: dict[str, Any],
        kind: EventKind = EventKind.PROMOTED,
    ) -> Event:
        """Crown ``registration`` if the champion still is the one of ``expected_champion_seq`` (None: nobody).

        One transaction. An event that exists under ``key`` is returned as it stands.
        ``kind`` may be ``ROLLED_BACK``; ``evidence`` (JSON) is what the decision rests on.

        Raises:
            ChampionChanged: somebody else was crowned meanwhile; ``current`` tells who.
            PipelineFrozen: the pipeline is frozen.
            Unavailable: the database does not answer.
        """
        if kind not in CROWNING_KINDS:
            raise BadInput(f"A {kind} event crowns nobody: allowed {', '.join(sorted(CROWNING_KINDS))}.")
        crowning = Crowning(
            **registration.model_dump(),
            prediction_digest=prediction_digest,
            expected_champion_seq=expected_champion_seq,
            reason=reason,
            evidence=evidence,
        )
        row = rows.new_row(registration.pipeline, kind, key, crowning.model_dump(mode="json"), actor)
        return self._told(self._database.write(lambda connection: rows.crown(connection, row, expected_champion_seq)))

    def verify(self, pipeline: str | None = None, anchors: Sequence[Anchor] = ()) -> list[str]:
        """Every sign of tampering, each naming pipeline and seq; empty when the record is whole.

        Looks at one pipeline or at all. ``anchors`` are heads that were kept outside the
        database: without one, events cut off the end cannot be noticed.
        """
        names = self.pipelines() if pipeline is None else [pipeline]
        found = [problem for name in names for problem in problems(self._rows(rows.of(name)))]
        return found + [problem for anchor in anchors if (problem := self._missed(anchor))]

    @staticmethod
    def _told(recorded: tuple[Event, bool]) -> Event:
        # After the commit: what the log says has happened.
        event, is_new = recorded
        tell(event, is_new=is_new)
        return event

    def _missed(self, anchor: Anchor) -> str | None:
        at_seq = self._rows(rows.of(anchor.pipeline).where(EVENTS.c.seq == anchor.seq))
        return anchor_problem(anchor, at_seq[0]["hash"] if at_seq else None)

    def _rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        return self._database.read(lambda connection: rows.fetch(connection, query.order_by(EVENTS.c.seq)))
