"""Metrics of each task are scikit-learn's, and what is undefined is not a number."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as sk
from sklearn.linear_model import LinearRegression, LogisticRegression

from include.perennial.gate.tasks import BINARY, REGRESSION, Multiclass
from include.perennial.spec import Metric

SPECIES = Multiclass(("setosa", "versicolor", "virginica"))
COUNTS = arrays(float, st.integers(2, 40), elements=st.integers(0, 50).map(float))
RATES = st.floats(0.01, 60)


@st.composite
def counted(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Counts that are not all equal, and positive predictions."""
    y = draw(COUNTS.filter(lambda y: np.ptp(y) > 0))
    return y, draw(arrays(float, len(y), elements=RATES))


@st.composite
def classified(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels with each of three classes, and probabilities."""
    y = np.array([0, 1, 2, *draw(st.lists(st.integers(0, 2), max_size=30))])
    weights = draw(arrays(float, (len(y), 3), elements=st.floats(0.01, 1)))
    return y, weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("metric", "theirs"),
    [
        (Metric.RMSE, sk.root_mean_squared_error),
        (Metric.MAE, sk.mean_absolute_error),
        (Metric.R2, sk.r2_score),
        (Metric.MEAN_POISSON_DEVIANCE, sk.mean_poisson_deviance),
    ],
)
@given(rows=counted())
def test_a_metric_of_a_regression_is_scikit_learns(metric, theirs, rows):
    y, p = rows
    assert REGRESSION.measure(metric, y, p) == pytest.approx(theirs(y, p), rel=1e-9, abs=1e-9)


@given(rows=counted())
def test_skill_is_the_share_of_the_constant_forecasts_loss_that_is_avoided(rows):
    y, p = rows
    trivial = np.full(len(y), y.mean())
    skill = 1 - sk.mean_squared_error(y, p) / sk.mean_squared_error(y, trivial)
    of_counts = sk.d2_tweedie_score(y, p, power=1)
    assert REGRESSION.measure(Metric.MSE_SKILL, y, p, float(y.mean())) == pytest.approx(skill)
    assert REGRESSION.measure(Metric.POISSON_DEVIANCE_SKILL, y, p, float(y.mean())) == pytest.approx(of_counts)
    assert REGRESSION.measure(Metric.MSE_SKILL, y, trivial, float(y.mean())) == pytest.approx(0)


@pytest.mark.parametrize(
    ("metric", "theirs"),
    [
        (Metric.LOG_LOSS, lambda y, p: sk.log_loss(y, p, labels=[0, 1, 2])),
        (Metric.ROC_AUC, lambda y, p: sk.roc_auc_score(y, p, multi_class="ovr")),
        (Metric.ACCURACY, lambda y, p: sk.accuracy_score(y, p.argmax(axis=1))),
        (Metric.BALANCED_ACCURACY, lambda y, p: sk.balanced_accuracy_score(y, p.argmax(axis=1))),
        (Metric.F1_MACRO, lambda y, p: sk.f1_score(y, p.argmax(axis=1), average="macro")),
    ],
)
@given(rows=classified())
def test_a_metric_of_many_classes_is_scikit_learns(metric, theirs, rows):
    y, p = rows
    assert SPECIES.measure(metric, y, p) == pytest.approx(theirs(y, p))


@given(rows=classified())
def test_the_training_shares_have_no_skill(rows):
    y, _ = rows
    shares = SPECIES.baseline(y)
    assert SPECIES.measure(Metric.LOG_LOSS_SKILL, y, SPECIES.constant(shares, len(y)), shares) == pytest.approx(0)


@pytest.mark.parametrize("metric", REGRESSION.metrics)
@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_metric_of_what_is_no_number_is_undefined(metric, broken):
    assert math.isnan(REGRESSION.measure(metric, np.array([1.0, 2.0]), np.array([1.0, broken]), 1.5))


@pytest.mark.parametrize("metric", [Metric.MEAN_POISSON_DEVIANCE, Metric.POISSON_DEVIANCE_SKILL])
@pytest.mark.parametrize(("y", "p"), [([1, 2], [1, 0]), ([1, 2], [1, -1]), ([-1, 2], [1, 2])])
def test_the_poisson_deviance_is_of_counts(metric, y, p):
    assert math.isnan(REGRESSION.measure(metric, np.array(y, float), np.array(p, float), 1.5))


@pytest.mark.parametrize("metric", SPECIES.metrics)
def test_probabilities_that_do_not_add_up_are_none(metric):
    assert math.isnan(SPECIES.measure(metric, np.array([0, 1, 2]), np.full((3, 3), 0.5), (0.3, 0.3, 0.4)))


@pytest.mark.parametrize("task", [BINARY, REGRESSION, SPECIES], ids=lambda task: str(task.kind))
def test_no_task_has_a_metric_of_another(task):
    y, p = (
        np.array([0, 1, 2]) if task is SPECIES else np.array([0, 1, 1]),
        task.constant(task.baseline(np.array([0, 1, 1])), 3),
    )
    assert all(math.isnan(task.measure(metric, y, p)) for metric in set(Metric) - set(task.metrics))


@pytest.mark.parametrize("task", [REGRESSION, SPECIES], ids=lambda task: str(task.kind))
def test_some_forecast_is_worth_the_same_on_any_rows(task):
    y = np.tile([0, 1, 2], 20)
    p = task.same_in_every_resample(y)
    for metric in task.comparable:
        values = [task.measure(metric, y[rows], p[rows]) for rows in (slice(0, 60), slice(0, 9), slice(30, 33))]
        assert np.ptp(values) < 1e-8


def test_labels_are_encoded_by_the_classes_of_the_spec():
    codes = SPECIES.encode(pd.Series(["virginica", "setosa", None, "rose"]))
    assert codes[:2].tolist() == [2, 0]
    assert np.isnan(codes[2:]).all()


def test_classes_may_be_integers_with_gaps():
    codes = Multiclass(("3", "4", "5")).encode(pd.Series([5, np.nan, 3, 9]))
    assert codes[[0, 2]].tolist() == [2, 0]
    assert np.isnan(codes[[1, 3]]).all()


def test_columns_of_probabilities_follow_the_spec_and_not_the_model():
    x, y = np.arange(9.0).reshape(-1, 1), np.array([2, 2, 2, 0, 0, 0, 2, 2, 2])
    model = LogisticRegression().fit(x, SPECIES.targets(y))
    p = SPECIES.predict(model, x)
    assert (p[:, 1] == 0).all()
    assert p[4, 0] == model.predict_proba(x)[4, list(model.classes_).index("setosa")]


def test_a_model_of_other_classes_or_of_another_task_cannot_predict():
    x, y = np.arange(9.0).reshape(-1, 1), np.array(["rose"] * 4 + ["setosa"] * 5)
    model = LogisticRegression().fit(x, y)
    with pytest.raises(ValueError, match="knows class 'rose'"):
        SPECIES.predict(model, x)
    with pytest.raises(ValueError, match="is a classifier"):
        REGRESSION.predict(model, x)


@pytest.mark.parametrize(
    ("task", "wrong", "right"),
    [
        (REGRESSION, LogisticRegression(), LinearRegression()),
        (SPECIES, LinearRegression(), LogisticRegression()),
        (BINARY, LinearRegression(), LogisticRegression()),
    ],
    ids=["regression", "multiclass", "binary"],
)
def test_an_estimator_of_another_task_is_refused(task, wrong, right):
    assert task.estimator_problem(wrong).startswith("must have fit and")
    assert task.estimator_problem(right) == ""


def test_a_feature_that_is_the_label_is_recognised_in_the_terms_of_the_task():
    y = np.tile([0, 1, 2], 20)
    noise = np.random.default_rng(0).normal(size=60)
    for task in (REGRESSION, SPECIES):
        assert task.feature_score(y, -y) > 0.8
        assert task.category_scores(pd.Series(y).map(str), y) > 0.99
        assert task.feature_score(y, noise) < 0.7


def test_the_log_holds_what_was_predicted():
    p = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
    logged = SPECIES.logged(p)
    assert logged["class"].tolist() == ["versicolor", "setosa"]
    assert np.array_equal(SPECIES.read_logged(pd.DataFrame(logged)), p)
    numbers = np.array([1.5, -2.0])
    assert np.array_equal(REGRESSION.read_logged(pd.DataFrame(REGRESSION.logged(numbers))), numbers)
