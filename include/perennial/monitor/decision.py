"""What a decision to retrain rests on, and what it says. Cheap to import: Airflow's tasks pass it on as JSON."""

import enum

from include.perennial.contracts import Contract, Trigger
from include.perennial.monitor.measurement import Interval, Signal
from include.perennial.partitions import Period


class Outcome(enum.StrEnum):
    """How an evaluation ended. ``QUIET``: nothing was violated that the policy asks on."""

    ASKED = "asked"
    SUPPRESSED = "suppressed"
    QUIET = "quiet"


class Suppression(enum.StrEnum):
    """Why a violation does not become a retrain."""

    BACKFILLED_NOT_LATEST = "backfilled_not_latest"
    TOO_FEW_PARTITIONS = "too_few_partitions"
    OWN_EFFECT = "own_effect"
    CHAMPION_CHANGED = "champion_changed"
    NOT_PERSISTENT = "not_persistent"
    FROZEN = "frozen"
    IN_FLIGHT = "in_flight"
    SAME_EVIDENCE_REJECTED = "same_evidence_rejected"
    COOLDOWN = "cooldown"
    WEEKLY_BUDGET = "weekly_budget"
    MONTHLY_BUDGET = "monthly_budget"


class PolicyState(Contract):
    """What a decision rests on beside the measurements.

    ``newest_key``             newest published partition as of which a retrain has the partitions it needs, if any;
                               a retrain is asked for as of this one
    ``label_delay_periods``, ``label_wait_periods``  how far measuring may lag behind it (see the spec)
    ``champion_seq``           ledger event that crowned the champion; ``champion_cutoff`` the newest partition it saw
    ``asked_keys``             partitions at which a retrain was asked for before
    ``in_flight``              a retrain that was asked for, or any training run, has not ended
    ``rejected_on_same_data``  the window that a retrain would use was judged against this champion and did not win
    """

    period: Period
    newest_key: str | None
    label_delay_periods: int = 0
    label_wait_periods: int = 0
    champion_seq: int | None
    champion_cutoff: str | None
    asked_keys: tuple[str, ...] = ()
    in_flight: bool = False
    rejected_on_same_data: bool = False
    frozen: bool = False


class Evidence(Contract):
    """What a retrain is asked for on: the violated partitions, oldest first, and the newest one's numbers.

    ``signals`` are those over their threshold, furthest over first, at most five of ``n_signals``;
    ``metric``, ``value`` and ``expected_interval`` are of the matured performance, if it is part of the evidence.
    """

    partitions: tuple[str, ...]
    signals: tuple[Signal, ...]
    n_signals: int
    metric: str | None = None
    value: float | None = None
    expected_interval: Interval | None = None


class TriggerDecision(Contract):
    """One evaluation of one partition: asked, suppressed for ``reason``, or quiet; ``sentence`` says why.

    ``trigger`` is what was violated, None when quiet; ``as_of`` is the partition as of which a retrain would train.
    """

    pipeline: str
    key: str
    as_of: str
    outcome: Outcome
    trigger: Trigger | None
    reason: Suppression | None
    sentence: str
    champion_seq: int | None
    champion_version: str | None
    evidence: Evidence | None = None
