"""What the models see of a flight: one standardised matrix, for trees and the linear model alike.

This file travels inside every model, byte for byte. It therefore imports nothing of the project,
and keeps what it has learned in dicts, floats and arrays, which skops stores without trust.
"""

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

NUMERIC_COLUMNS = (
    "distance_mi",
    "departures_in_hour",
    "plane_age_years",
    "plane_seats",
    "temperature_f",
    "dew_point_f",
    "humidity_pct",
    "wind_speed_mph",
    "wind_gust_mph",
    "precipitation_in",
    "pressure_mb",
    "visibility_mi",
)
TEXT_COLUMNS = ("carrier", "origin", "dest", "plane_maker")
CLOCK_COLUMNS = ("local_date", "hour", "minute", "wind_direction_deg")
COLUMNS = (*TEXT_COLUMNS, *CLOCK_COLUMNS, *NUMERIC_COLUMNS)

CATEGORIES = (*TEXT_COLUMNS, "hour", "weekday", "route", "carrier_at_origin")
NUMBERS = (*NUMERIC_COLUMNS, "clock_h", "wind_north_mph", "wind_east_mph", "is_wet", "dew_point_gap_f")


class Features(TransformerMixin, BaseEstimator):
    """Numbers, and for each category the smoothed log-odds that its flights were late in the training window.

    A category that the window does not hold counts as an average flight, a missing number as the
    window's median. Columns other than ``COLUMNS`` are never looked at.

    Args:
        smoothing: how many flights of the overall rate are mixed into a category's own rate.
    """

    def __init__(self, smoothing: float = 200.0) -> None:
        self.smoothing = smoothing

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> Self:
        """Learn from ``X`` (rows × at least ``COLUMNS``) and labels ``y`` (0 or 1).

        Raises:
            TypeError: ``X`` is not a DataFrame. ValueError: a column is missing.
        """
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: pd.DataFrame, y: ArrayLike = None, **_: Any) -> NDArray[np.float32]:
        """``fit`` and ``transform`` of the same rows, derived once. Raises as ``fit`` does."""
        table, late = _derived(X), np.asarray(y, dtype=float)
        # One more flight of each kind keeps the odds finite when all flights agree.
        rate = (late.sum() + 1) / (len(late) + 2)
        self.average_ = float(_log_odds(rate))
        self.log_odds_ = {name: self._learned(table[name], late, rate) for name in CATEGORIES}
        medians = table[list(NUMBERS)].median().fillna(0.0)
        self.median_ = {name: float(value) for name, value in medians.items()}
        matrix = self._matrix(table)
        spread = matrix.std(axis=0)
        self.mean_, self.scale_ = matrix.mean(axis=0), np.where(spread > 0, spread, 1.0)
        return self._standardised(matrix)

    def transform(self, X: pd.DataFrame) -> NDArray[np.float32]:
        """Matrix of shape (rows, ``len(get_feature_names_out())``), finite, in units of the window's spread.

        Raises:
            NotFittedError: before ``fit``. TypeError, ValueError: as ``fit``.
        """
        check_is_fitted(self, "scale_")
        return self._standardised(self._matrix(_derived(X)))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the matrix's columns, in order."""
        return np.array([*(f"{name}_log_odds" for name in CATEGORIES), *NUMBERS], dtype=object)

    def _learned(self, category: pd.Series, late: NDArray[np.float64], rate: float) -> dict[str, float]:
        flights = pd.Series(late).groupby(category.to_numpy()).agg(["sum", "size"])
        smoothed = (flights["sum"] + self.smoothing * rate) / (flights["size"] + self.smoothing)
        return {str(value): float(odds) for value, odds in _log_odds(smoothed).items()}

    def _matrix(self, table: pd.DataFrame) -> NDArray[np.float64]:
        odds = [table[name].map(self.log_odds_[name]).fillna(self.average_) for name in CATEGORIES]
        numbers = [table[name].fillna(self.median_[name]) for name in NUMBERS]
        return np.column_stack([*odds, *numbers]).astype(float)

    def _standardised(self, matrix: NDArray[np.float64]) -> NDArray[np.float32]:
        return ((matrix - self.mean_) / self.scale_).astype(np.float32)


def _log_odds(rate: Any) -> Any:
    return np.log(rate / (1 - rate))


def _derived(X: pd.DataFrame) -> pd.DataFrame:
    """``CATEGORIES`` as text and ``NUMBERS`` as floats, with NaN where a number is unknown."""
    _require_columns(X)
    table = X[list(NUMERIC_COLUMNS)].astype(float)
    # No gust on record means that the wind was steady.
    table["wind_gust_mph"] = table["wind_gust_mph"].fillna(table["wind_speed_mph"])
    for name in TEXT_COLUMNS:
        table[name] = X[name].astype(object).fillna("unknown")
    table["hour"] = X["hour"].astype(int).astype(str)
    table["weekday"] = pd.to_datetime(X["local_date"]).dt.weekday.astype(str)
    table["route"] = table["origin"] + "-" + table["dest"]
    table["carrier_at_origin"] = table["carrier"] + "-" + table["origin"]
    table["clock_h"] = X["hour"] + X["minute"] / 60
    blows_from = np.deg2rad(X["wind_direction_deg"].astype(float))
    table["wind_north_mph"] = (np.cos(blows_from) * table["wind_speed_mph"]).fillna(0.0)
    table["wind_east_mph"] = (np.sin(blows_from) * table["wind_speed_mph"]).fillna(0.0)
    table["is_wet"] = (table["precipitation_in"] > 0).astype(float)
    table["dew_point_gap_f"] = table["temperature_f"] - table["dew_point_f"]
    return table


def _require_columns(X: Any) -> None:
    if not isinstance(X, pd.DataFrame):
        raise TypeError(f"Features need a pandas DataFrame with named columns, got {type(X).__name__}.")
    if missing := [name for name in COLUMNS if name not in X.columns]:
        raise ValueError(
            f"Features miss the columns {', '.join(missing)}: expected {', '.join(COLUMNS)}. "
            "Pass rows of a partition as the source assembles them."
        )
