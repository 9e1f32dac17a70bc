"""Who serves a pipeline, as the ledger has it: an immutable value, taken once by each request."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.contracts import ModelFile
from include.perennial.stores.ledger import (
    CONTENDING_KINDS,
    CROWNING_KINDS,
    FREEZING_KINDS,
    Champion,
    Event,
    EventKind,
    challenger,
)

FOLLOWED_KINDS = CONTENDING_KINDS | FREEZING_KINDS


@dataclass(frozen=True)
class Wanted:
    """A version that the ledger names; ``since_utc`` is when it was crowned or registered."""

    version: str
    cutoff: str
    model: ModelFile = field(repr=False)
    since_utc: dt.datetime


@dataclass(frozen=True)
class Serving:
    """A version whose model is loaded."""

    wanted: Wanted
    model: SklearnPipeline = field(repr=False)

    @property
    def version(self) -> str:
        return self.wanted.version


@dataclass(frozen=True)
class Cast:
    """Who should serve after the events of a pipeline."""

    champion: Wanted | None
    challenger: Wanted | None
    is_frozen: bool

    @classmethod
    def of(cls, events: Sequence[Event]) -> "Cast":
        """From the events of ``FOLLOWED_KINDS``, oldest first."""
        crowned = [event for event in events if event.kind in CROWNING_KINDS]
        freezing = [event for event in events if event.kind in FREEZING_KINDS]
        champion = _crowned(crowned[-1]) if crowned else None
        return cls(champion, _challenging(events, champion), bool(freezing) and freezing[-1].kind is EventKind.FROZEN)


@dataclass(frozen=True)
class Roster:
    """Who serves now.

    ``problems`` say what keeps it from being what the ledger names, or what is known of the ledger: while there are
    some, the last good models go on. ``looked_utc`` is when the ledger was last read, None if it never was.
    """

    champion: Serving | None = None
    challenger: Serving | None = None
    is_frozen: bool = False
    problems: tuple[str, ...] = ()
    looked_utc: dt.datetime | None = None


def _crowned(event: Event) -> Wanted:
    champion = Champion.of(event)
    return Wanted(champion.version, champion.cutoff, champion.model, champion.since_utc)


def _challenging(events: Sequence[Event], champion: Wanted | None) -> Wanted | None:
    found = challenger(event for event in events if event.kind in CONTENDING_KINDS)
    # An older one lost to a champion that was promoted after it: it waits for nothing.
    if found is None or champion is None or found.cutoff < champion.cutoff:
        return None
    registered = [e for e in events if e.kind is EventKind.REGISTERED and e.payload["version"] == found.version]
    return Wanted(found.version, found.cutoff, found.model, registered[-1].at_utc)
