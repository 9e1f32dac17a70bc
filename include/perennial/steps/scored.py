"""What came of scoring a partition."""

import datetime as dt
import enum

from include.perennial.contracts import Contract, FileRecord


class ScoreVerdict(enum.StrEnum):
    """How the scoring of a partition ended."""

    SCORED = "scored"
    ALREADY_SCORED = "already_scored"
    NO_CHAMPION = "no_champion"


class ScoredBy(Contract):
    """One file of the prediction log; ``version`` is MLflow's, ``cutoff`` the newest partition the model has seen.

    ``mean_p`` is the mean prediction, ``mean_of`` says of what.
    """

    version: str
    cutoff: str
    rows: int
    mean_p: float
    mean_of: str = "p"
    scored_at: dt.datetime
    file: FileRecord

    def __str__(self) -> str:
        mean = f"mean {self.mean_of} {self.mean_p:.3f}"
        return f"version {self.version} (trained up to {self.cutoff}): {self.rows:,} rows, {mean}."


class Scored(Contract):
    """A scored partition, or why there is nothing to score it with.

    ``dataset_commit`` is the data registry's that holds the partition with ``dataset_sha256``.
    ``rows_refused`` are rows of the partition that the expectations of today refuse. ``shadow_problem`` says why a
    challenger could not score: that never stops the champion.
    """

    pipeline: str
    key: str
    verdict: ScoreVerdict
    sentence: str
    dataset_sha256: str
    dataset_commit: str | None = None
    rows_refused: int = 0
    champion: ScoredBy | None = None
    shadow: ScoredBy | None = None
    shadow_problem: str | None = None
