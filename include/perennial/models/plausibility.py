"""How much one feature alone tells about the label: a leak often stands alone."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.gate.arrays import Labels
from include.perennial.gate.tasks import BINARY, Task
from include.perennial.models.estimators import FEATURES_STEP

_MAX_FEATURES = 2000


def single_feature_auc(model: SklearnPipeline, x: pd.DataFrame, y: Labels, task: Task = BINARY) -> dict[str, float]:
    """ROC AUC, in either direction, of each feature that ``model`` makes of ``x``, and of its being missing.

    Of a regression it is the rank correlation without its sign, of more classes the mean AUC of one against the rest.

    What the model sees is measured, not what was delivered: a leak that no feature uses does no harm.
    Of a category, the order of its codes says nothing, so it is scored by the label's rate or mean in it, learned
    on every other row and measured on the rest.
    """
    features = _frame(model, x)
    scores: dict[str, float] = {}
    for name, column in features.items():
        missing = column.isna().to_numpy()
        if 0 < missing.sum() < len(missing):
            scores[f"{name} (missing)"] = task.feature_score(y, missing)
        if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype == object:
            scores[str(name)] = task.category_scores(column.astype(str).reset_index(drop=True), y)
        else:
            values = column.to_numpy(dtype=float)
            finite = np.isfinite(values)
            scores[str(name)] = task.feature_score(y[finite], values[finite])
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


def category_auc(column: "pd.Series[Any]", y: Labels) -> float:
    """ROC AUC of a category's label rate, learned on every other row and measured on the rest."""
    return BINARY.category_scores(column.astype(str).reset_index(drop=True), y)


def either_way_auc(y: Labels, values: npt.NDArray[Any]) -> float:
    """ROC AUC of ``values``, or of their negatives if that is larger."""
    return BINARY.feature_score(y, values)
