"""Curves and permutation importance of a judged model.

Drawn with matplotlib's objects and no pyplot: pyplot keeps figures in global state, which grows in a
process that trains week after week.
"""

import io

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_auc_score, roc_curve
from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.gate.arrays import Floats, Integers, Labels
from include.perennial.gate.metrics import DECISION_THRESHOLD
from include.perennial.gate.tasks import BINARY, Task

_SIZE_INCHES = (9.0, 8.0)
_DPI = 80
_CALIBRATION_BINS = 10
_MAX_ROWS = 1000
_REPEATS = 2
_SHUFFLES_PER_CALL = 50


def curves(y: Integers, p: Floats) -> bytes:
    """ROC, precision-recall, calibration and confusion in one PNG.

    Args:
        y: labels of both classes, shape ``(n,)``.
        p: probabilities of 1, shape ``(n,)``.
    """
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
    (roc, precision_recall), (calibration, confusion) = figure.subplots(2, 2)
    _roc(roc, y, p)
    _precision_recall(precision_recall, y, p)
    _calibration(calibration, y, p)
    _confusion(confusion, y, p)
    buffer = io.BytesIO()
    # No metadata: the default names the library's version, and equal predictions should give equal files.
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def permutation_importance(
    model: SklearnPipeline, x: pd.DataFrame, y: Labels, *, seed: int, task: Task = BINARY
) -> dict[str, float]:
    """Mean fall of ROC AUC when one input column is shuffled, largest first; on at most 1000 sampled rows.

    Of a regression it is the fall of R². Many shuffles are predicted in one call, since a call costs more than its
    rows do.
    """
    random = np.random.default_rng(seed)
    rows = random.permutation(len(x))[:_MAX_ROWS]
    x, y = x.iloc[rows].reset_index(drop=True), y[rows]
    base = task.skill(y, task.predict(model, x))
    shuffles = [(column, random.permutation(len(x))) for column in x.columns for _ in range(_REPEATS)]
    falls: dict[str, float] = dict.fromkeys(map(str, x.columns), 0.0)
    for start in range(0, len(shuffles), _SHUFFLES_PER_CALL):
        batch = shuffles[start : start + _SHUFFLES_PER_CALL]
        shuffled = pd.concat([x.assign(**{column: x[column].take(order).array}) for column, order in batch])
        for (column, _), p in zip(batch, np.split(task.predict(model, shuffled), len(batch)), strict=True):
            falls[str(column)] += (base - task.skill(y, p)) / _REPEATS
    return dict(sorted(((name, round(fall, 6)) for name, fall in falls.items()), key=lambda item: -item[1]))


def _roc(axes: Axes, y: Integers, p: Floats) -> None:
    false_positives, true_positives, _ = roc_curve(y, p)
    axes.plot(false_positives, true_positives)
    axes.plot([0, 1], [0, 1], linestyle="--", color="grey")
    axes.set(title=f"ROC, area {roc_auc_score(y, p):.3f}", xlabel="false positive rate", ylabel="true positive rate")


def _precision_recall(axes: Axes, y: Integers, p: Floats) -> None:
    precision, recall, _ = precision_recall_curve(y, p)
    axes.plot(recall, precision)
    axes.axhline(float(y.mean()), linestyle="--", color="grey")
    axes.set(title="Precision and recall", xlabel="recall", ylabel="precision", ylim=(0, 1.02))


def _calibration(axes: Axes, y: Integers, p: Floats) -> None:
    predicted, observed = calibration_points(y, p)
    axes.plot(predicted, observed, marker="o")
    axes.plot([0, 1], [0, 1], linestyle="--", color="grey")
    axes.set(title="Calibration, bins of equal mass", xlabel="predicted", ylabel="observed")


def calibration_points(y: Labels, p: Floats) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    order = np.argsort(p, kind="stable")
    bins = [part for part in np.array_split(order, _CALIBRATION_BINS) if len(part)]
    return np.array([p[part].mean() for part in bins]), np.array([y[part].mean() for part in bins])


def _confusion(axes: Axes, y: Integers, p: Floats) -> None:
    table = confusion_matrix(y, p >= DECISION_THRESHOLD, labels=[0, 1])
    axes.imshow(table, cmap="Blues")
    for (row, column), count in np.ndenumerate(table):
        axes.text(column, row, f"{count:,}", ha="center", va="center", backgroundcolor="white")
    axes.set(
        title=f"Confusion at {DECISION_THRESHOLD}", xlabel="predicted", ylabel="actual", xticks=[0, 1], yticks=[0, 1]
    )
