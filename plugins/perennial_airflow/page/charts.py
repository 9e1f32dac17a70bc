"""Views as figures for plotly.js: plain JSON. A colour such as ``--champion`` is a variable of the style sheet.

plotly.js reads a little HTML in names and texts, so those of the data are escaped.
"""

from __future__ import annotations

from html import escape
from typing import Any

from include.perennial.views.curves import Curve, Curves
from include.perennial.views.timeline import Mark, MarkKind, Timeline
from perennial_airflow.page.formats import metric, words

Figure = dict[str, Any]

_MARKERS = {
    MarkKind.PROMOTED: ("triangle-up", "--good", "promoted"),
    MarkKind.REJECTED: ("x", "--bad", "not promoted"),
    MarkKind.ROLLED_BACK: ("triangle-left", "--warn", "rolled back"),
    MarkKind.ASKED: ("diamond-open", "--warn", "retrain asked for"),
}
_LIMIT = {
    "type": "line",
    "xref": "x2 domain",
    "yref": "y2",
    "x0": 0,
    "x1": 1,
    "y0": 1,
    "y1": 1,
    "line": {"width": 1, "color": "--bad", "dash": "dash"},
}
_DIAGONAL = {
    "x": [0, 1],
    "y": [0, 1],
    "mode": "lines",
    "line": {"dash": "dot", "color": "--muted", "width": 1},
    "hoverinfo": "skip",
    "showlegend": False,
}


def roc_figure(curves: Curves) -> Figure:
    """ROC of the candidate and, where there is one, of the champion."""
    drawn = [_line(curve, curve.roc, color, "lines") for curve, color in _both(curves)]
    return {"data": [_DIAGONAL, *drawn], "layout": _square("False positive rate", "True positive rate")}


def calibration_figure(curves: Curves) -> Figure:
    """Predicted against observed: the share of ones, or the mean of a regression's numbers."""
    drawn = [_line(curve, curve.calibration, color, "lines+markers") for curve, color in _both(curves)]
    values = [value for curve, _ in _both(curves) for point in curve.calibration for value in point]
    of_shares = bool(curves.candidate.roc)
    layout = _square("Mean prediction", "Observed share" if of_shares else "Observed mean")
    low, high = (0.0, min(1.0, 1.1 * max(values))) if of_shares else (min(values), max(values))
    for axis in ("xaxis", "yaxis"):
        layout[axis]["range"] = [low, high]
    diagonal = _DIAGONAL if of_shares else {**_DIAGONAL, "x": [low, high], "y": [low, high]}
    return {"data": [diagonal, *drawn], "layout": layout}


def _both(curves: Curves) -> list[tuple[Curve, str]]:
    return [(curves.candidate, "--candidate"), *([(curves.champion, "--champion")] if curves.champion else [])]


def _line(curve: Curve, points: tuple[tuple[float, float], ...], color: str, mode: str) -> Figure:
    return {
        "x": [x for x, _ in points],
        "y": [y for _, y in points],
        "mode": mode,
        "name": escape(curve.name),
        "line": {"color": color, "width": 2, **({} if color == "--candidate" else {"dash": "dash"})},
    }


def _square(x: str, y: str) -> Figure:
    return {
        "height": 380,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "xaxis": {"title": {"text": x}, "range": [0, 1], "constrain": "domain"},
        "yaxis": {"title": {"text": y}, "range": [0, 1]},
    }


# --- the timeline ---------------------------------------------------------------------------


def timeline_figure(timeline: Timeline) -> Figure:
    """Performance above, drift below once there is any, champions as bands behind, and marks for what happened."""
    layout: Figure = {
        "height": 520,
        "hovermode": "closest",
        "xaxis": {"type": "date"},
        "yaxis": {"title": {"text": metric(timeline.metric or "performance")}},
        "shapes": _bands(timeline),
        "annotations": _band_names(timeline),
    }
    drawn = [*_expected(timeline), _performance(timeline), *(_marks(timeline, kind) for kind in MarkKind)]
    if any(point.drift is not None for point in timeline.points):
        drawn.append(_drift(timeline))
        layout["grid"] = {"rows": 2, "columns": 1, "roworder": "top to bottom"}
        layout["xaxis"] |= {"matches": "x2", "showticklabels": False}
        layout["yaxis"]["domain"] = [0.42, 1]
        layout["xaxis2"] = {"type": "date", "anchor": "y2"}
        layout["yaxis2"] = {"title": {"text": "drift / threshold"}, "domain": [0, 0.3], "rangemode": "tozero"}
        layout["shapes"] = [*layout["shapes"], _LIMIT]
    return {"data": drawn, "layout": layout}


