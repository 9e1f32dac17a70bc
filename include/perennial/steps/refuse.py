"""Tell the ledger of a delivery that is no partition: who waits for that partition need not wait any longer."""

from include.perennial.contracts import Snapshot
from include.perennial.errors import DataError
from include.perennial.messages import first_line
from include.perennial.stores.ledger import EventKind, Ledger

_LIMIT = 500


def refuse(snapshot: Snapshot, error: DataError, ledger: Ledger) -> None:
    """Record that ``validate`` has refused ``snapshot`` with ``error``; of the same delivery once.

    Raises:
        Unavailable: the ledger does not answer.
    """
    payload = {
        "key": snapshot.key,
        "snapshot_digest": snapshot.digest,
        "sentence": first_line(error, _LIMIT),
    }
    ledger.append(snapshot.pipeline, EventKind.DATA_REFUSED, f"{snapshot.key}:{snapshot.digest}", payload, "ingest")
