"""Two classes: one probability of class 1 per row."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from include.perennial.gate.arrays import Baseline, Floats, Integers, Labels
from include.perennial.gate.metrics import DECISION_THRESHOLD, calibration_error, measure
from include.perennial.gate.ranks import rank_auc
from include.perennial.gate.tasks.task import Task
from include.perennial.spec import Plausibility
from include.perennial.spec.metrics import Metric, TaskKind

_EVEN = 0.5


class Binary(Task):
    """``y`` is 0 or 1, ``p`` the probability of 1, shape ``(n,)``."""

    kind = TaskKind.BINARY
    label_type = np.int64
    label_words = "0 or 1"
    sound_words = "numbers in [0, 1]"
    given_words = "probabilities"
    expected_words = "numbers from 0 to 1"
    baseline_words = "the training rate"
    mean_words = "probability"
    strength_words = "ROC AUC"
    plausible = Metric.ROC_AUC
    use_words = "What it gives is a probability; which one calls for action is for its user to decide."

    def encode(self, target: "pd.Series[Any]") -> Floats:
        labels = pd.to_numeric(target, errors="coerce").to_numpy(dtype=float)
        return np.where(np.isin(labels, (0.0, 1.0)), labels, np.nan)

    def nothing_to_learn(self, y: Labels) -> str:
        return f"all {len(y):,} training labels are {y[0]}" if len(np.unique(y)) < 2 else ""

    def is_judgeable(self, y: Labels) -> bool:
        return len(np.unique(y)) == 2

    def label_counts(self, y: Labels) -> tuple[int, ...] | None:
        return int((y == 0).sum()), int((y == 1).sum())

    def class_weight(self, given: Mapping[str, Any]) -> dict[Any, Any]:
        return {int(name) if str(name) in ("0", "1") else name: value for name, value in given.items()}

    def baseline(self, y: Labels) -> Baseline:
        return float(y.mean())

    def constant(self, baseline: Baseline, n: int) -> Floats:
        possible = isinstance(baseline, float | int) and 0 < baseline < 1
        return np.full(n, baseline if possible else math.nan)

    def estimator_problem(self, estimator: Any) -> str:
        if hasattr(estimator, "fit") and hasattr(estimator, "predict_proba"):
            return ""
        return "must have fit and predict_proba: a binary classifier that gives probabilities"

    def predict(self, model: Any, x: pd.DataFrame) -> Floats:
        return np.asarray(model.predict_proba(x), dtype=float)[:, list(model.classes_).index(1)]

    def unsound(self, p: Floats) -> npt.NDArray[np.bool_]:
        p = np.asarray(p, dtype=float)
        return np.asarray(~((p >= 0) & (p <= 1)))

    def shown(self, p: Floats) -> "pd.Series[Any]":
        return pd.Series(p)

    def mean_prediction(self, p: Floats) -> float:
        return float(np.mean(p))

    def logged(self, p: Floats) -> Mapping[str, npt.NDArray[Any]]:
        return {
            "p": np.asarray(p, dtype=np.float64),
            "class": (np.asarray(p) >= DECISION_THRESHOLD).astype(np.int8),
        }

    def read_logged(self, rows: pd.DataFrame) -> Floats:
        return rows["p"].to_numpy(dtype=float)

    def measure(self, metric: Metric, y: Labels, p: Floats, baseline: Baseline = math.nan) -> float:
        return measure(metric, y, p, baseline if isinstance(baseline, float | int) else math.nan)

    def losses(self, metric: Metric, y: Labels, p: Floats) -> Floats:
        if metric is Metric.BRIER:
            return np.asarray((y - p) ** 2)
        # Clipped as scikit-learn does, so that the mean equals its ``log_loss``.
        eps = np.finfo(p.dtype).eps
        return np.asarray(-np.log(np.clip(np.where(y == 1, p, 1 - p), eps, 1 - eps)))

    def rankings(self, y: Labels, p: Floats) -> list[tuple[Integers, Floats]]:
        return [(y, p)]

    def further_values(self, y: Labels, p: Floats) -> dict[str, float]:
        return {
            "calibration_error": calibration_error(y, p),
            "positive_rate": float(y.mean()) if len(y) else math.nan,
        }

    def skill(self, y: Labels, p: Floats) -> float:
        return rank_auc(y, p)

    def same_in_every_resample(self, y: Labels) -> Floats:
        """One half for every row: AUC 1/2, Brier 1/4, log loss ln 2, whatever is drawn."""
        return np.full(len(y), _EVEN)

    def reliability(self, y: Labels, p: Floats) -> tuple[Floats, Floats]:
        return y.astype(float), p

    def feature_score(self, y: Labels, values: npt.NDArray[Any]) -> float:
        auc = rank_auc(y, values)
        return max(auc, 1 - auc)

    def category_scores(self, groups: "pd.Series[Any]", y: Labels) -> float:
        learn = np.arange(len(y)) % 2 == 0
        rates = pd.Series(y[learn]).groupby(groups[learn].to_numpy()).mean()
        return self.feature_score(y[~learn], groups[~learn].map(rates).fillna(y[learn].mean()).to_numpy())

    def strength(self, score: float) -> float:
        # An AUC far below one half leaks as much as one far above.
        return max(score, 1 - score)

    def limits(self, plausibility: Plausibility) -> tuple[float, float]:
        return plausibility.max_roc_auc or math.nan, plausibility.max_single_feature_auc or math.nan

    def purpose(self, target: str) -> str:
        return f"probability that {target} is true ({self.kind})"


BINARY = Binary()
