"""Who was champion for a partition, who came before whom, and who challenges: derived from events alone.

Weeks are scored late and out of order, so "champion" must not mean "champion while the task runs". In the time of
the data a reign begins after the newest partition that this champion, or any before it, has trained on. A model is
thus never used on what it has seen, and one that came back by a roll-back reigns from then on, not over the weeks
that others were champion for.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from include.perennial.contracts import PromotionStatus, Verdict
from include.perennial.stores.ledger.events import (
    CROWNING_KINDS,
    Champion,
    Event,
    EventKind,
    Refused,
    Registered,
)

CONTENDING_KINDS = CROWNING_KINDS | {EventKind.REGISTERED, EventKind.PROMOTION_REFUSED}


@dataclass(frozen=True)
class Succession:
    """Champions one on top of the other: a promotion puts a version there, a roll-back takes off what lies above.

    ``versions`` has the champion last; ``undone`` maps each version that was taken off to the roll-back that did it,
    until it is crowned again.
    """

    versions: list[str] = field(default_factory=list)
    undone: dict[str, Event] = field(default_factory=dict)

    @property
    def previous(self) -> str | None:
        """The version below the champion."""
        return self.versions[-2] if len(self.versions) > 1 else None

    def crown(self, event: Event) -> None:
        """The succession after one more crowning."""
        version = str(event.payload["version"])
        if version in self.versions:
            above = self.versions.index(version)
            if event.kind is EventKind.ROLLED_BACK:
                self.undone.update({name: event for name in self.versions[above + 1 :]})
                del self.versions[above:]
            else:
                del self.versions[above]
        self.versions.append(version)
        self.undone.pop(version, None)


def succession(events: Iterable[Event]) -> Succession:
    """The succession after ``events`` of a pipeline, oldest first; only crownings count."""
    found = Succession()
    for event in events:
        if event.kind in CROWNING_KINDS:
            found.crown(event)
    return found


def champion_for(events: Iterable[Event], key: str) -> Champion | None:
    """The champion for partition ``key``; None if there was none yet.

    ``events`` of a pipeline are given oldest first; only crownings count.
    """
    found, newest_seen = None, ""
    for event in events:
        if event.kind not in CROWNING_KINDS:
            continue
        newest_seen = max(newest_seen, str(event.payload["cutoff"]))
        if newest_seen >= key:
            break
        found = event
    return Champion.of(found) if found else None


def challenger(events: Iterable[Event]) -> Registered | None:
    """The newest version that passed the gate, or was forced, and was neither crowned nor refused for good.

    ``events`` are those of ``CONTENDING_KINDS``, oldest first.
    """
    found: Registered | None = None
    crowned: set[str] = set()
    for event in events:
        version = str(event.payload["version"])
        if event.kind in CROWNING_KINDS:
            crowned.add(version)
        elif event.kind is EventKind.REGISTERED:
            found = _challenging(event) or found
        elif event.kind is EventKind.PROMOTION_REFUSED and found and version == found.version and _lost(event):
            found = None
    return None if found is None or found.version in crowned else found


def _challenging(event: Event) -> Registered | None:
    registered = Registered.model_validate(event.payload)
    return registered if registered.verdict is Verdict.PASSED or registered.forced else None


def _lost(event: Event) -> bool:
    """Whether the refusal was for good; a version that only met a freeze goes on challenging."""
    return Refused.model_validate(event.payload).promotion.status is not PromotionStatus.FROZEN
