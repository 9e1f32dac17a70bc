"""Tasks and metrics: which metric a task may name, which way is better, and between which bounds it lies.

Cheap to import: the spec is read at DAG parse time. How a metric is computed is ``gate.tasks``' business.
"""

import enum
import math


class TaskKind(enum.StrEnum):
    """What a pipeline predicts: one of two classes, a number, or one of three and more classes."""

    BINARY = "binary"
    REGRESSION = "regression"
    MULTICLASS = "multiclass"


class Metric(enum.StrEnum):
    """A metric of the pipeline's task. Losses, errors and deviances are better when lower, all others when higher."""

    ROC_AUC = "roc_auc"
    AVERAGE_PRECISION = "average_precision"
    LOG_LOSS = "log_loss"
    BRIER = "brier"
    ACCURACY = "accuracy"
    F1 = "f1"
    LOG_LOSS_SKILL = "log_loss_skill"
    RMSE = "rmse"
    MAE = "mae"
    MEAN_POISSON_DEVIANCE = "mean_poisson_deviance"
    R2 = "r2"
    MSE_SKILL = "mse_skill"
    POISSON_DEVIANCE_SKILL = "poisson_deviance_skill"
    BALANCED_ACCURACY = "balanced_accuracy"
    F1_MACRO = "f1_macro"


METRICS = {
    TaskKind.BINARY: (
        *(Metric.ROC_AUC, Metric.AVERAGE_PRECISION, Metric.LOG_LOSS, Metric.BRIER, Metric.ACCURACY, Metric.F1),
        Metric.LOG_LOSS_SKILL,
    ),
    TaskKind.REGRESSION: (
        *(Metric.RMSE, Metric.MAE, Metric.MEAN_POISSON_DEVIANCE, Metric.R2),
        *(Metric.MSE_SKILL, Metric.POISSON_DEVIANCE_SKILL),
    ),
    TaskKind.MULTICLASS: (
        *(Metric.ROC_AUC, Metric.LOG_LOSS, Metric.ACCURACY, Metric.BALANCED_ACCURACY, Metric.F1_MACRO),
        Metric.LOG_LOSS_SKILL,
    ),
}
"""Metrics of each task, in the order in which they are shown."""
COMPARABLE_OF = {
    TaskKind.BINARY: frozenset({Metric.ROC_AUC, Metric.LOG_LOSS, Metric.BRIER}),
    TaskKind.REGRESSION: frozenset({Metric.RMSE, Metric.MAE, Metric.MEAN_POISSON_DEVIANCE}),
    TaskKind.MULTICLASS: frozenset({Metric.ROC_AUC, Metric.LOG_LOSS, Metric.ACCURACY}),
}
"""Metrics by which a candidate can be held against the champion: their resamples are sums over clusters."""
COMPARABLE = COMPARABLE_OF[TaskKind.BINARY]
IN_UNITS_OF_THE_TARGET = frozenset({Metric.RMSE, Metric.MAE, Metric.MEAN_POISSON_DEVIANCE})
"""Their differences may exceed one."""
LOWER_IS_BETTER = IN_UNITS_OF_THE_TARGET | {Metric.LOG_LOSS, Metric.BRIER}
_UNBOUNDED_BELOW = frozenset({Metric.LOG_LOSS_SKILL, Metric.R2, Metric.MSE_SKILL, Metric.POISSON_DEVIANCE_SKILL})
_UNBOUNDED_ABOVE = IN_UNITS_OF_THE_TARGET | {Metric.LOG_LOSS}
LOWEST = {metric: -math.inf if metric in _UNBOUNDED_BELOW else 0.0 for metric in Metric}
HIGHEST = {metric: math.inf if metric in _UNBOUNDED_ABOVE else 1.0 for metric in Metric}
