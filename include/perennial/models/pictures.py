"""What a judged model's predictions look like, as one PNG: by task, from what ``plots`` draws for two classes."""

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from include.perennial.gate.arrays import Floats, Labels
from include.perennial.gate.tasks import Multiclass, Task
from include.perennial.models import plots
from include.perennial.spec.metrics import TaskKind

_SIZE_INCHES = (9.0, 4.5)
_DPI = 80
_BINS = 40


def drawn(task: Task, y: Labels, p: Floats) -> bytes:
    """The picture of a task's predictions ``p`` for labels ``y``, all finite and, for classes, of each class."""
    if task.kind is TaskKind.BINARY:
        return plots.curves(y, p)
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
    left, right = figure.subplots(1, 2)
    if isinstance(task, Multiclass):
        _confusion(left, task, y, p)
    else:
        _residuals(left, y, p)
    _agreement(right, task, y, p)
    buffer = io.BytesIO()
    # No metadata: the default names the library's version, and equal predictions should give equal files.
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _residuals(axes: Axes, y: Labels, p: Floats) -> None:
    axes.hist(y - p, bins=_BINS)
    axes.axvline(0, linestyle="--", color="grey")
    axes.set(title=f"Residuals, mean {float((y - p).mean()):,.3g}", xlabel="actual less predicted", ylabel="rows")


def _confusion(axes: Axes, task: Multiclass, y: Labels, p: Floats) -> None:
    size = len(task.classes)
    pairs = np.asarray(y, dtype=int) * size + np.argmax(p, axis=1)
    table = np.bincount(pairs, minlength=size * size).reshape(size, size)
    axes.imshow(table, cmap="Blues")
    for (row, column), count in np.ndenumerate(table):
        axes.text(column, row, f"{count:,}", ha="center", va="center", backgroundcolor="white")
    axes.set(title="Confusion", xlabel="predicted", ylabel="actual", xticks=range(size), yticks=range(size))
    axes.set_xticklabels(task.classes)
    axes.set_yticklabels(task.classes)


def _agreement(axes: Axes, task: Task, y: Labels, p: Floats) -> None:
    came, said = task.reliability(y, p)
    predicted, observed = plots.calibration_points(came, said)
    axes.plot(predicted, observed, marker="o")
    both = np.concatenate([predicted, observed])
    ends = [float(np.min(both)), float(np.max(both))]
    axes.plot(ends, ends, linestyle="--", color="grey")
    axes.set(title="Predicted and observed, bins of equal mass", xlabel=f"mean {task.mean_words}", ylabel="observed")
