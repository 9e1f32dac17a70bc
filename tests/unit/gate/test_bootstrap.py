import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ttest_1samp
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from include.perennial.gate import bootstrap
from include.perennial.gate.bootstrap import MIN_CLUSTERS, paired_difference
from include.perennial.spec import COMPARABLE, Metric

METRICS = sorted(COMPARABLE)
few = settings(max_examples=30, deadline=None)
GRID = 64
"""Scores are multiples of 1/64, so that ties are common and strictly increasing maps stay strict in floats."""


@st.composite
def holdouts(draw, min_clusters=MIN_CLUSTERS):
    """Labels of both classes, two models' probabilities with ties, cluster codes."""
    n = draw(st.integers(2 * min_clusters, 60))
    y = draw(arrays(np.int64, n, elements=st.integers(0, 1)))
    y[:2] = 0, 1
    scores = arrays(np.int64, n, elements=st.integers(0, GRID))
    clusters = draw(arrays(np.int64, n, elements=st.integers(0, 3 * min_clusters)))
    clusters[:min_clusters] = np.arange(min_clusters)
    return y, draw(scores) / GRID, draw(scores) / GRID, clusters


def measured(metric, holdout, **options):
    y, ours, theirs, clusters = holdout
    return paired_difference(metric, y, ours, theirs, clusters, **{"resamples": 60, **options})


@pytest.mark.parametrize("metric", METRICS)
@few
@given(holdout=holdouts())
def test_equal_predictions_never_differ(metric, holdout):
    y, ours, _, clusters = holdout
    difference = measured(metric, (y, ours, ours, clusters))
    assert difference.improvement == 0
    assert not difference.is_sure or difference.interval == (0, 0)


@pytest.mark.parametrize("metric", METRICS)
@few
@given(holdout=holdouts())
def test_swapping_the_models_mirrors_the_interval(metric, holdout):
    y, ours, theirs, clusters = holdout
    there, back = measured(metric, holdout), measured(metric, (y, theirs, ours, clusters))
    assert back.improvement == pytest.approx(-there.improvement)
    assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]), nan_ok=True)


@pytest.mark.parametrize("change", [np.sqrt, np.square, lambda p: 0.2 + p / 3], ids=["root", "square", "affine"])
@few
@given(holdout=holdouts())
def test_a_strictly_increasing_map_leaves_the_auc_difference_unchanged(change, holdout):
    y, ours, theirs, clusters = holdout
    before, after = measured(Metric.ROC_AUC, holdout), measured(Metric.ROC_AUC, (y, change(ours), theirs, clusters))
    assert after.improvement == pytest.approx(before.improvement)
    assert after.interval == pytest.approx(before.interval, nan_ok=True)


@pytest.mark.parametrize("metric", METRICS)
@few
@given(holdout=holdouts())
def test_positive_means_that_the_candidate_is_better(metric, holdout):
    y, ours, theirs, _ = holdout
    scorer = {Metric.ROC_AUC: roc_auc_score, Metric.BRIER: brier_score_loss, Metric.LOG_LOSS: log_loss}[metric]
    sign = 1 if metric is Metric.ROC_AUC else -1
    expected = sign * (scorer(y, ours) - scorer(y, theirs))
    assert measured(metric, holdout).improvement == pytest.approx(expected)


def statistic(metric, pairs_won=None):
    def build(y, ours, theirs, codes, n, monkeypatch):
        if metric is not Metric.ROC_AUC:
            return bootstrap._mean_difference(metric)(y, ours, theirs, codes, n)
        monkeypatch.setattr(bootstrap, "_MAX_CLUSTERS_FOR_PAIRS", {"matrix": n, "ranks": 0}[pairs_won])
        return bootstrap._auc_difference(y, ours, theirs, codes, n)

    return build


@pytest.mark.parametrize(
    ("build", "scorer", "sign"),
    [
        pytest.param(statistic(Metric.ROC_AUC, "matrix"), roc_auc_score, 1, id="roc_auc by matrix"),
        pytest.param(statistic(Metric.ROC_AUC, "ranks"), roc_auc_score, 1, id="roc_auc by ranks"),
        pytest.param(statistic(Metric.LOG_LOSS), log_loss, -1, id="log_loss"),
        pytest.param(statistic(Metric.BRIER), brier_score_loss, -1, id="brier"),
    ],
)
@few
@given(holdout=holdouts(), seed=st.integers(0, 99))
def test_a_resample_is_scikit_learns_metric_with_row_weights(build, scorer, sign, holdout, seed):
    y, ours, theirs, clusters = holdout
    labels, codes = np.unique(clusters, return_inverse=True)
    counts = np.random.default_rng(seed).integers(1, 4, size=(2, len(labels))).astype(float)
    with pytest.MonkeyPatch.context() as monkeypatch:
        drawn = build(y, ours, theirs, codes, len(labels), monkeypatch)(counts)
    for weights, value in zip(counts[:, codes], drawn, strict=True):
        expected = scorer(y, ours, sample_weight=weights) - scorer(y, theirs, sample_weight=weights)
        assert value == pytest.approx(sign * expected, abs=1e-9)


