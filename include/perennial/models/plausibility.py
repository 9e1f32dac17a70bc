"""How much one feature alone tells about the label: a leak often stands alone."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.gate.evidence import Integers
from include.perennial.models.estimators import FEATURES_STEP
from include.perennial.models.metrics import rank_auc

_MAX_FEATURES = 2000


def single_feature_auc(model: SklearnPipeline, x: pd.DataFrame, y: Integers) -> dict[str, float]:
    """ROC AUC, in either direction, of each feature that ``model`` makes of ``x``, and of its being missing.

    What the model sees is measured, not what was delivered: a leak that no feature uses does no harm.
    Of a category, the order of its codes says nothing, so it is scored by the label's rate in it, learned
    on every other row and measured on the rest.
    """
    features = _frame(model, x)
    scores: dict[str, float] = {}
    for name, column in features.items():
        missing = column.isna().to_numpy()
        if 0 < missing.sum() < len(missing):
            scores[f"{name} (missing)"] = either_way_auc(y, missing)
        if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype == object:
            scores[str(name)] = category_auc(column, y)
        else:
            values = column.to_numpy(dtype=float)
            finite = np.isfinite(values)
            scores[str(name)] = either_way_auc(y[finite], values[finite])
    return scores


def _frame(model: SklearnPipeline, x: pd.DataFrame) -> pd.DataFrame:
    transformer = model.named_steps[FEATURES_STEP]
    features = transformer.transform(x)
    if isinstance(features, pd.DataFrame):
        return features.iloc[:, :_MAX_FEATURES]
    features = features[:, :_MAX_FEATURES]
    dense = features.toarray() if sparse.issparse(features) else np.asarray(features)
    return pd.DataFrame(dense, columns=_names(transformer, dense.shape[1]))


def _names(transformer: Any, n: int) -> list[str]:
    try:
        names = [str(name) for name in transformer.get_feature_names_out()][:n]
    except (AttributeError, TypeError, ValueError):
        # A transformer need not name its features; here names only make messages readable.
        names = []
    return names if len(names) == n else [f"feature {i}" for i in range(n)]


def category_auc(column: "pd.Series[Any]", y: Integers) -> float:
    """ROC AUC of a category's label rate, learned on every other row and measured on the rest."""
    learn = np.arange(len(y)) % 2 == 0
    groups = column.astype(str).to_numpy()
    rates = pd.Series(y[learn]).groupby(groups[learn]).mean()
    return either_way_auc(y[~learn], pd.Series(groups[~learn]).map(rates).fillna(y[learn].mean()).to_numpy())


def either_way_auc(y: Integers, values: npt.NDArray[np.generic]) -> float:
    """ROC AUC of ``values``, or of their negatives if that is larger."""
    auc = rank_auc(y, values)
    return max(auc, 1 - auc)
