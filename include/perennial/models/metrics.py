"""Every metric of a set of predictions, as recorded on runs and decisions."""

import math

from include.perennial.gate.arrays import Baseline, Floats, Labels
from include.perennial.gate.ranks import rank_auc
from include.perennial.gate.tasks import BINARY, Task

__all__ = ["measure_all", "rank_auc"]


def measure_all(y: Labels, p: Floats, training_rate: Baseline, task: Task = BINARY) -> dict[str, float]:
    """All metrics of the task and what else it shows, such as the calibration error and the share of ones, by name.

    Args:
        y: labels, shape ``(n,)``.
        p: predictions, shape ``(n,)`` or ``(n, classes)``.
        training_rate: the constant forecast that the training labels give, the baseline of skill scores.

    A metric that is undefined on these rows is left out: neither JSON nor MLflow carries NaN.
    """
    values = {str(metric): task.measure(metric, y, p, training_rate) for metric in task.metrics}
    values |= task.further_values(y, p)
    return {name: value for name, value in values.items() if math.isfinite(value)}
