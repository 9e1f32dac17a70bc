"""What the ledger holds: kinds of events, the event itself, and the champion derived from them."""

import datetime as dt
import enum
from dataclasses import dataclass
from typing import Any

from include.perennial.contracts import Contract, ModelFile, Promotion, Registration, Verdict
from include.perennial.errors import PerennialError


class EventKind(enum.StrEnum):
    """What can happen to a pipeline."""

    PARTITION_PUBLISHED = "partition_published"
    PARTITION_CHANGED = "partition_changed"
    DATA_REFUSED = "data_refused"
    TRAINING_SKIPPED = "training_skipped"
    JUDGED = "judged"
    DRY_RUN = "dry_run"
    REJUDGED = "rejudged"
    REGISTERED = "registered"
    APPROVED = "approved"
    DECLINED = "declined"
    PROMOTED = "promoted"
    PROMOTION_REFUSED = "promotion_refused"
    ROLLED_BACK = "rolled_back"
    FROZEN = "frozen"
    UNFROZEN = "unfrozen"
    ALIAS_REPAIRED = "alias_repaired"
    MEASURED = "measured"
    TRIGGER_NOT_NEEDED = "trigger_not_needed"
    TRIGGER_ASKED = "trigger_asked"
    TRIGGER_SUPPRESSED = "trigger_suppressed"


CROWNING_KINDS = frozenset({EventKind.PROMOTED, EventKind.ROLLED_BACK})
FREEZING_KINDS = frozenset({EventKind.FROZEN, EventKind.UNFROZEN})


@dataclass(frozen=True)
class Event:
    """One row: the ``seq``-th event of ``pipeline``. ``payload`` holds JSON types only."""

    pipeline: str
    seq: int
    kind: EventKind
    key: str
    at_utc: dt.datetime
    actor: str
    payload: dict[str, Any]
    prev_hash: str
    hash: str


class Registered(Registration):
    """Payload of ``registered``: the version, the verdict behind it, and whether a person forced it."""

    verdict: Verdict
    sentence: str
    forced: bool

    @property
    def registration(self) -> Registration:
        """The version alone."""
        return Registration.model_validate(self.model_dump(include=set(Registration.model_fields)))


class Refused(Registration):
    """Payload of ``promotion_refused``: why the version was not crowned."""

    promotion: Promotion
    forced: bool
    reason: str


class Answered(Contract):
    """Payload of ``approved`` and ``declined``: who answered for the version, and when.

    ``by`` is Airflow's user, None if nobody answered in time; ``asked_in`` the training run that waited.
    """

    run_key: str
    version: str
    by: str | None
    at_utc: dt.datetime
    asked_in: str
    sentence: str


class Crowning(Registration):
    """Payload of ``promoted`` and ``rolled_back``: who was crowned, over whom, and on what evidence."""

    prediction_digest: str
    expected_champion_seq: int | None
    reason: str
    evidence: dict[str, Any]


@dataclass(frozen=True)
class Champion:
    """Who is champion since the event ``seq``; ``version`` is MLflow's, ``cutoff`` the newest partition it saw."""

    seq: int
    version: str
    run_key: str
    cutoff: str
    model: ModelFile
    prediction_digest: str
    since_utc: dt.datetime
    reason: str

    @classmethod
    def of(cls, event: Event) -> "Champion":
        """The champion that a ``promoted`` or ``rolled_back`` event crowned."""
        crowning = Crowning.model_validate(event.payload)
        return cls(
            seq=event.seq,
            version=crowning.version,
            run_key=crowning.run_key,
            cutoff=crowning.cutoff,
            model=crowning.model,
            prediction_digest=crowning.prediction_digest,
            since_utc=event.at_utc,
            reason=crowning.reason,
        )


class ChampionChanged(PerennialError):
    """The champion is not the one that the promotion was decided against; ``current`` is."""

    def __init__(self, pipeline: str, current: Champion | None) -> None:
        self.current = current
        now = f"version {current.version} (seq {current.seq})" if current else "nobody"
        super().__init__(f"The champion of {pipeline} changed meanwhile, it is now {now}: judge against it and retry.")


class PipelineFrozen(PerennialError):
    """The pipeline keeps its champion until somebody unfreezes it."""
