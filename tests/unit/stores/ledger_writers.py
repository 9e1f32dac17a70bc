"""What a writing process does; apart from the tests, so that it imports little."""

from include.perennial.stores.ledger import EventKind, Ledger


def append_many(url: str, pipeline: str, name: str) -> None:
    """Append 20 events under keys of ``name``."""
    ledger = Ledger.open(url)
    for n in range(20):
        ledger.append(pipeline, EventKind.JUDGED, f"{name}/{n}", {"n": n}, name)
