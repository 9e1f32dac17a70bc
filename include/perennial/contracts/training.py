"""What a training run was asked, what it is going to do, and what its fits found."""

import enum
from collections.abc import Iterable
from typing import Any

from pydantic import Field

from include.perennial.contracts.base import Contract


class Trigger(enum.StrEnum):
    """Why a training run exists."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    BACKFILL = "backfill"
    DRIFT = "drift"
    PERFORMANCE = "performance"
    LATE_DATA = "late_data"


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
    overrides: dict[str, dict[str, Any]] = Field(default_factory=dict)
    force: bool = False
    dry_run: bool = False
    run_url: str | None = None
    requested_by: str | None = None
    evidence: dict[str, Any] = Field(default_factory=dict)


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
    chosen: dict[str, Any] = Field(default_factory=dict)
    searched: Searched | None = None

    @property
    def search_words(self) -> str:
        """What the search found, in one sentence; empty if there was none."""
        if self.searched is None:
            return ""
        params = ", ".join(f"{name} = {value}" for name, value in self.chosen.items()) or "nothing"
        cut = ", cut by its timeout" if self.searched.was_cut else ""
        return f"its search chose {params} after {self.searched.trials} trials in {self.searched.seconds:.1f} s{cut}."


def chosen_of(winner: str, fits: Iterable[CandidateFit]) -> dict[str, Any]:
    """Parameters that the search of ``winner`` found."""
    return next((fit.chosen for fit in fits if fit.candidate == winner), {})
