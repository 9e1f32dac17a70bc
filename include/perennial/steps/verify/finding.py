"""What was found wrong: what, where, expected, found, how to fix."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from include.perennial.contracts import Contract
from include.perennial.settings import Settings
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.tracking.registry import Registry
from include.perennial.stores.tracking.runs import Tracking


class Area(enum.StrEnum):
    """What is looked at."""

    LEDGER = "ledger"
    LEDGER_END = "ledger ends"
    VERSIONS = "versions"
    ALIASES = "aliases"
    MODELS = "models"
    MODEL_CACHE = "model cache"
    DATA = "data"
    DATA_CACHE = "data cache"
    PREDICTIONS = "predictions"
    DECISIONS = "decisions"


class Finding(Contract):
    """One thing that is not as it was recorded; ``repaired`` once it was mended and looked at again."""

    pipeline: str
    area: Area
    what: str
    where: str
    expected: str
    found: str
    fix: str
    repairable: bool = False
    repaired: bool = False

    @property
    def place(self) -> tuple[str, Area, str]:
        """What tells findings apart."""
        return self.pipeline, self.area, self.where


class Verification(Contract):
    """What came of looking. ``looked_at`` counts things by area; ``not_looked_at`` says why an area could not be."""

    pipelines: tuple[str, ...]
    looked_at: dict[Area, int]
    findings: tuple[Finding, ...] = ()
    not_looked_at: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether everything was looked at and is as recorded, or is so again."""
        return not self.not_looked_at and all(finding.repaired for finding in self.findings)

    @property
    def sentence(self) -> str:
        """The outcome in one line."""
        seen = ", ".join(f"{n:,} of {area}" for area, n in self.looked_at.items())
        mended = sum(finding.repaired for finding in self.findings)
        left = len(self.findings) - mended
        said = "everything is as it was recorded" if not self.findings else f"{left} found wrong, {mended} mended"
        hidden = " Not everything could be looked at." if self.not_looked_at else ""
        return f"Looked at {seen or 'nothing'}: {said}.{hidden}"


class Found(NamedTuple):
    """A finding, and what mends it."""

    finding: Finding
    repair: Callable[[], object] | None = None


@dataclass(frozen=True)
class Stores:
    """Everything that is looked at."""

    settings: Settings
    ledger: Ledger
    registry: Registry
    tracking: Tracking
    data: DataRegistry
    objects: ObjectStore

    @classmethod
    def open(cls, settings: Settings) -> "Stores":
        """The stores of ``settings``."""
        return cls(
            settings,
            Ledger.open(settings.ledger_url),
            Registry.open(settings),
            Tracking.open(settings),
            DataRegistry.open(settings),
            ObjectStore.open(settings),
        )
