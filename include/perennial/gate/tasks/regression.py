"""A number, counts among them: one number per row."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import xlogy
from sklearn.base import is_classifier

from include.perennial.gate.arrays import Baseline, Floats, Labels
from include.perennial.gate.ranks import rank_correlation
from include.perennial.gate.tasks.task import Task
from include.perennial.spec import Plausibility
from include.perennial.spec.metrics import Metric, TaskKind

_OF_COUNTS = frozenset({Metric.MEAN_POISSON_DEVIANCE, Metric.POISSON_DEVIANCE_SKILL})
_SMALLEST = 1e-9


class Regression(Task):
    """``y`` and ``p`` are numbers in the unit of the target, shape ``(n,)``.

    The Poisson deviance is for counts: it is undefined if a label is negative, or a prediction not above zero.
    """

    kind = TaskKind.REGRESSION
    label_type = np.float64
    label_words = "a finite number"
    sound_words = "finite numbers"
    baseline_words = "the training mean"
    mean_words = "prediction"
    strength_words = "rank correlation"
    plausible = Metric.R2
    use_words = "What it gives is an expected value; how far single rows lie from it, the plots of its run show."
    no_calibration = "a regression gives no probabilities"
    no_estimate = "a regression gives no probabilities, from which its errors could be estimated"

    def encode(self, target: "pd.Series[Any]") -> Floats:
        labels = pd.to_numeric(target, errors="coerce").to_numpy(dtype=float)
        return np.where(np.isfinite(labels), labels, np.nan)

    def nothing_to_learn(self, y: Labels) -> str:
        return f"all {len(y):,} training labels are {y[0]:g}" if np.ptp(y) == 0 else ""

    def is_judgeable(self, y: Labels) -> bool:
        return len(y) > 0

    def label_counts(self, y: Labels) -> tuple[int, ...] | None:
        return None

    def baseline(self, y: Labels) -> Baseline:
        return float(y.mean())

    def constant(self, baseline: Baseline, n: int) -> Floats:
        return np.full(n, baseline if isinstance(baseline, float | int) else math.nan)

    def estimator_problem(self, estimator: Any) -> str:
        if hasattr(estimator, "fit") and hasattr(estimator, "predict") and not is_classifier(estimator):
            return ""
        return "must have fit and predict, and be no classifier: a regressor that gives a number"

    def predict(self, model: Any, x: pd.DataFrame) -> Floats:
        if is_classifier(model):
            raise ValueError(f"The model is a classifier: a {self.kind} needs a regressor.")
        return np.asarray(model.predict(x), dtype=float).reshape(len(x))

    def unsound(self, p: Floats) -> npt.NDArray[np.bool_]:
        return np.asarray(~np.isfinite(p))

    def are_sound(self, p: Floats, metric: Metric | None = None) -> bool:
        return super().are_sound(p) and not (metric in _OF_COUNTS and bool((np.asarray(p) <= 0).any()))

    def shown(self, p: Floats) -> "pd.Series[Any]":
        return pd.Series(p)

    def mean_prediction(self, p: Floats) -> float:
        return float(np.mean(p))

    def logged(self, p: Floats) -> Mapping[str, npt.NDArray[Any]]:
        return {"prediction": np.asarray(p, dtype=np.float64)}

    def read_logged(self, rows: pd.DataFrame) -> Floats:
        return rows["prediction"].to_numpy(dtype=float)

    def measure(self, metric: Metric, y: Labels, p: Floats, baseline: Baseline = math.nan) -> float:
        if not self.are_sound(p, metric) or (metric in _OF_COUNTS and bool((y < 0).any())):
            return math.nan
        value = math.nan
        match metric:
            case Metric.RMSE:
                value = math.sqrt(self._mean(Metric.RMSE, y, p))
            case Metric.MAE | Metric.MEAN_POISSON_DEVIANCE:
                value = self._mean(metric, y, p)
            case Metric.R2:
                value = self._gain(Metric.RMSE, y, p, float(np.mean(y)))
            case Metric.MSE_SKILL:
                value = self._gain(Metric.RMSE, y, p, baseline)
            case Metric.POISSON_DEVIANCE_SKILL:
                value = self._gain(Metric.MEAN_POISSON_DEVIANCE, y, p, baseline)
        return value

    def losses(self, metric: Metric, y: Labels, p: Floats) -> Floats:
        match metric:
            case Metric.MAE:
                return np.asarray(np.abs(y - p))
            case Metric.MEAN_POISSON_DEVIANCE:
                return np.asarray(2 * (xlogy(y, y / p) - y + p))
            case _:
                return np.asarray((y - p) ** 2)

    def _mean(self, metric: Metric, y: Labels, p: Floats) -> float:
        return float(self.losses(metric, y, p).mean())

    def _gain(self, metric: Metric, y: Labels, p: Floats, baseline: Baseline) -> float:
        """Share of the constant forecast's loss that ``p`` avoids: 1 is perfect, 0 no better, negative worse."""
        constant = self.constant(baseline, len(y))
        trivial = self._mean(metric, y, constant) if self.are_sound(constant, metric) else math.nan
        return 1 - self._mean(metric, y, p) / trivial if trivial > 0 else math.nan

    def further_values(self, y: Labels, p: Floats) -> dict[str, float]:
        known = len(y) > 0
        return {
            "mean_label": float(y.mean()) if known else math.nan,
            "mean_prediction": float(np.mean(p)) if known else math.nan,
        }

    def skill(self, y: Labels, p: Floats) -> float:
        """Share of the labels' variance that is explained; 0 where there is none."""
        value = self.measure(Metric.R2, y, p)
        return value if math.isfinite(value) else 0.0

    def same_in_every_resample(self, y: Labels) -> Floats:
        """The labels themselves, whose loss is zero whatever is drawn."""
        return np.maximum(y, _SMALLEST) if not (y < 0).any() else y.astype(float)

    def reliability(self, y: Labels, p: Floats) -> tuple[Floats, Floats]:
        return y.astype(float), p

    def feature_score(self, y: Labels, values: npt.NDArray[Any]) -> float:
        return abs(rank_correlation(y, values))

    def category_scores(self, groups: "pd.Series[Any]", y: Labels) -> float:
        learn = np.arange(len(y)) % 2 == 0
        means = pd.Series(y[learn]).groupby(groups[learn].to_numpy()).mean()
        return self.feature_score(y[~learn], groups[~learn].map(means).fillna(y[learn].mean()).to_numpy())

    def strength(self, score: float) -> float:
        return abs(score)

    def limits(self, plausibility: Plausibility) -> tuple[float, float]:
        return plausibility.max_r2 or math.nan, plausibility.max_single_feature_correlation or math.nan

    def purpose(self, target: str) -> str:
        return f"expected {target} ({self.kind})"


REGRESSION = Regression()
