"""The four measures of a flower, in centimetres."""

from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

MEASURES = ("sepal_length_cm", "sepal_width_cm", "petal_length_cm", "petal_width_cm")


class Features(TransformerMixin, BaseEstimator):
    """A matrix of shape ``(rows, 4)``."""

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:
        """Learn nothing."""
        self.n_features_out_ = len(MEASURES)
        return self

    def transform(self, X: pd.DataFrame) -> npt.NDArray[np.float64]:
        """The measures, in a fixed order."""
        return X[list(MEASURES)].to_numpy(dtype=float)

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Names of the columns of ``transform``."""
        return np.array(MEASURES, dtype=object)
