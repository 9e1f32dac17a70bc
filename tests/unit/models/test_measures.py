"""Metrics, importance, plausibility, behaviour and curves of a model."""

import struct
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.models import behaviour, plots
from include.perennial.models.frames import Labelled
from include.perennial.models.metrics import measure_all, rank_auc
from include.perennial.models.plausibility import single_feature_auc
from include.perennial.spec import METRICS

Fit = Callable[[str], SklearnPipeline]


def test_all_metrics_of_the_spec_are_measured() -> None:
    values = measure_all(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9]), 0.5)

    assert values.keys() == {*METRICS["binary"], "calibration_error", "positive_rate"}
    assert values["roc_auc"] == 0.75
    assert values["accuracy"] == 0.5


def test_a_metric_that_is_undefined_is_left_out() -> None:
    values = measure_all(np.array([1, 1]), np.array([0.2, 0.4]), 0.5)

    assert "roc_auc" not in values
    assert "log_loss" in values


@pytest.mark.parametrize("values", [[0.1, 0.1, 0.9, 0.3], [1, 1, 1, 1], [4, 3, 2, 1]], ids=["ties", "equal", "wrong"])
def test_the_rank_auc_is_the_roc_auc(values: list[float]) -> None:
    y = np.array([0, 1, 1, 0])

    assert rank_auc(y, np.array(values)) == pytest.approx(roc_auc_score(y, values))


def test_the_rank_auc_of_one_class_is_a_half() -> None:
    assert rank_auc(np.array([1, 1]), np.array([0.1, 0.2])) == 0.5


def test_the_positive_probability_is_that_of_class_one(fitted: Fit, rows: Labelled) -> None:
    p = behaviour.positive_probability(fitted("logistic"), rows.x)

    assert p.shape == (len(rows),)
    assert p[rows.y == 1].mean() > p[rows.y == 0].mean() + 0.2


def test_a_model_that_is_loaded_unchanged_shows_no_difference(fitted: Fit, rows: Labelled) -> None:
    model = fitted("boosting")
    seen = behaviour.observe(model, model, rows.x, 2_000_000)

    assert (seen.finite, seen.constant, seen.round_trip_max_abs_diff, seen.megabytes) == (True, False, 0.0, 2.0)
    assert 0 < seen.ms_per_1000_rows < 60_000


def test_a_loaded_model_that_predicts_otherwise_is_noticed(fitted: Fit, rows: Labelled) -> None:
    assert behaviour.observe(fitted("boosting"), fitted("logistic"), rows.x, 1).round_trip_max_abs_diff > 0.01


class _Fixed:
    """A model that always says ``value``."""

    classes_ = (0, 1)

    def __init__(self, value: float) -> None:
        self.value = value

    def predict_proba(self, x: pd.DataFrame) -> np.ndarray:
        return np.full((len(x), 2), self.value)


@pytest.mark.parametrize(
    ("value", "finite"), [(0.5, True), (1.5, False), (float("nan"), False)], ids=["constant", "above one", "NaN"]
)
def test_predictions_that_are_constant_or_no_probabilities_are_noticed(
    value: float, finite: bool, rows: Labelled
) -> None:
    seen = behaviour.observe(_Fixed(value), _Fixed(value), rows.x, 1)

    assert seen.finite is finite
    assert seen.constant is not np.isnan(value)


def test_the_column_that_the_label_follows_is_the_most_important(fitted: Fit, rows: Labelled) -> None:
    falls = plots.permutation_importance(fitted("logistic"), rows.x, rows.y, seed=1)

    assert list(falls) == sorted(falls, key=lambda column: -falls[column])
    assert next(iter(falls)) == "signal"
    assert falls["signal"] > 0.2
    assert falls["id"] == 0


def test_importance_is_the_same_for_the_same_seed(fitted: Fit, rows: Labelled) -> None:
    def measure(seed: int) -> dict[str, float]:
        return plots.permutation_importance(fitted("logistic"), rows.x, rows.y, seed=seed)

    assert measure(1) == measure(1)
    assert measure(1) != measure(2)


def test_the_curves_are_one_picture_and_equal_for_equal_predictions(rows: Labelled) -> None:
    p = np.random.default_rng(0).random(len(rows))
    picture = plots.curves(rows.y, p)

    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", picture[16:24]) == (720, 640)
    assert plots.curves(rows.y, p) == picture
    assert plots.curves(rows.y, 1 - p) != picture


def test_what_one_feature_tells_is_measured_of_what_the_model_sees(fitted: Fit, rows: Labelled) -> None:
    scores = single_feature_auc(fitted("logistic"), rows.x, rows.y)

    assert scores.keys() == {"signal", "group", "noise"}
    assert scores["signal"] == pytest.approx(roc_auc_score(rows.y, rows.x["signal"]))
    assert scores["group"] < 0.6


class _Passing(TransformerMixin, BaseEstimator):
    """Gives the columns on as they are."""

    def fit(self, x: pd.DataFrame, y: object = None) -> "_Passing":
        return self

    def transform(self, x: pd.DataFrame) -> pd.DataFrame:
        return x


def _alone(name: str, values: object, y: np.ndarray) -> dict[str, float]:
    return single_feature_auc(SklearnPipeline([("features", _Passing())]), pd.DataFrame({name: values}), y)


def test_a_leak_stands_out_in_either_direction_and_as_a_missing_value() -> None:
    y = np.arange(200) % 2

    assert _alone("late", -y, y) == {"late": 1.0}
    assert _alone("plane", np.where(y == 1, np.nan, 3.0), y) == {"plane (missing)": 1.0, "plane": 0.5}


def test_a_category_is_scored_by_rates_learned_on_other_rows() -> None:
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 4000)

    leak = _alone("leak", np.where(y == 1, "x", "y"), y)["leak"]
    many = _alone("many", random.integers(0, 1500, 4000).astype(str), y)["many"]

    assert leak == 1.0
    assert many < 0.56
