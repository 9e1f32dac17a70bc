import dataclasses
import math

import numpy as np
import pytest

from include.perennial.contracts import CheckStatus
from include.perennial.gate.checks import absolute_checks, behaviour_checks, identical_check
from include.perennial.gate.evidence import Comparison


def failed_names(checks):
    return [check.name for check in checks if check.status is CheckStatus.FAILED]


def named(checks, name):
    (check,) = [check for check in checks if check.name == name]
    return check


def test_a_sound_first_model_fails_nothing(make_gate, make_evidence):
    assert failed_names(absolute_checks(make_gate(), make_evidence())) == []


@pytest.mark.parametrize(
    ("gate", "failed"),
    [
        pytest.param({"min_rows": 4001}, "rows", id="one row short"),
        pytest.param({"min_positives": 4000}, "positives", id="too few positives"),
        pytest.param({"first_floors": {"roc_auc": 0.9}}, "floor.roc_auc", id="first floor"),
        pytest.param({"floors": {"accuracy": 0.99}}, "floor.accuracy", id="floor the first floors do not name"),
        pytest.param({"ceilings": {"log_loss": 0.3}}, "ceiling.log_loss", id="ceiling"),
        pytest.param({"ceilings": {"brier": 0.1}}, "ceiling.brier", id="ceiling of another metric"),
        pytest.param({"max_calibration_error": 0.001}, "calibration", id="calibration"),
        pytest.param({"behaviour": {"max_ms_per_1000_rows": 4.9}}, "behaviour.latency", id="slow"),
        pytest.param({"behaviour": {"max_megabytes": 0.9}}, "behaviour.size", id="large"),
        pytest.param({"plausibility": {"max_roc_auc": 0.75}}, "plausibility.roc_auc", id="too good"),
        pytest.param({"plausibility": {"max_single_feature_auc": 0.6}}, "plausibility.single_feature", id="feature"),
    ],
)
def test_each_threshold_alone_fails_its_own_check(make_gate, make_evidence, gate, failed):
    checks = absolute_checks(make_gate(**gate), make_evidence())
    assert failed_names(checks) == [failed]


def test_a_first_model_is_held_to_its_own_floor_and_a_later_one_to_the_common_floor(make_gate, make_evidence, world):
    gate = make_gate(floors={"roc_auc": 0.6}, first_floors={"roc_auc": 0.9})
    later = make_evidence(p_champion=world.model(0.6))
    assert failed_names(absolute_checks(gate, make_evidence())) == ["floor.roc_auc"]
    assert failed_names(absolute_checks(gate, later)) == []


def test_a_check_shows_the_champions_metric_on_the_same_rows(make_gate, make_evidence, world):
    floor = named(absolute_checks(make_gate(), make_evidence(p_champion=world.model(0.8))), "floor.roc_auc")
    assert floor.champion is not None
    assert f"(champion {floor.champion:.3f})" in floor.message


@pytest.mark.parametrize("comparison", [Comparison.PAST, Comparison.INCOMPARABLE])
def test_predictions_of_a_champion_that_has_seen_the_rows_are_not_shown(make_gate, make_evidence, world, comparison):
    evidence = make_evidence(p_champion=world.model(0.8), comparison=comparison, incomparable_reason="it is gone")
    assert all(check.champion is None for check in absolute_checks(make_gate(), evidence))


@pytest.mark.parametrize(
    ("facts", "failed"),
    [
        pytest.param({"finite": False}, "finite", id="not finite"),
        pytest.param({"constant": True}, "not_constant", id="constant"),
        pytest.param({"round_trip_max_abs_diff": 1e-12}, "round_trip", id="loaded model differs"),
        pytest.param({"round_trip_max_abs_diff": math.nan}, "round_trip", id="round trip unknown"),
        pytest.param({"ms_per_1000_rows": 101.0}, "latency", id="slow"),
        pytest.param({"ms_per_1000_rows": math.nan}, "latency", id="latency unknown"),
        pytest.param({"megabytes": 10.5}, "size", id="large"),
        pytest.param({"megabytes": math.inf}, "size", id="size infinite"),
    ],
)
def test_a_model_file_that_misbehaves_fails(make_gate, sound, facts, failed):
    checks = behaviour_checks(make_gate(), dataclasses.replace(sound, **facts), prefix="refit")
    assert failed_names(checks) == [f"refit.{failed}"]


@pytest.mark.parametrize("value", [math.nan, math.inf, 1.5, -0.1])
def test_one_prediction_that_is_no_probability_fails_even_if_the_facts_say_otherwise(
    make_gate, make_evidence, world, value
):
    p = world.model(0.5)
    p[17] = value
    failed = failed_names(absolute_checks(make_gate(), make_evidence(p_candidate=p)))
    assert {"behaviour.finite", "floor.roc_auc", "plausibility.roc_auc", "baseline.roc_auc"} <= set(failed)


