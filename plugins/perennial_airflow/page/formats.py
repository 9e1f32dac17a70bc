"""Numbers, times and names as a person reads them, for the templates."""

from __future__ import annotations

import datetime as dt
from urllib.parse import quote, urlsplit

from include.perennial.gate.wording import METRIC_NAMES

NONE = "–"
_NAMES = {str(metric): name for metric, name in METRIC_NAMES.items()}


def number(value: float | None, decimals: int = 3) -> str:
    """``0.684``, with a real minus sign; whole numbers without decimals."""
    if value is None:
        return NONE
    text = f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 2 else f"{value:,.{decimals}f}"
    return text.replace("-", "−")


def signed(value: float | None) -> str:
    """``+0.066``."""
    text = number(value)
    return text if value is None or value <= 0 else f"+{text}"


def interval(bounds: tuple[float, float] | None) -> str:
    """``0.606 to 0.764``."""
    return NONE if bounds is None else f"{number(bounds[0])} to {number(bounds[1])}"


def when(moment: dt.datetime | None) -> str:
    """``2026-11-21 11:44 UTC``."""
    return NONE if moment is None else moment.astimezone(dt.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def words(name: str) -> str:
    """``not_persistent`` as ``not persistent``."""
    return str(name).replace("_", " ")


def metric(name: str) -> str:
    """``roc_auc`` as ``ROC AUC``."""
    return _NAMES.get(str(name), words(name))


def run_link(run_url: str | None, airflow: str) -> str:
    """The recorded address of a DAG run as a path of this Airflow; empty if it is not one.

    Only the path is taken: the record may come from another host, and no text of it may become a link of its own.
    """
    path = urlsplit(run_url or "").path
    at = path.find("/dags/")
    return "" if at < 0 else airflow + quote(path[at:], safe="/%:+@")


FILTERS = {
    "number": number,
    "signed": signed,
    "interval": interval,
    "when": when,
    "words": words,
    "metric": metric,
    "quoted": lambda text: quote(str(text), safe=""),
}
