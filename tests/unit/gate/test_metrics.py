import math

import numpy as np
import pytest
from sklearn.metrics import log_loss

from include.perennial.gate.metrics import are_probabilities, baseline_log_loss, calibration_error, measure
from include.perennial.spec import Metric

Y = np.array([0, 0, 1, 1])
P = np.array([0.1, 0.6, 0.4, 0.9])


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (Metric.ROC_AUC, 0.75),
        (Metric.AVERAGE_PRECISION, 0.5 + 0.5 * 2 / 3),
        (Metric.LOG_LOSS, -np.mean(np.log([0.9, 0.4, 0.4, 0.9]))),
        (Metric.BRIER, np.mean([0.01, 0.36, 0.36, 0.01])),
        (Metric.ACCURACY, 0.5),
        (Metric.F1, 0.5),
        (Metric.LOG_LOSS_SKILL, 1 + np.mean(np.log([0.9, 0.4, 0.4, 0.9])) / np.log(2)),
    ],
)
def test_a_metric_is_its_definition(metric, expected):
    assert measure(metric, Y, P, training_rate=0.5) == pytest.approx(expected)


def test_the_constant_forecast_has_no_skill():
    assert measure(Metric.LOG_LOSS_SKILL, Y, np.full(4, 0.3), training_rate=0.3) == pytest.approx(0)


def test_the_baseline_is_the_log_loss_of_the_constant_forecast():
    assert baseline_log_loss(Y, 0.3) == pytest.approx(log_loss(Y, np.full(4, 0.3)))


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize(
    "p", [[0.1, np.nan, 0.4, 0.9], [0.1, np.inf, 0.4, 0.9], [0.1, 1.2, 0.4, 0.9]], ids=["nan", "infinite", "above one"]
)
def test_a_metric_of_what_is_no_probability_is_undefined(metric, p):
    assert math.isnan(measure(metric, Y, np.array(p), training_rate=0.5))


@pytest.mark.parametrize("metric", [Metric.ROC_AUC, Metric.AVERAGE_PRECISION])
@pytest.mark.parametrize("label", [0, 1])
def test_a_ranking_of_one_class_is_undefined(metric, label):
    assert math.isnan(measure(metric, np.full(4, label), P))


@pytest.mark.parametrize("metric", list(Metric))
def test_a_metric_of_no_rows_is_undefined(metric):
    assert math.isnan(measure(metric, np.array([], int), np.array([]), training_rate=0.5))


@pytest.mark.parametrize("rate", [0.0, 1.0, math.nan])
def test_skill_over_an_impossible_baseline_is_undefined(rate):
    assert math.isnan(measure(Metric.LOG_LOSS_SKILL, Y, P, training_rate=rate))


def test_calibration_error_of_a_shifted_forecast_is_the_shift():
    y = np.tile([0, 1], 500)
    assert calibration_error(y, np.full(1000, 0.7)) == pytest.approx(0.2)


def test_calibration_error_of_a_true_forecast_is_small():
    rng = np.random.default_rng(0)
    p = rng.random(50_000)
    assert calibration_error((rng.random(50_000) < p).astype(int), p) < 0.01


def test_calibration_error_finds_opposite_errors_that_cancel_on_average():
    y = np.repeat([0, 1], 500)
    p = np.repeat([0.4, 0.6], 500)
    assert calibration_error(y, p) == pytest.approx(0.4)


def test_calibration_error_does_not_depend_on_row_order(world):
    p = np.round(world.model(0.5), 1)
    shuffled = np.random.default_rng(0).permutation(len(p))
    assert calibration_error(world.y[shuffled], p[shuffled]) == pytest.approx(calibration_error(world.y, p))


def test_no_rows_are_no_probabilities():
    assert not are_probabilities(np.array([]))
    assert math.isnan(calibration_error(np.array([], int), np.array([])))
