"""The pipeline ``toy`` with other labels: counts that follow its signal, and three classes that do."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from include.perennial.pipeline_folder import Pipeline
from tests.training_runs import SPEC, make_toy, toy_frame

CLASSES = ("low", "middle", "high")


def counts_frame(n: int) -> pd.DataFrame:
    """The ``n``-th week of ``toy``; ``label`` is a count, larger the larger ``signal``."""
    frame = toy_frame(n)
    rate = np.exp(1 + 0.6 * frame["signal"])
    return frame.assign(label=np.random.default_rng(1000 + n).poisson(rate))


def classes_frame(n: int) -> pd.DataFrame:
    """The ``n``-th week of ``toy``; ``label`` is ``low``, ``middle`` or ``high`` as ``signal`` and chance have it."""
    frame = toy_frame(n)
    height = frame["signal"] + 0.6 * np.random.default_rng(2000 + n).normal(size=len(frame))
    return frame.assign(label=np.asarray(CLASSES)[np.digitize(height, (-0.5, 0.5))])


def _gate(**changes: Any) -> dict[str, Any]:
    gate = {name: value for name, value in SPEC["gate"].items() if name != "min_positives"}
    return {**gate, **changes}


COUNTS: dict[str, Any] = {
    "task": "regression",
    "candidates": {
        "poisson": {"estimator": "sklearn.linear_model.PoissonRegressor"},
        "boosting": {
            "estimator": "sklearn.ensemble.HistGradientBoostingRegressor",
            "params": {"loss": "poisson", "max_iter": 20},
        },
        "forest": {
            "estimator": "sklearn.ensemble.RandomForestRegressor",
            "params": {"criterion": "poisson", "n_estimators": 20, "min_samples_leaf": 10, "max_features": 1.0},
        },
    },
    "selection_metric": "mean_poisson_deviance",
    "gate": _gate(
        floors={"poisson_deviance_skill": 0.1},
        first_floors={"poisson_deviance_skill": 0.1},
        ceilings={"rmse": 10},
        compare={"metric": "mean_poisson_deviance", "margin": 0.3, "cluster": ["group", "at"], "resamples": 200},
        slices={"columns": ["group"], "min_rows": 50, "max_regression": 2},
        plausibility={"max_r2": 0.99, "max_single_feature_correlation": 0.99},
    ),
}
SPECIES: dict[str, Any] = {
    "task": "multiclass",
    "classes": list(CLASSES),
    "data": {**SPEC["data"], "columns": {**SPEC["data"]["columns"], "label": "string"}},
    "candidates": {
        "logistic": {"estimator": "sklearn.linear_model.LogisticRegression"},
        "boosting": {
            "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
            "params": {"max_iter": 10},
        },
        "forest": {
            "estimator": "sklearn.ensemble.RandomForestClassifier",
            "params": {"n_estimators": 20, "min_samples_leaf": 10},
        },
    },
    "gate": _gate(
        min_class_rows=20,
        floors={"log_loss_skill": 0.1, "balanced_accuracy": 0.5},
        first_floors={"accuracy": 0.5},
        compare={"metric": "log_loss", "margin": 0.3, "cluster": ["group", "at"], "resamples": 200},
        plausibility={"max_roc_auc": 0.99, "max_single_feature_auc": 0.99},
    ),
}


@dataclass(frozen=True)
class Kind:
    """Spec changes of a task, its data, and which candidates win as of which week."""

    changes: dict[str, Any]
    frame: Callable[[int], pd.DataFrame]
    champions: tuple[tuple[int, str], ...]

    def make(self, root: Path) -> Pipeline:
        """The pipeline ``toy`` of this kind below ``root``."""
        return make_toy(root, **self.changes)


KINDS = {
    "regression": Kind(COUNTS, counts_frame, ((3, "poisson"), (4, "boosting"))),
    "multiclass": Kind(SPECIES, classes_frame, ((3, "boosting"), (4, "logistic"))),
}