def test_constant_predictions_fail_even_if_the_facts_say_otherwise(make_gate, make_evidence, world):
    checks = absolute_checks(make_gate(), make_evidence(p_candidate=np.full_like(world.score, 0.35)))
    assert "behaviour.not_constant" in failed_names(checks)


@pytest.mark.parametrize("label", [0, 1])
def test_a_holdout_of_one_class_fails(make_gate, make_evidence, world, label):
    checks = absolute_checks(make_gate(min_positives=1), make_evidence(y=np.full_like(world.y, label)))
    assert {"floor.roc_auc", "plausibility.roc_auc"} <= set(failed_names(checks))


def test_an_empty_holdout_fails(make_gate, make_evidence):
    empty = make_evidence(y=np.array([], int), p_candidate=np.array([]), clusters=np.array([], int))
    assert "rows" in failed_names(absolute_checks(make_gate(), empty))


@pytest.mark.parametrize(
    ("metric", "forecast"),
    [
        pytest.param("log_loss", lambda world: np.clip(world.model(0.5) * 0.05, 0, 1), id="right order, wrong level"),
        pytest.param("roc_auc", lambda world: 1 - world.model(0.5), id="wrong order"),
    ],
)
def test_a_model_no_better_than_the_training_rate_fails(make_gate, make_evidence, world, metric, forecast):
    gate = make_gate(compare={"metric": metric, "margin": 0.03, "cluster": ["day"], "resamples": 400})
    checks = absolute_checks(gate, make_evidence(p_candidate=forecast(world)))
    assert f"baseline.{metric}" in failed_names(checks)


def test_losing_to_the_training_rate_in_another_metric_is_left_to_the_floors(make_gate, make_evidence, world):
    overconfident = np.clip(world.model(0.5) * 0.05, 0, 1)
    assert failed_names(absolute_checks(make_gate(), make_evidence(p_candidate=overconfident))) == []


def test_exactly_the_baseline_is_not_better(make_gate, make_evidence, world):
    checks = absolute_checks(make_gate(), make_evidence(p_candidate=np.full_like(world.score, 0.35)))
    assert named(checks, "baseline.roc_auc").status is CheckStatus.FAILED


@pytest.mark.parametrize("rate", [0.0, 1.0, math.nan])
def test_an_impossible_training_rate_fails(make_gate, make_evidence, rate):
    assert failed_names(absolute_checks(make_gate(), make_evidence(training_rate=rate))) == ["baseline.roc_auc"]


def test_a_leak_fails(make_gate, make_evidence, world):
    leaked = np.clip(world.y * 0.8 + 0.1 + 0.05 * world.score, 0, 1)
    assert failed_names(absolute_checks(make_gate(), make_evidence(p_candidate=leaked))) == ["plausibility.roc_auc"]


@pytest.mark.parametrize(
    "scores",
    [
        pytest.param({"hour": 0.6, "arr_time": 0.97}, id="too high"),
        pytest.param({"hour": 0.6, "arr_time": 0.03}, id="too low is as telling"),
        pytest.param({"hour": 0.6, "arr_time": math.nan}, id="unknown"),
    ],
)
def test_a_feature_that_tells_too_much_is_named(make_gate, make_evidence, scores):
    check = named(absolute_checks(make_gate(), make_evidence(single_feature_auc=scores)), "plausibility.single_feature")
    assert check.status is CheckStatus.FAILED
    assert "arr_time" in check.message


def test_no_feature_measured_fails(make_gate, make_evidence):
    checks = absolute_checks(make_gate(), make_evidence(single_feature_auc={}))
    assert failed_names(checks) == ["plausibility.single_feature"]


def test_calibration_without_a_limit_informs(make_gate, make_evidence):
    check = named(absolute_checks(make_gate(), make_evidence()), "calibration")
    assert check.status is CheckStatus.INFO
    assert check.value is not None


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({"model_digest": "a", "champion_model_digest": "a"}, CheckStatus.FAILED, id="same file"),
        pytest.param({"prediction_digest": "a", "champion_prediction_digest": "a"}, CheckStatus.FAILED, id="same p"),
        pytest.param({"model_digest": "a", "champion_model_digest": "b"}, CheckStatus.PASSED, id="other file"),
        pytest.param({"model_digest": "a", "champion_prediction_digest": "a"}, CheckStatus.PASSED, id="other kinds"),
        pytest.param({}, CheckStatus.PASSED, id="digests unknown"),
    ],
)
def test_identical_means_same_file_or_same_predictions(make_evidence, world, changes, status):
    assert identical_check(make_evidence(p_champion=world.model(0.6), **changes)).status is status


def test_equal_predictions_are_identical_without_any_digest(make_evidence, world):
    assert identical_check(make_evidence(p_champion=world.model(0.5))).status is CheckStatus.FAILED
