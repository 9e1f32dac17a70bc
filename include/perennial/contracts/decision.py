"""What the gate said of a candidate, and what became of it: registered, promoted, or neither."""

import enum
from typing import Any

from include.perennial.contracts.base import Contract, FileRecord
from include.perennial.contracts.training import CandidateFit, TrainingPlan, chosen_of


class CheckStatus(enum.StrEnum):
    """Outcome of one gate check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_COMPARABLE = "not_comparable"
    INFO = "info"


class Check(Contract):
    """One line of the gate's table."""

    name: str
    status: CheckStatus
    value: float | None = None
    champion: float | None = None
    threshold: float | None = None
    interval: tuple[float, float] | None = None
    message: str


class Verdict(enum.StrEnum):
    """What the gate says of a candidate."""

    PASSED = "passed"
    REJECTED = "rejected"
    INCOMPARABLE = "incomparable"
    PAST = "past"
    IDENTICAL = "identical"


REGISTERED_VERDICTS = frozenset({Verdict.PASSED, Verdict.PAST})


class Judgement(Contract):
    """A verdict, the checks behind it, and one human sentence saying why."""

    verdict: Verdict
    sentence: str
    checks: tuple[Check, ...]
    champion_seq: int | None
    champion_version: str | None
    delta: float | None = None
    delta_interval: tuple[float, float] | None = None


class ModelFile(Contract):
    """A stored model. ``files`` are every file of the MLflow model folder with its digest."""

    model_uri: str
    files: tuple[FileRecord, ...]
    model_digest: str
    trusted_types: tuple[str, ...]


class Decision(Contract):
    """The whole decision of one training run, as recorded in the ledger and on MLflow.

    ``metrics`` and ``champion_metrics`` are of the rows that the judgement is about. ``predictions`` names the
    stored holdout predictions in the object store; ``prediction_digest`` is of their content.
    """

    plan: TrainingPlan
    winner: str
    fits: tuple[CandidateFit, ...]
    metrics: dict[str, float]
    champion_metrics: dict[str, float]
    judgement: Judgement
    mlflow_run_id: str
    model: ModelFile | None
    cutoff: str
    prediction_digest: str
    predictions: FileRecord | None = None

    @property
    def chosen(self) -> dict[str, Any]:
        """Parameters that the winner's search found."""
        return chosen_of(self.winner, self.fits)


class Registration(Contract):
    """A registered model version; ``version`` is MLflow's."""

    pipeline: str
    run_key: str
    version: str
    model: ModelFile
    cutoff: str


class PromotionStatus(enum.StrEnum):
    """How a promotion ended."""

    PROMOTED = "promoted"
    ALREADY_CHAMPION = "already_champion"
    KEPT_CHAMPION = "kept_champion"
    FROZEN = "frozen"
    NOT_PROMOTABLE = "not_promotable"


class Promotion(Contract):
    """What became of a registered version."""

    status: PromotionStatus
    champion_version: str | None
    champion_seq: int | None
    sentence: str
