"""The hash chain of the ledger: each event's hash covers its fields and the hash before it.

The chain shows an edited, removed, inserted or reordered event. It cannot show that the
newest events were cut off, since a shorter chain is whole as well: that takes an
``Anchor``, a hash kept outside the database (steps write one on each MLflow version).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from include.perennial.digests import digest
from include.perennial.errors import BadInput

GENESIS = "0" * 64
HASHED_FIELDS = ("pipeline", "seq", "kind", "key", "at_utc", "actor", "payload", "prev_hash")


@dataclass(frozen=True)
class Anchor:
    """The newest event of a pipeline as seen at some moment; ``seq`` is 0 when there was none."""

    pipeline: str
    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.pipeline}:{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> "Anchor":
        """The anchor written as ``pipeline:seq:hash``.

        Raises:
            BadInput: ``text`` is not of that form.
        """
        pipeline, seq, last_hash, *rest = [*text.split(":"), "", ""]
        if any(rest) or not pipeline or not seq.isdecimal() or len(last_hash) != len(GENESIS):
            raise BadInput(f"Ledger anchor {text[:200]!r} is invalid: expected pipeline:seq:sha256.")
        return cls(pipeline, int(seq), last_hash)


def event_hash(row: Mapping[str, Any]) -> str:
    """Hex SHA-256 over the canonical JSON of every field of an event but its own hash."""
    return digest({field: row[field] for field in HASHED_FIELDS})


def problems(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is wrong with one pipeline's events, given in order of ``seq``; empty when the chain is whole."""
    found: list[str] = []
    seq, last_hash = 0, GENESIS
    for row in rows:
        where = f"{row['pipeline']} seq {row['seq']}"
        if row["seq"] != seq + 1:
            found.append(f"{where}: expected seq {seq + 1}; events between were removed or renumbered.")
        if row["prev_hash"] != last_hash:
            found.append(f"{where}: does not follow seq {seq}: prev_hash {row['prev_hash']}, expected {last_hash}.")
        found += _row_problems(row, where)
        seq, last_hash = row["seq"], row["hash"]
    return found


def _row_problems(row: Mapping[str, Any], where: str) -> list[str]:
    expected = event_hash(row)
    if row["hash"] != expected:
        return [f"{where}: edited after it was written: its hash is {row['hash']}, its content gives {expected}."]
    try:
        json.loads(row["payload"])
    except ValueError as error:
        return [f"{where}: the payload is not JSON ({error})."]
    return []


def anchor_problem(anchor: Anchor, hash_at_seq: str | None) -> str | None:
    """What is wrong when the event at ``anchor.seq`` has ``hash_at_seq`` (None: there is no such event)."""
    where = f"{anchor.pipeline} seq {anchor.seq}"
    if anchor.seq == 0 or hash_at_seq == anchor.hash:
        return None
    if hash_at_seq is None:
        return f"{where}: missing, though an anchor outside the ledger saw it: the newest events were cut off."
    return f"{where}: has hash {hash_at_seq}, an anchor outside the ledger saw {anchor.hash}: history was rewritten."
