"""Hour, kind of day and weather as numbers; hour and weekday one by one as well, since demand is no line in them."""

from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

NUMBERS = ("temperature", "humidity", "wind_speed", "holiday", "working_day", "hour")
WEATHERS = ("clear", "cloudy/misty", "light rain/snow", "heavy rain/snow")
HOURS, WEEKDAYS = range(24), range(7)


class Features(TransformerMixin, BaseEstimator):
    """A matrix of shape ``(rows, 65)``; a weather that is not known is none of the four."""

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:
        """Learn the medians that stand for missing numbers."""
        self.medians_ = X[list(NUMBERS)].astype(float).median().fillna(0).to_dict()
        return self

    def transform(self, X: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Numbers, then one column per weather, weekday, and hour of a working or of a free day."""
        numbers = [X[name].astype(float).fillna(self.medians_[name]) for name in NUMBERS]
        hour, working = X["hour"].to_numpy(), X["working_day"].to_numpy() == 1
        flags = [X["weather"].to_numpy() == name for name in WEATHERS]
        flags += [X["weekday"].to_numpy() == day for day in WEEKDAYS]
        flags += [(hour == one) & (working == kind) for kind in (True, False) for one in HOURS]
        return np.column_stack([np.asarray(column, dtype=float) for column in (*numbers, *flags)])

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Names of the columns of ``transform``."""
        names = [*NUMBERS, *(f"weather {name}" for name in WEATHERS), *(f"weekday {day}" for day in WEEKDAYS)]
        names += [f"{kind} day {hour}:00" for kind in ("working", "free") for hour in HOURS]
        return np.array(names, dtype=object)
