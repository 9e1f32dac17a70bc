"""The questions that a task answers. One object per kind; all methods are pure functions of arrays."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from include.perennial.gate.arrays import Baseline, Floats, Integers, Labels
from include.perennial.spec import Plausibility
from include.perennial.spec.metrics import COMPARABLE_OF, METRICS, Metric, TaskKind


class Task(ABC):
    """What a pipeline predicts.

    Labels ``y`` have shape ``(n,)``. Predictions ``p`` have shape ``(n,)``, or ``(n, classes)`` where a row gets a
    probability for each class.

    ``label_words``       what a label may be
    ``sound_words``       what a prediction must be, in the plural
    ``baseline_words``    what the constant forecast always says
    ``mean_words``        what ``mean_prediction`` is the mean of
    ``strength_words``    how a feature alone is measured; ``plausible``: the metric that must not be too good
    ``label_signal``      what the drift of labels is the difference of
    ``no_calibration``, ``no_estimate``  why the task has none; empty where it has one
    """

    kind: ClassVar[TaskKind]
    label_type: ClassVar[type]
    label_words: str
    sound_words: ClassVar[str]
    given_words: ClassVar[str] = "predictions"
    baseline_words: ClassVar[str]
    mean_words: ClassVar[str]
    strength_words: ClassVar[str]
    plausible: ClassVar[Metric]
    use_words: ClassVar[str]
    no_calibration: ClassVar[str] = ""
    no_estimate: ClassVar[str] = ""

    @property
    def expected_words(self) -> str:
        """What a prediction must be, in messages about a stored model."""
        return self.sound_words

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Metrics that a spec may name, in the order in which they are shown."""
        return METRICS[self.kind]

    @property
    def comparable(self) -> frozenset[Metric]:
        """Metrics by which two models can be compared."""
        return COMPARABLE_OF[self.kind]

    # --- labels

    @abstractmethod
    def encode(self, target: "pd.Series[Any]") -> Floats:
        """Labels as numbers; NaN where one is missing or none of the allowed."""

    @abstractmethod
    def nothing_to_learn(self, y: Labels) -> str:
        """Why nothing can be learned from training labels ``y``; empty if something can."""

    @abstractmethod
    def is_judgeable(self, y: Labels) -> bool:
        """Whether every comparable metric is defined on a group of rows with these labels."""

    @abstractmethod
    def label_counts(self, y: Labels) -> tuple[int, ...] | None:
        """Rows of each class; None for labels that are no classes."""

    def targets(self, y: Labels) -> npt.NDArray[Any]:
        """Labels as an estimator is given them."""
        return y

    def class_weight(self, given: Mapping[str, Any]) -> dict[Any, Any]:
        """``class_weight`` by the labels that an estimator is given."""
        return dict(given)

    # --- the constant forecast

    @abstractmethod
    def baseline(self, y: Labels) -> Baseline:
        """What to forecast for every row, knowing only the training labels."""

    @abstractmethod
    def constant(self, baseline: Baseline, n: int) -> Floats:
        """The forecast ``baseline`` for ``n`` rows; NaN where it is impossible."""

    # --- predictions

    @abstractmethod
    def estimator_problem(self, estimator: Any) -> str:
        """What ``estimator`` lacks for the task; empty if nothing."""

    @abstractmethod
    def predict(self, model: Any, x: pd.DataFrame) -> Floats:
        """Predictions of a fitted model.

        Raises:
            ValueError: the model is of another task or of other classes.
        """

    @abstractmethod
    def unsound(self, p: Floats) -> npt.NDArray[np.bool_]:
        """Rows whose prediction is none, shape ``(n,)``."""

    def are_sound(self, p: Floats, metric: Metric | None = None) -> bool:
        """Whether there are predictions, and each is one; with ``metric``, one that this metric is defined for."""
        p = np.asarray(p, dtype=float)
        return len(p) > 0 and not bool(self.unsound(p).any())

    @abstractmethod
    def shown(self, p: Floats) -> "pd.Series[Any]":
        """One value per row for people and for drift: a number, or the name of a class."""

    @abstractmethod
    def mean_prediction(self, p: Floats) -> float:
        """One number about predictions, see ``mean_words``."""

    @abstractmethod
    def logged(self, p: Floats) -> Mapping[str, npt.NDArray[Any]]:
        """Columns of the prediction log."""

    @abstractmethod
    def read_logged(self, rows: pd.DataFrame) -> Floats:
        """Predictions in rows of the prediction log."""

    # --- metrics

    @abstractmethod
    def measure(self, metric: Metric, y: Labels, p: Floats, baseline: Baseline = np.nan) -> float:
        """One metric; NaN where it is undefined. ``baseline`` is what skill scores are relative to."""

    @abstractmethod
    def losses(self, metric: Metric, y: Labels, p: Floats) -> Floats:
        """Loss of each row, whose mean (for RMSE its root) is the comparable ``metric`` or one less it."""

    def rankings(self, y: Labels, p: Floats) -> list[tuple[Integers, Floats]]:
        """Labels 0 or 1 and scores, whose mean ROC AUC is the task's."""
        raise NotImplementedError(f"A {self.kind} has no ROC AUC.")

    @abstractmethod
    def further_values(self, y: Labels, p: Floats) -> dict[str, float]:
        """Values shown beside the metrics, by name."""

    @abstractmethod
    def skill(self, y: Labels, p: Floats) -> float:
        """A number that falls as predictions get worse, always defined: for the importance of columns."""

    @abstractmethod
    def same_in_every_resample(self, y: Labels) -> Floats:
        """A forecast whose comparable metrics do not depend on which rows are drawn."""

    @abstractmethod
    def reliability(self, y: Labels, p: Floats) -> tuple[Floats, Floats]:
        """What came and what was said, one number each per row, whose means should agree."""

    # --- plausibility

    @abstractmethod
    def feature_score(self, y: Labels, values: npt.NDArray[Any]) -> float:
        """How well the order of one feature's values tells the label, in [0, 1]."""

    @abstractmethod
    def category_scores(self, groups: "pd.Series[Any]", y: Labels) -> float:
        """The same of a category, from what half of the rows teach about the other half."""

    def strength(self, score: float) -> float:
        """A feature's score without its direction."""
        return score

    @abstractmethod
    def limits(self, plausibility: Plausibility) -> tuple[float, float]:
        """The largest ``plausible`` metric, and the largest strength of a single feature."""

    # --- words

    @abstractmethod
    def purpose(self, target: str) -> str:
        """What the model predicts."""
