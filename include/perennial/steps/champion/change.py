"""What a change of the champion is asked for with, and what comes of it."""

import enum
from dataclasses import dataclass

from include.perennial.contracts import Contract
from include.perennial.errors import BadInput
from include.perennial.models.model_cache import ModelCache
from include.perennial.settings import Settings
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import Champion, Event, Ledger
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.tracking.registry import Registry
from include.perennial.stores.tracking.runs import Tracking

REASON_CHARS = 500


class Action(enum.StrEnum):
    """What a person can do."""

    ROLLBACK = "rollback"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    PROMOTE = "promote"


class ChampionChange(Contract):
    """What was done, or what would be done if this were no dry run.

    ``crowned`` says whether this request has crowned ``version``, the one that it is about; ``checks`` is what was
    found of that version. ``champion_version`` and ``champion_seq`` are of the champion afterwards.
    """

    pipeline: str
    action: Action
    dry_run: bool
    crowned: bool
    version: str | None
    champion_version: str | None
    champion_seq: int | None
    checks: tuple[str, ...] = ()
    sentence: str


@dataclass(frozen=True)
class ChampionStores:
    """Every store that a change of the champion reads from or writes to."""

    data: DataRegistry
    objects: ObjectStore
    ledger: Ledger
    models: Registry
    cache: ModelCache

    @classmethod
    def open(cls, settings: Settings) -> "ChampionStores":
        """The stores of ``settings``."""
        return cls(
            DataRegistry.open(settings),
            ObjectStore.open(settings),
            Ledger.open(settings.ledger_url),
            Registry.open(settings),
            ModelCache.open(settings, Tracking.open(settings).download),
        )


def change_of(
    action: Action,
    name: str,
    champion: Champion | None,
    sentence: str,
    *,
    dry_run: bool,
    version: str | None = None,
    checks: tuple[str, ...] = (),
    crowned: bool = False,
) -> ChampionChange:
    """The change that leaves ``champion`` in place."""
    return ChampionChange(
        pipeline=name,
        action=action,
        dry_run=dry_run,
        crowned=crowned,
        version=version,
        champion_version=champion.version if champion else None,
        champion_seq=champion.seq if champion else None,
        checks=checks,
        sentence=sentence,
    )


def checked_reason(reason: str) -> str:
    """``reason`` without the spaces around it.

    Raises:
        BadInput: it is empty or too long.
    """
    reason = reason.strip()
    if not 1 <= len(reason) <= REASON_CHARS:
        raise BadInput(f"A reason of 1 to {REASON_CHARS} characters is needed, got {len(reason)}: say why.")
    return reason


def said(event: Event) -> str:
    """Who did what ``event`` records, and why."""
    return f"{event.actor}: {event.payload.get('reason') or 'no reason given'}"
