"""Every metric of a set of predictions, as recorded on runs and decisions."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from include.perennial.gate.evidence import Floats, Integers
from include.perennial.gate.metrics import calibration_error, measure
from include.perennial.spec import Metric

CALIBRATION_ERROR = "calibration_error"
POSITIVE_RATE = "positive_rate"


def measure_all(y: Integers, p: Floats, training_rate: float) -> dict[str, float]:
    """All metrics of a spec, the calibration error and the share of ones, by name.

    Args:
        y: labels, 0 or 1, shape ``(n,)``.
        p: probabilities of 1, shape ``(n,)``.
        training_rate: share of ones in the training rows, the baseline of ``log_loss_skill``.

    A metric that is undefined on these rows is left out: neither JSON nor MLflow carries NaN.
    """
    values = {str(metric): measure(metric, y, p, training_rate) for metric in Metric}
    values[CALIBRATION_ERROR] = calibration_error(y, p)
    values[POSITIVE_RATE] = float(y.mean()) if len(y) else math.nan
    return {name: value for name, value in values.items() if math.isfinite(value)}


def rank_auc(y: Integers, values: npt.NDArray[Any]) -> float:
    """ROC AUC of ``values`` for labels ``y`` from their ranks, ties shared; 0.5 where only one class is present.

    What ``sklearn.metrics.roc_auc_score`` gives, without its checks: those dominate when hundreds are asked for.
    """
    positives = int(np.sum(y))
    negatives = len(y) - positives
    if not positives or not negatives:
        return 0.5
    rank_sum = rankdata(values)[y == 1].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))
