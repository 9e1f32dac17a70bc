"""What crosses the boundary of a step: small, frozen, JSON in and out.

Every model forbids unknown fields. ``model_dump(mode="json")`` is what goes through
Airflow's XCom and into the ledger: keys, digests, decisions; never data.
"""

import enum
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Contract(BaseModel):
    """Base of everything that crosses a boundary."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Trigger(enum.StrEnum):
    """Why a training run exists."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    BACKFILL = "backfill"
    DRIFT = "drift"
    PERFORMANCE = "performance"
    LATE_DATA = "late_data"


# --- ingest ---------------------------------------------------------------------------------


class FileRecord(Contract):
    """One stored file: ``name`` relative to its folder, ``sha256`` of its bytes."""

    name: str
    sha256: str
    n_bytes: int


class Snapshot(Contract):
    """A delivery as it came: immutable bytes under ``prefix`` in the object store."""

    pipeline: str
    key: str
    digest: str
    prefix: str
    files: tuple[FileRecord, ...]
    rows: int | None
    columns: tuple[str, ...]
    new: bool


class Validated(Contract):
    """A checked partition: Parquet at ``object_key``, and what was set aside.

    ``rows_elsewhere`` are rows that belong to other partitions, by key; ``rows_labelled`` is None where labels come
    with the rows.
    """

    pipeline: str
    key: str
    snapshot_digest: str
    object_key: str
    sha256: str
    n_bytes: int
    rows: int
    rows_quarantined: int
    quarantine_key: str | None
    quarantine_reasons: dict[str, int]
    docs_key: str | None
    suite_digest: str
    columns: dict[str, str]
    rows_elsewhere: dict[str, int] = {}
    rows_labelled: int | None = None


class PartitionVersion(Contract):
    """One partition as the data registry holds it at ``commit``.

    ``rows_labelled``: how many of its rows have a label, where labels come from a source of their own.
    """

    pipeline: str
    key: str
    sha256: str
    md5: str
    n_bytes: int
    rows: int
    rows_quarantined: int
    snapshot_digest: str
    suite_digest: str
    commit: str
    changed: bool = False
    previous_sha256: str | None = None
    # Left out where it says nothing, so that records of partitions from before there was such a key stay equal.
    rows_labelled: int | None = Field(None, exclude_if=lambda value: value is None)

    @property
    def rows_to_learn(self) -> int:
        """Rows on which a model can be trained and judged."""
        return self.rows if self.rows_labelled is None else self.rows_labelled


# --- train ----------------------------------------------------------------------------------


class PartitionRef(Contract):
    """A partition by content: what a window is made of. ``rows`` are those that have a label."""

    key: str
    sha256: str
    rows: int


class TrainingRequest(Contract):
    """What a run asks for. ``overrides`` maps a candidate's name to estimator parameters."""

    pipeline: str
    as_of: str
    trigger: Trigger
    reason: str = ""
    overrides: dict[str, dict[str, Any]] = {}
    force: bool = False
    dry_run: bool = False
    run_url: str | None = None
    requested_by: str | None = None
    evidence: dict[str, Any] = {}


class TrainingPlan(Contract):
    """One training run, named by ``run_key`` = digest(pipeline, window, spec, code, overrides).

    ``train`` are the training partitions, oldest first; the newest of them picks the best
    candidate. ``holdout`` are later than all of them and judge the winner.
    """

    run_key: str
    pipeline: str
    as_of: str
    request: TrainingRequest
    train: tuple[PartitionRef, ...]
    holdout: tuple[PartitionRef, ...]
    candidates: tuple[str, ...]
    window_digest: str
    spec_digest: str
    code_digest: str
    data_commit: str
    code_commit: str
    code_dirty: bool
    environment_digest: str
    seed: int

    @property
    def selection(self) -> PartitionRef:
        """The partition on which candidates are compared with each other."""
        return self.train[-1]

    @property
    def candidate_cutoff(self) -> str:
        """Key of the newest partition that the judged candidate has trained on."""
        return self.train[-1].key

    @property
    def refit_cutoff(self) -> str:
        """Key of the newest partition that the refitted model has trained on."""
        return self.holdout[-1].key


class Searched(Contract):
    """How a search went: the best trial's mean ``score``, higher is better; ``was_cut`` by its timeout."""

    trials: int
    score: float
    seconds: float
    was_cut: bool


class CandidateFit(Contract):
    """One candidate, fitted without the selection partition and measured on it.

    ``chosen`` are the parameters that its search found, by their names in the pipeline of features and model: a
    later fit takes them from here and searches no more. ``fit_seconds`` includes the search.
    """

    candidate: str
    metrics: dict[str, float]
    fit_seconds: float
    mlflow_run_id: str
    chosen: dict[str, Any] = {}
    searched: Searched | None = None

    @property
    def search_words(self) -> str:
        """What the search found, in one sentence; empty if there was none."""
        if self.searched is None:
            return ""
        params = ", ".join(f"{name} = {value}" for name, value in self.chosen.items()) or "nothing"
        cut = ", cut by its timeout" if self.searched.was_cut else ""
        return f"its search chose {params} after {self.searched.trials} trials in {self.searched.seconds:.1f} s{cut}."


class ModelFile(Contract):
    """A stored model. ``files`` are every file of the MLflow model folder with its digest."""

    model_uri: str
    files: tuple[FileRecord, ...]
    model_digest: str
    trusted_types: tuple[str, ...]


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


def chosen_of(winner: str, fits: Iterable[CandidateFit]) -> dict[str, Any]:
    """Parameters that the search of ``winner`` found."""
    return next((fit.chosen for fit in fits if fit.candidate == winner), {})


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
