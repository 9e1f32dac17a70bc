"""Writing to a ledger; what other processes run imports little."""

from include.perennial.contracts import Registration
from include.perennial.stores.ledger import Event, EventKind, Ledger

P = "flights"


def note(ledger: Ledger, key: str, pipeline: str = P) -> Event:
    """Append an event that says nothing but its key."""
    return ledger.append(pipeline, EventKind.JUDGED, key, {"key": key}, "tester")


def crown(ledger: Ledger, given: Registration, expected_seq: int | None) -> Event:
    """Promote ``given`` over the champion of ``expected_seq``."""
    key = f"{given.run_key}/{expected_seq}"
    return ledger.promote(given, "digest", expected_seq, reason="", actor="tester", key=key, evidence={})


def append_many(url: str, name: str) -> None:
    """Append 20 events under keys of ``name``, from a process of its own."""
    ledger = Ledger.open(url)
    for n in range(20):
        note(ledger, f"{name}/{n}")
