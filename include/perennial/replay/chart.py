"""A replay as one picture: the compared metric over time, a line per policy, and when each one retrained."""

import datetime as dt
import io
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from include.perennial.gate.wording import METRIC_NAMES
from include.perennial.replay.outcome import Replay
from include.perennial.replay.records import Walk

_SIZE_INCHES = (10.0, 6.5)
_DPI = 100
_SMOOTHED_OVER = 4


def chart(replay: Replay) -> bytes:
    """The picture as PNG: above a moving mean of four partitions, below a mark per retrain, hollow if rejected."""
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for n, walk in enumerate(replay.walks):
        _line(upper, walk, replay.metric, f"C{n}")
        _marks(lower, walk, n, f"C{n}")
    name = METRIC_NAMES[replay.metric]
    upper.set(title=f"{replay.pipeline}: {name} of the champion in place, by policy", ylabel=f"{name}, mean of four")
    upper.legend(loc="best", fontsize="small")
    lower.set(ylabel="retrains", yticks=range(len(replay.walks)), yticklabels=[walk.policy for walk in replay.walks])
    lower.invert_yaxis()
    lower.xaxis.set_major_locator(locator := AutoDateLocator())
    lower.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    buffer = io.BytesIO()
    # No metadata: the default names the library's version, and equal replays should give equal files.
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _line(axes: Axes, walk: Walk, metric: str, color: str) -> None:
    ticks = [tick for tick in walk.ticks if metric in tick.metrics]
    days, values = [_date(tick.key) for tick in ticks], [tick.metrics[metric] for tick in ticks]
    means = [fmean(values[max(0, n - _SMOOTHED_OVER) : n]) for n in range(1, len(values) + 1)]
    axes.plot(days, values, ".", color=color, alpha=0.25)
    axes.plot(days, means, color=color, label=walk.policy)


def _marks(axes: Axes, walk: Walk, row: int, color: str) -> None:
    for tick in walk.ticks:
        if tick.training:
            face = color if tick.training.is_promoted else "none"
            marker = "D" if tick.training.is_alarm else "o"
            axes.plot([_date(tick.key)], [row], marker, color=color, markerfacecolor=face)


def _date(key: str) -> dt.datetime:
    return dt.datetime.fromisoformat(key)
