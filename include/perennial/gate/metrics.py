"""Point estimates of a binary classifier's metrics. Not a number where one is undefined or of another task."""

import math

import numpy as np
from sklearn.metrics import accuracy_score, average_precision_score, brier_score_loss, f1_score, log_loss, roc_auc_score

from include.perennial.gate.arrays import Floats, Labels
from include.perennial.spec import Metric

DECISION_THRESHOLD = 0.5
_CALIBRATION_BINS = 10
_NEEDS_BOTH_CLASSES = frozenset({Metric.ROC_AUC, Metric.AVERAGE_PRECISION})


def are_probabilities(p: Floats) -> bool:
    """Whether ``p`` holds at least one entry and every entry is a number in [0, 1]."""
    p = np.asarray(p, dtype=float)
    return len(p) > 0 and bool(((p >= 0) & (p <= 1)).all())


def measure(metric: Metric, y: Labels, p: Floats, training_rate: float = math.nan) -> float:
    """One metric of probabilities ``p`` (shape ``(n,)``) for labels ``y`` (shape ``(n,)``, 0 or 1).

    ``training_rate`` in (0, 1) is the constant forecast that ``log_loss_skill`` is relative to:
    1 is perfect, 0 no better than the constant, negative worse. Accuracy and F1 cut at 0.5.

    Returns NaN where the metric is undefined: of another task, no rows, a forecast that is not a probability, one
    class only (ROC AUC, average precision), a training rate of 0 or 1 (skill).
    """
    p = np.asarray(p, dtype=float)
    if not are_probabilities(p) or (metric in _NEEDS_BOTH_CLASSES and len(np.unique(y)) < 2):
        return math.nan
    match metric:
        case Metric.ROC_AUC:
            value = roc_auc_score(y, p)
        case Metric.AVERAGE_PRECISION:
            value = average_precision_score(y, p)
        case Metric.LOG_LOSS:
            value = log_loss(y, p, labels=[0, 1])
        case Metric.BRIER:
            value = brier_score_loss(y, p, pos_label=1)
        case Metric.ACCURACY:
            value = accuracy_score(y, p >= DECISION_THRESHOLD)
        case Metric.F1:
            value = f1_score(y, p >= DECISION_THRESHOLD, zero_division=0.0)
        case Metric.LOG_LOSS_SKILL:
            value = 1 - log_loss(y, p, labels=[0, 1]) / baseline_log_loss(y, training_rate)
        case _:
            value = math.nan
    return float(value)


def baseline_log_loss(y: Labels, training_rate: float) -> float:
    """Log loss of forecasting ``training_rate`` for every row; NaN without rows or if the rate is not in (0, 1)."""
    if len(y) == 0 or not 0 < training_rate < 1:
        return math.nan
    rate = float(np.mean(y))
    return -rate * math.log(training_rate) - (1 - rate) * math.log1p(-training_rate)


def calibration_error(y: Labels, p: Floats) -> float:
    """Expected calibration error over ten bins of equal mass, in [0, 1]; NaN where ``p`` are not probabilities.

    Equal mass rather than equal width: bins are never nearly empty, which biases the error upwards
    (Nixon et al. 2019, "Measuring Calibration in Deep Learning").
    """
    p = np.asarray(p, dtype=float)
    if not are_probabilities(p):
        return math.nan
    edges = np.quantile(p, np.linspace(0, 1, _CALIBRATION_BINS + 1)[1:-1])
    bins = np.searchsorted(edges, p, side="right")
    surplus = np.bincount(bins, weights=p - y, minlength=_CALIBRATION_BINS)
    return float(np.abs(surplus).sum() / len(p))
