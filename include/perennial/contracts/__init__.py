"""What crosses the boundary of a step: small, frozen, JSON in and out.

Every model forbids unknown fields. ``model_dump(mode="json")`` is what goes through
Airflow's XCom and into the ledger: keys, digests, decisions; never data.

``data``      what ingest hands on: a delivery, a checked partition, a version
``training``  what a training run was asked, plans, and finds
``decision``  what the gate said, and what became of it
"""

from include.perennial.contracts.base import Contract, FileRecord
from include.perennial.contracts.data import PartitionVersion, Snapshot, Validated
from include.perennial.contracts.decision import (
    REGISTERED_VERDICTS,
    Check,
    CheckStatus,
    Decision,
    Judgement,
    ModelFile,
    Promotion,
    PromotionStatus,
    Registration,
    Verdict,
)
from include.perennial.contracts.training import (
    CandidateFit,
    PartitionRef,
    Searched,
    TrainingPlan,
    TrainingRequest,
    Trigger,
    chosen_of,
)

__all__ = [
    "REGISTERED_VERDICTS",
    "CandidateFit",
    "Check",
    "CheckStatus",
    "Contract",
    "Decision",
    "FileRecord",
    "Judgement",
    "ModelFile",
    "PartitionRef",
    "PartitionVersion",
    "Promotion",
    "PromotionStatus",
    "Registration",
    "Searched",
    "Snapshot",
    "TrainingPlan",
    "TrainingRequest",
    "Trigger",
    "Validated",
    "Verdict",
    "chosen_of",
]