@few
@given(clusters=st.integers(1, 50), seed=st.integers(0, 99))
def test_a_resample_draws_as_many_clusters_as_there_are(clusters, seed):
    counts = np.concatenate(list(bootstrap._cluster_counts(clusters, 20, 7, seed)))
    assert counts.shape == (20, clusters)
    assert (counts.sum(axis=1) == clusters).all()


def test_chunks_change_no_draw():
    whole, pieces = (np.concatenate(list(bootstrap._cluster_counts(30, 100, chunk, 5))) for chunk in (100, 7))
    assert (whole == pieces).all()


def test_the_same_seed_gives_the_same_interval_and_another_seed_a_close_one(world):
    holdout = (world.y, world.model(0.5), world.model(0.8), world.clusters)
    first, again, other = (measured(Metric.ROC_AUC, holdout, resamples=1000, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.interval != other.interval
    assert first.interval == pytest.approx(other.interval, abs=0.003)


def test_more_confidence_makes_a_wider_interval_around_the_same_estimate(world):
    holdout = (world.y, world.model(0.5), world.model(0.8), world.clusters)
    narrow, wide = (measured(Metric.BRIER, holdout, confidence=confidence) for confidence in (0.8, 0.99))
    assert wide.interval[0] < narrow.interval[0] < narrow.improvement < narrow.interval[1] < wide.interval[1]


def test_for_a_mean_over_equal_clusters_the_interval_is_the_textbooks():
    rng = np.random.default_rng(0)
    y, (ours, theirs), clusters = rng.integers(0, 2, 600), rng.random((2, 600)), np.arange(600) % 6
    gains = [np.mean((y - theirs)[clusters == c] ** 2 - (y - ours)[clusters == c] ** 2) for c in range(6)]
    textbook = ttest_1samp(gains, 0).confidence_interval(0.95)
    found = measured(Metric.BRIER, (y, ours, theirs, clusters), resamples=20_000)
    assert found.interval[1] - found.interval[0] == pytest.approx(textbook.high - textbook.low, rel=0.03)


@pytest.mark.parametrize("metric", METRICS)
def test_too_few_clusters_give_no_interval(metric, world):
    few = np.arange(len(world.y)) % (MIN_CLUSTERS - 1)
    difference = measured(metric, (world.y, world.model(0.5), world.model(0.8), few))
    assert difference.clusters == MIN_CLUSTERS - 1
    assert not difference.is_sure


def test_one_class_gives_no_interval(world):
    difference = measured(Metric.ROC_AUC, (np.zeros_like(world.y), world.model(0.5), world.model(0.8), world.clusters))
    assert not difference.is_sure
    assert difference.degenerate == difference.resamples


def test_resamples_without_positives_are_counted_and_many_of_them_give_no_interval(world):
    y = np.where(world.clusters == 0, world.y, 0)
    difference = measured(Metric.ROC_AUC, (y, world.model(0.5), world.model(0.8), world.clusters), resamples=2000)
    # A given cluster is missing from a resample with probability (1 - 1/40) ** 40 = 0.363.
    assert difference.degenerate / 2000 == pytest.approx(0.363, abs=0.04)
    assert not difference.is_sure


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"metric": Metric.F1}, "cannot be compared", id="metric"),
        pytest.param({"p_champion": np.full(9, 0.5)}, "differ in length", id="length"),
        pytest.param({"p_champion": np.full(10, np.nan)}, "of the champion are not", id="champion nan"),
        pytest.param({"p_candidate": np.full(10, 2.0)}, "of the candidate are not", id="candidate above one"),
    ],
)
def test_input_that_cannot_be_compared_is_refused(changes, message):
    sound = {"metric": Metric.BRIER, "y": np.arange(10) % 2, "clusters": np.arange(10)}
    sound |= {"p_candidate": np.full(10, 0.5), "p_champion": np.full(10, 0.4)}
    with pytest.raises(ValueError, match=message):
        paired_difference(**{**sound, **changes})
