"""The newest data of a pipeline, and where the validation report of a partition is."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from include.perennial.contracts import Contract
from include.perennial.stores.ledger import Event


class Newest(Contract):
    """The newest partition of the data registry; ``docs`` is the file name of its validation report."""

    key: str
    rows: int
    rows_quarantined: int
    at_utc: dt.datetime
    docs: str | None


def newest(published: Sequence[Event]) -> Newest | None:
    """The newest partition by its days; of two versions of one partition, the one that came last."""
    if not published:
        return None
    event = max(published, key=lambda one: (str(one.payload["key"]), one.seq))
    return Newest(
        key=str(event.payload["key"]),
        rows=int(event.payload.get("rows", 0)),
        rows_quarantined=int(event.payload.get("rows_quarantined", 0)),
        at_utc=event.at_utc,
        docs=docs_name(event.payload),
    )


def docs_name(published: Mapping[str, Any]) -> str | None:
    """File name of the validation report of a published partition; validating names it by the snapshot."""
    digest = published.get("snapshot_digest")
    return f"{digest[:16]}.html" if digest else None
