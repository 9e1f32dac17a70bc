"""Two equally good models: how often does an interval call one of them worse? Nominal is 5 %.

This repeats the trial that ``bootstrap`` leans on: with rows that share luck, the interval over clusters
keeps its promise down to few clusters and the interval over rows does not.
"""

import numpy as np
import pytest
from scipy.stats import binom

from include.perennial.gate.bootstrap import MIN_CLUSTERS, paired_difference
from include.perennial.spec import Metric

NOMINAL, SURE = 0.05, 0.999
ROWS_PER_CLUSTER = 60


def false_alarms(metric, clusters, trials, resample_rows=False):
    """Number of trials whose interval excludes the true difference, zero."""
    return sum(_excludes_zero(metric, clusters, np.random.default_rng(i), resample_rows) for i in range(trials))


def _excludes_zero(metric, clusters, rng, resample_rows):
    codes = np.repeat(np.arange(clusters), ROWS_PER_CLUSTER)
    skill = rng.normal(size=len(codes))
    rate_shift = 0.6 * rng.normal(size=clusters)[codes]
    y = (rng.random(len(codes)) < 1 / (1 + np.exp(-(skill - 1 + rate_shift)))).astype(int)
    # Each model errs by a row's noise and by a cluster's; both draw theirs alike, so neither is better.
    scores = [skill + 0.5 * rng.normal(size=clusters)[codes] + 0.5 * rng.normal(size=len(codes)) for _ in range(2)]
    ours, theirs = (1 / (1 + np.exp(-(score - 1))) for score in scores)
    drawn = np.arange(len(codes)) if resample_rows else codes
    low, high = paired_difference(metric, y, ours, theirs, drawn, resamples=200, seed=1).interval
    return low > 0 or high < 0


def most_expected(trials):
    """A count that an honest interval exceeds once in a thousand campaigns."""
    return binom.ppf(SURE, trials, NOMINAL)


@pytest.mark.parametrize("metric", [Metric.ROC_AUC, Metric.LOG_LOSS])
def test_the_clustered_interval_keeps_its_promise_over_the_clusters_of_a_week(metric):
    assert false_alarms(metric, 21, 250) <= most_expected(250)


def test_an_interval_over_rows_is_overconfident():
    assert false_alarms(Metric.ROC_AUC, 21, 120, resample_rows=True) > most_expected(120)


@pytest.mark.heavy
@pytest.mark.parametrize("metric", [Metric.ROC_AUC, Metric.LOG_LOSS, Metric.BRIER])
@pytest.mark.parametrize("clusters", [MIN_CLUSTERS, 7, 21, 60])
def test_the_clustered_interval_keeps_its_promise(metric, clusters):
    alarms = false_alarms(metric, clusters, 3000)
    assert alarms <= most_expected(3000)
    # Cautious with few clusters, but never so cautious that it would miss everything.
    assert alarms >= 3000 * 0.01


@pytest.mark.heavy
@pytest.mark.parametrize("clusters", [7, 21, 60])
def test_an_interval_over_rows_is_overconfident_whatever_the_number_of_clusters(clusters):
    assert false_alarms(Metric.ROC_AUC, clusters, 600, resample_rows=True) > 2 * most_expected(600)
