"""Numbers, names and checks as a person reads them."""

import math
from collections.abc import Sequence

from include.perennial.contracts import Check, CheckStatus
from include.perennial.spec import Metric

METRIC_NAMES = {
    Metric.ROC_AUC: "ROC AUC",
    Metric.AVERAGE_PRECISION: "average precision",
    Metric.LOG_LOSS: "log loss",
    Metric.BRIER: "Brier score",
    Metric.ACCURACY: "accuracy",
    Metric.F1: "F1",
    Metric.LOG_LOSS_SKILL: "log-loss skill",
    Metric.RMSE: "RMSE",
    Metric.MAE: "MAE",
    Metric.MEAN_POISSON_DEVIANCE: "mean Poisson deviance",
    Metric.R2: "R²",
    Metric.MSE_SKILL: "MSE skill",
    Metric.POISSON_DEVIANCE_SKILL: "Poisson-deviance skill",
    Metric.BALANCED_ACCURACY: "balanced accuracy",
    Metric.F1_MACRO: "macro F1",
}

_MAX_DECIMALS = 10
_MAX_LISTED = 8
_MAX_NAME_CHARACTERS = 60


def numbers(*values: float | None, decimals: int = 3) -> list[str]:
    """All values with as many decimals as keep different ones apart: 0.69996 against 0.7 never reads 0.700 twice."""
    finite = {float(value) for value in values if value is not None and math.isfinite(value)}
    while decimals < _MAX_DECIMALS and len({round(value, decimals) + 0.0 for value in finite}) < len(finite):
        decimals += 1
    return [_number(value, decimals) for value in values]


def _number(value: float | None, decimals: int) -> str:
    if value is None or math.isnan(value):
        return "undefined"
    if value and round(value, decimals) == 0 and decimals == _MAX_DECIMALS:
        return f"{value:.1e}".replace("-", "−")
    # Adding zero turns a rounded -0.0 into 0.0.
    return f"{round(value, decimals) + 0.0:,.{decimals}f}".replace("-", "−")


def signed(text: str) -> str:
    """A number from ``numbers`` with its plus sign."""
    return text if text.startswith("−") or not text.strip("0.,") or text == "undefined" else f"+{text}"


def percent(share: float) -> str:
    """``0.95`` as ``95 %``; up to two decimals."""
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + " %"


def shorten(name: str) -> str:
    """A value of the data, bounded, for use in a check's name or message."""
    return name if len(name) <= _MAX_NAME_CHARACTERS else name[: _MAX_NAME_CHARACTERS - 1] + "…"


def listing(names: Sequence[str]) -> str:
    """The first few names and how many more there are."""
    shown = ", ".join(shorten(name) for name in names[:_MAX_LISTED])
    return shown if len(names) <= _MAX_LISTED else f"{shown} and {len(names) - _MAX_LISTED} more"


# --- one line of the gate's table ------------------------------------------------------------


def finite_or_none(value: float | None) -> float | None:
    """The value as JSON can carry it: NaN and infinity become None."""
    return float(value) if value is not None and math.isfinite(value) else None


def line(
    name: str,
    status: CheckStatus,
    message: str,
    *,
    value: float | None = None,
    champion: float | None = None,
    threshold: float | None = None,
    interval: tuple[float, float] | None = None,
) -> Check:
    """A check from raw numbers, which may be NaN."""
    sure = interval is not None and all(math.isfinite(bound) for bound in interval)
    return Check(
        name=name,
        status=status,
        value=finite_or_none(value),
        champion=finite_or_none(champion),
        threshold=finite_or_none(threshold),
        interval=interval if sure else None,
        message=message,
    )


def outcome(passed: bool) -> CheckStatus:
    """PASSED or FAILED."""
    return CheckStatus.PASSED if passed else CheckStatus.FAILED


def at_least(
    name: str, label: str, value: float, limit: float, *, champion: float | None = None, decimals: int = 3
) -> Check:
    """``value >= limit``; anything that is not a finite number fails."""
    passed = math.isfinite(value) and value >= limit
    relation = "is at least" if passed else "is below the required"
    return _limited(name, passed, (label, relation), value, limit, champion=champion, decimals=decimals)


def at_most(
    name: str, label: str, value: float, limit: float, *, champion: float | None = None, decimals: int = 3
) -> Check:
    """``value <= limit``; anything that is not a finite number fails."""
    passed = math.isfinite(value) and value <= limit
    relation = "is at most" if passed else "is above the allowed"
    return _limited(name, passed, (label, relation), value, limit, champion=champion, decimals=decimals)


def _limited(
    name: str,
    passed: bool,
    words: tuple[str, str],
    value: float,
    limit: float,
    *,
    champion: float | None,
    decimals: int,
) -> Check:
    ours, theirs, allowed = numbers(value, champion, limit, decimals=decimals)
    aside = "" if champion is None else f" (champion {theirs})"
    message = f"{words[0]} {ours}{aside} {words[1]} {allowed}"
    return line(name, outcome(passed), message, value=value, champion=champion, threshold=limit)
