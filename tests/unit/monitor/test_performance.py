"""Intervals and estimates of performance, held against simulation and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from benchmarks.drift_world import simulated_spec
from include.perennial.monitor import performance
from include.perennial.spec import Metric

IDENTITY = (0.0, 1.0), (0.0, 1.0)


def calibrated(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels that come exactly at the predicted rates, and the predictions."""
    random = np.random.default_rng(seed)
    p = random.beta(2, 5, n).round(3)
    return (random.random(n) < p).astype(int), p


def test_the_estimate_is_right_when_predictions_are_calibrated() -> None:
    y, p = calibrated(200_000)
    estimated = performance.estimate(*IDENTITY, p).metrics

    assert estimated["roc_auc"] == pytest.approx(roc_auc_score(y, p), abs=0.005)
    assert estimated["log_loss"] == pytest.approx(log_loss(y, p), abs=0.005)
    assert estimated["brier"] == pytest.approx(brier_score_loss(y, p), abs=0.005)
    assert estimated["positive_rate"] == pytest.approx(y.mean(), abs=0.005)


def test_the_estimate_follows_the_rates_that_the_window_showed() -> None:
    _, p = calibrated(5000)

    assert performance.estimate((0.0, 1.0), (0.0, 0.5), p).metrics["positive_rate"] == pytest.approx(p.mean() / 2)


def test_certain_predictions_have_finite_estimates_and_no_auc() -> None:
    estimated = performance.estimate(*IDENTITY, np.ones(10)).metrics

    assert "roc_auc" not in estimated
    assert all(np.isfinite(value) for value in estimated.values())


@pytest.mark.parametrize("metric", [Metric.ROC_AUC, Metric.LOG_LOSS, Metric.BRIER])
def test_the_interval_holds_the_value_and_is_wider_when_rows_share_their_luck(metric: Metric) -> None:
    spec = simulated_spec()
    compare = spec.gate.compare.model_copy(update={"metric": metric})
    spec = spec.model_copy(update={"gate": spec.gate.model_copy(update={"compare": compare})})
    random = np.random.default_rng(0)
    luck = np.repeat(random.normal(size=20), 100)
    y = (random.random(2000) < 1 / (1 + np.exp(-luck))).astype(int)
    p = np.repeat(random.uniform(0.3, 0.7, 20), 100) + 0.1 * (random.random(2000) - 0.5)
    together, apart = (
        performance.interval(spec, pd.DataFrame({"day": days}), y, p)
        for days in (np.repeat(np.arange(20), 100), np.arange(2000))
    )
    assert together is not None
    assert apart is not None

    value = {Metric.ROC_AUC: roc_auc_score, Metric.LOG_LOSS: log_loss, Metric.BRIER: brier_score_loss}[metric](y, p)
    assert together[0] < value < together[1]
    assert apart[0] < value < apart[1]
    assert together[1] - together[0] > apart[1] - apart[0]


def test_too_few_clusters_give_no_interval() -> None:
    y, p = calibrated(400)

    assert performance.interval(simulated_spec(), pd.DataFrame({"day": ["one"] * 400}), y, p) is None