def _expected(timeline: Timeline) -> tuple[Figure, Figure]:
    """What each champion's window lets expect, as the two edges of a band."""
    measured = [point for point in timeline.points if point.value is not None]
    expected = [point for point in measured if point.expected_interval]
    keys = [point.key for point in expected]
    lows, highs = ([p.expected_interval[n] for p in expected if p.expected_interval] for n in (0, 1))
    return _bound(keys, highs, None), _bound(keys, lows, "tonexty")


def _bound(keys: list[str], values: list[float], fill: str | None) -> Figure:
    return {
        "x": keys,
        "y": values,
        "mode": "lines",
        "line": {"width": 0, "color": "--band"},
        "hoverinfo": "skip",
        "name": "expected",
        "showlegend": fill is not None,
        **({"fill": fill, "fillcolor": "--band"} if fill else {}),
    }


def _performance(timeline: Timeline) -> Figure:
    points = [point for point in timeline.points if point.value is not None]
    ranges = [point.interval or (point.value, point.value) for point in points]
    return {
        "x": [point.key for point in points],
        "y": [point.value for point in points],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [high - (point.value or 0) for point, (_, high) in zip(points, ranges, strict=True)],
            "arrayminus": [(point.value or 0) - low for point, (low, _) in zip(points, ranges, strict=True)],
            "thickness": 1,
            "width": 2,
        },
        "mode": "lines+markers",
        "name": "champion on matured labels",
        "line": {"color": "--champion", "width": 2},
        "text": [f"champion v{point.champion_version}" for point in points],
        "customdata": [point.key for point in points],
        "hovertemplate": "%{customdata}<br>%{y:.3f} %{text}<extra></extra>",
    }


def _marks(timeline: Timeline, kind: MarkKind) -> Figure:
    symbol, color, name = _MARKERS[kind]
    values = {point.key: point.value for point in timeline.points}
    marks = [mark for mark in timeline.marks if mark.kind is kind]
    placed = [(mark, mark.value if mark.value is not None else values.get(mark.key)) for mark in marks]
    shown = [(mark, value) for mark, value in placed if value is not None]
    return {
        "x": [mark.key for mark, _ in shown],
        "y": [value for _, value in shown],
        "mode": "markers",
        "name": name,
        "marker": {"symbol": symbol, "color": color, "size": 11, "line": {"width": 1, "color": color}},
        "text": [_told(mark) for mark, _ in shown],
        "customdata": [mark.key for mark, _ in shown],
        "hovertemplate": "%{customdata} %{y:.3f}<br>%{text}<extra></extra>",
        "showlegend": bool(shown),
    }


def _told(mark: Mark) -> str:
    version = f" v{mark.version}" if mark.version else ""
    return escape(f"{words(mark.kind)}{version}")


def _drift(timeline: Timeline) -> Figure:
    points = [point for point in timeline.points if point.drift is not None]
    return {
        "type": "bar",
        "x": [point.key for point in points],
        "y": [point.drift for point in points],
        "yaxis": "y2",
        "xaxis": "x2",
        "name": "furthest signal",
        "marker": {"color": ["--bad" if point.n_over else "--champion" for point in points]},
        "text": [escape(words(point.drift_of)) for point in points],
        "textposition": "none",
        "customdata": [point.key for point in points],
        "hovertemplate": "%{customdata}<br>%{y:.2f} of its threshold: %{text}<extra></extra>",
        "showlegend": False,
    }


def _bands(timeline: Timeline) -> list[Figure]:
    """Every other reign is shaded, from its first partition up to the next one's first."""
    starts = [band.first for band in timeline.bands]
    ends = [*starts[1:], timeline.bands[-1].last] if starts else []
    return [
        {
            "type": "rect",
            "xref": "x",
            "yref": "paper",
            "x0": first,
            "x1": last,
            "y0": 0,
            "y1": 1,
            "line": {"width": 0},
            "fillcolor": "--reign",
            "layer": "below",
        }
        for index, (first, last) in enumerate(zip(starts, ends, strict=True))
        if index % 2 == 0
    ]


def _band_names(timeline: Timeline) -> list[Figure]:
    return [
        {
            "x": band.first,
            "y": 1,
            "xref": "x",
            "yref": "paper",
            "text": f"v{band.version}",
            "showarrow": False,
            "xanchor": "left",
            "yanchor": "bottom",
            "font": {"size": 11, "color": "--muted"},
        }
        for band in timeline.bands
    ]
