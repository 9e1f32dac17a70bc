"""What the gate is shown of a candidate and its champion: arrays of the same unseen rows, and facts."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from include.perennial.gate.arrays import Baseline, Floats, Integers, Labels
from include.perennial.gate.tasks import BINARY, Task

__all__ = ["COMPARED", "Behaviour", "Comparison", "Evidence", "Floats", "Integers"]


class Comparison(enum.StrEnum):
    """How the candidate can be held against the champion."""

    FIRST = "first"
    RESCORED = "rescored"
    RIVAL = "rival"
    PAST = "past"
    INCOMPARABLE = "incomparable"


COMPARED = frozenset({Comparison.RESCORED, Comparison.RIVAL})


@dataclass(frozen=True)
class Behaviour:
    """What was seen of the model file itself, on any rows.

    ``finite``                   every prediction is sound in the task's terms
    ``constant``                 every prediction is the same
    ``round_trip_max_abs_diff``  largest difference between the fitted model's predictions and those of the loaded file
    ``ms_per_1000_rows``         milliseconds to predict 1000 rows
    ``megabytes``                size of the model's files, 10**6 bytes
    """

    finite: bool
    constant: bool
    round_trip_max_abs_diff: float
    ms_per_1000_rows: float
    megabytes: float


@dataclass(frozen=True)
class Evidence:
    """Everything the gate knows. All arrays have one entry per holdout row, in the same order.

    ``y``                  labels as ``task`` has them: 0 or 1, positions of classes, or numbers
    ``p_candidate``        the candidate's predictions; NaN is let in here and fails in the gate
    ``clusters``           integer code of the row's cluster (rows that share luck)
    ``training_rate``      the constant forecast that the training labels give: the share of ones, of each class,
                           or their mean
    ``behaviour``          facts about the model file
    ``single_feature_auc`` how well each feature alone tells the label: ROC AUC, either direction, or for numbers the
                           rank correlation
    ``slices``             column -> the row's value, as text
    ``comparison``         RESCORED: the champion scored these rows, unseen by it; RIVAL: the champion's recorded
                           predictions of this same holdout; PAST: the champion's cutoff is not earlier than the
                           candidate's; INCOMPARABLE: ``incomparable_reason`` says why; FIRST: there is no champion
    ``p_champion``         the champion's predictions, required for RESCORED and RIVAL
    digests                of the model files and of the predictions on these rows; equal ones mean the same model

    ``task``               what is predicted

    Raises:
        ValueError: lengths differ, labels are none of the task's, or the champion's fields contradict ``comparison``.
    """

    y: Labels
    p_candidate: Floats
    clusters: Integers
    training_rate: Baseline
    behaviour: Behaviour
    single_feature_auc: Mapping[str, float]
    comparison: Comparison
    slices: Mapping[str, Sequence[str] | npt.NDArray[Any]] = field(default_factory=dict)
    p_champion: Floats | None = None
    champion_seq: int | None = None
    champion_version: str | None = None
    incomparable_reason: str = ""
    model_digest: str | None = None
    champion_model_digest: str | None = None
    prediction_digest: str | None = None
    champion_prediction_digest: str | None = None
    task: Task = BINARY

    def __post_init__(self) -> None:
        self._check_lengths()
        self._check_champion()

    @property
    def rows(self) -> int:
        """Number of holdout rows."""
        return len(self.y)

    def _check_lengths(self) -> None:
        arrays: dict[str, Any] = {"p_candidate": self.p_candidate, "clusters": self.clusters}
        arrays |= {f"slices[{column!r}]": values for column, values in self.slices.items()}
        if self.p_champion is not None:
            arrays["p_champion"] = self.p_champion
        for name, array in arrays.items():
            if np.shape(array)[:1] != (self.rows,):
                raise ValueError(
                    f"Evidence {name} has shape {np.shape(array)}: expected ({self.rows},), one entry per label in y."
                )
        if self.task is BINARY and not np.isin(self.y, (0, 1)).all():
            raise ValueError("Evidence y holds values other than 0 and 1: expected binary labels without nulls.")
        if not np.isfinite(np.asarray(self.y, dtype=float)).all():
            raise ValueError(f"Evidence y holds values that are no labels: expected {self.task.label_words}.")

    def _check_champion(self) -> None:
        if (self.comparison is Comparison.FIRST) != (self.champion_version is None):
            raise ValueError(
                f"Evidence comparison is {self.comparison} and champion_version is {self.champion_version!r}: "
                "expected a version exactly when there is a champion."
            )
        if self.comparison in COMPARED and self.p_champion is None:
            raise ValueError(f"Evidence comparison is {self.comparison}: expected p_champion, got None.")
        if self.comparison is Comparison.INCOMPARABLE and not self.incomparable_reason:
            raise ValueError("Evidence comparison is incomparable: expected incomparable_reason, got none.")
