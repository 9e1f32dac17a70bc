import dataclasses

import numpy as np
import pytest

from include.perennial.contracts import CheckStatus
from include.perennial.gate.bootstrap import PairedDifference
from include.perennial.gate.comparison import Reading, comparison_check, read_interval
from include.perennial.gate.evidence import Comparison
from include.perennial.spec import Metric

MARGIN = 0.02


def difference(low, high):
    return PairedDifference(
        metric=Metric.ROC_AUC,
        candidate=0.7 + (low + high) / 2,
        champion=0.7,
        improvement=(low + high) / 2,
        interval=(low, high),
        clusters=21,
        resamples=1000,
        degenerate=0,
    )


@pytest.mark.parametrize(
    ("low", "high", "non_inferior", "superior", "rival"),
    [
        pytest.param(0.01, 0.03, Reading.BETTER, Reading.BETTER, Reading.BETTER, id="surely better"),
        pytest.param(-0.01, 0.03, Reading.NOT_WORSE, Reading.NOT_BETTER, Reading.NOT_WORSE, id="probably better"),
        pytest.param(-0.01, 0.01, Reading.NOT_WORSE, Reading.NOT_BETTER, Reading.NO_BETTER_THAN_RIVAL, id="tie"),
        pytest.param(
            -0.015, 0.01, Reading.NOT_WORSE, Reading.NOT_BETTER, Reading.NO_BETTER_THAN_RIVAL, id="probably worse"
        ),
        pytest.param(-0.03, 0.05, Reading.NOT_SHOWN, Reading.NOT_BETTER, Reading.NOT_SHOWN, id="too wide to tell"),
        pytest.param(-0.05, -0.03, Reading.WORSE, Reading.WORSE, Reading.WORSE, id="surely worse"),
        pytest.param(-0.015, -0.005, Reading.WORSE, Reading.WORSE, Reading.WORSE, id="surely worse within the margin"),
        pytest.param(0.0, 0.0, Reading.NOT_WORSE, Reading.NOT_BETTER, Reading.NO_BETTER_THAN_RIVAL, id="equal"),
    ],
)
def test_an_interval_is_read_under_the_policy(make_gate, low, high, non_inferior, superior, rival):
    lenient = make_gate(compare={"margin": MARGIN}).compare
    strict = make_gate(compare={"margin": MARGIN, "policy": "superior"}).compare
    assert read_interval(lenient, Comparison.RESCORED, difference(low, high)) is non_inferior
    assert read_interval(strict, Comparison.RESCORED, difference(low, high)) is superior
    assert read_interval(lenient, Comparison.RIVAL, difference(low, high)) is rival


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "brier"])
def test_the_better_model_passes_and_the_worse_one_fails_whatever_the_metrics_direction(
    make_gate, make_evidence, world, metric
):
    gate = make_gate(compare={"metric": metric, "policy": "superior"})
    good, bad = world.model(0.3), world.model(1.2)
    better, gain = comparison_check(gate, make_evidence(p_candidate=good, p_champion=bad), seed=0)
    worse, loss = comparison_check(gate, make_evidence(p_candidate=bad, p_champion=good), seed=0)
    assert (better.status, worse.status) == (CheckStatus.PASSED, CheckStatus.FAILED)
    assert gain.improvement > 0 > loss.improvement


def test_the_message_shows_both_models_the_gap_and_the_interval(make_gate, make_evidence, world):
    evidence = make_evidence(p_candidate=world.model(1.2), p_champion=world.model(0.3))
    check, found = comparison_check(make_gate(), evidence, seed=0)
    low, high = (f"{-bound:.3f}" for bound in found.interval)
    assert check.message == (
        f"ROC AUC {found.candidate:.3f} on 4,000 unseen rows is worse than champion v3's {found.champion:.3f} "
        f"by {-found.improvement:.3f} (95 % interval −{low} to −{high})"
    )


@pytest.mark.parametrize(
    ("policy", "threshold", "words"),
    [("non_inferior", -0.03, "the margin of 0.030"), ("superior", 0.0, "not shown to be")],
)
def test_the_check_carries_the_threshold_of_its_policy(make_gate, make_evidence, world, policy, threshold, words):
    check, _ = comparison_check(
        make_gate(compare={"policy": policy}), make_evidence(p_champion=world.model(0.5, seed=2)), seed=0
    )
    assert check.threshold == threshold
    assert words in check.message


def test_a_bound_just_below_the_margin_does_not_read_as_the_margin(make_gate, make_evidence, world):
    evidence = make_evidence(p_champion=world.model(0.5, seed=2))
    _, found = comparison_check(make_gate(), evidence, seed=0)
    check, _ = comparison_check(make_gate(compare={"margin": -found.interval[0] - 1e-5}), evidence, seed=0)
    assert check.status is CheckStatus.FAILED
    margin = check.message.split("within ")[1].split(" of")[0]
    assert f"interval −{margin}" not in check.message


@pytest.mark.parametrize("clusters", [1, 4])
def test_too_few_clusters_fail_with_a_remedy(make_gate, make_evidence, world, clusters):
    evidence = make_evidence(p_champion=world.model(1.2), clusters=np.arange(len(world.y)) % clusters)
    check, _ = comparison_check(make_gate(), evidence, seed=0)
    assert check.status is CheckStatus.FAILED
    assert check.interval is None
    assert "widen window.holdout" in check.message


def test_unusable_predictions_of_the_candidate_fail(make_gate, make_evidence, world):
    evidence = make_evidence(p_candidate=np.full_like(world.score, np.nan), p_champion=world.model(0.5))
    check, found = comparison_check(make_gate(), evidence, seed=0)
    assert check.status is CheckStatus.FAILED
    assert found is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"comparison": Comparison.PAST}, "no row is unseen by both", id="past"),
        pytest.param({"comparison": Comparison.INCOMPARABLE, "incomparable_reason": "no file"}, "no file", id="gone"),
        pytest.param({"p_champion": np.full(4000, np.nan)}, "champion v3's predictions", id="broken champion"),
    ],
)
def test_a_champion_that_cannot_be_compared_is_said_to_be_so(make_gate, make_evidence, changes, words):
    check, found = comparison_check(make_gate(), make_evidence(**changes), seed=0)
    assert check.status is CheckStatus.NOT_COMPARABLE
    assert words in check.message
    assert found is None


def test_an_endless_reason_is_cut(make_gate, make_evidence):
    evidence = make_evidence(comparison=Comparison.INCOMPARABLE, incomparable_reason="x" * 10_000)
    assert len(comparison_check(make_gate(), evidence, seed=0)[0].message) <= 500


def test_the_seed_decides_the_draw(make_gate, make_evidence, world):
    evidence = make_evidence(p_champion=world.model(0.8))
    first, again, other = (comparison_check(make_gate(), evidence, seed=seed)[1] for seed in (1, 1, 2))
    assert first == again
    assert dataclasses.astuple(first) != dataclasses.astuple(other)
