"""Thresholds come from the window alone, hold their false-alarm rate, and let through what never mattered."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.drift_table import QUARTER, WINDOW, interval, rates, real, simulated
from benchmarks.drift_world import UNCHANGED, added, flipped, replaced, simulated_model, simulated_spec, simulated_weeks
from include.perennial.errors import BadInput, DataError
from include.perennial.monitor.calibration import Calibration, calibrate, settings_digest
from include.perennial.monitor.measurement import SignalKind
from include.perennial.monitor.reference import SLOTS, build_window, sample_rows
from include.perennial.monitor.signals import Counts
from include.perennial.monitor.thresholds import SMALLEST, alarm_rate, expected_performance, volume_limit
from include.perennial.spec import Metric
from tests.unit.monitor.conftest import WINDOW_KEYS, Watched


def test_the_same_window_gives_the_same_calibration_to_the_byte(watched: Watched) -> None:
    again = calibrate(watched.spec, watched.window, "1")

    assert again.model_dump_json() == watched.calibration.model_dump_json()
    assert Calibration.model_validate_json(again.model_dump_json()).sha256 == watched.calibration.sha256


def test_no_threshold_is_below_what_cannot_matter_nor_beyond_what_can_happen(watched: Watched) -> None:
    for limit in watched.calibration.limits:
        assert SMALLEST[limit.kind] <= limit.threshold < 1, limit


def test_importance_is_what_the_labels_depend_on(watched: Watched) -> None:
    importance = watched.calibration.importance

    assert importance["weather"] > importance["place"] > importance["noise"]
    assert sum(importance.values()) == pytest.approx(1, abs=1e-4)
    assert importance["maker"] == importance["row"] == 0


def test_only_important_columns_that_are_not_shown_only_may_ask(watched: Watched) -> None:
    shown = simulated_spec(shown_only=["weather"])
    counting = {limit.name for limit in calibrate(shown, watched.window, "1").limits if limit.counts}

    assert counting == {"", "load", "place"}
    assert "day" not in {limit.name for limit in watched.calibration.limits}


def test_fewer_false_alarms_cost_wider_thresholds(watched: Watched) -> None:
    strict = watched.spec.model_copy(
        update={"monitor": watched.spec.monitor.model_copy(update={"false_alarms_per_quarter": 0.1})}
    )
    wide, usual = calibrate(strict, watched.window, "1"), watched.calibration

    assert all(a.threshold >= b.threshold for a, b in zip(wide.limits, usual.limits, strict=True))
    assert wide.expected_interval[0] < usual.expected_interval[0]
    assert settings_digest(strict) != settings_digest(watched.spec)


def test_the_alarm_rate_of_a_week_is_a_thirteenth_of_that_of_a_quarter(watched: Watched) -> None:
    assert alarm_rate(watched.spec) == pytest.approx(1 / QUARTER)


def test_predictions_of_the_window_are_of_models_that_had_not_seen_the_row(watched: Watched) -> None:
    spec, weeks = watched.spec, simulated_weeks(3, seed=1, rows=600)
    coins = [type(week)(week.x, np.random.default_rng(n).integers(0, 2, len(week))) for n, week in enumerate(weeks)]
    window = build_window(spec, simulated_model(), WINDOW_KEYS[:3], coins)

    assert np.mean(window.metric_values) == pytest.approx(0.5, abs=0.05)


def test_a_window_of_two_partitions_is_refused(watched: Watched) -> None:
    with pytest.raises(BadInput, match="need 3 training partitions and the champion has 2"):
        build_window(watched.spec, watched.model, WINDOW_KEYS[:2], simulated_weeks(2, seed=1, rows=300))


def test_the_sample_is_bounded_and_the_same_every_time(watched: Watched) -> None:
    rows = sample_rows(watched.spec, WINDOW_KEYS[0], 100_000)

    assert len(rows) == len(set(rows)) == watched.spec.monitor.drift.sample_rows
    assert (rows == sample_rows(watched.spec, WINDOW_KEYS[0], 100_000)).all()
    assert (sample_rows(watched.spec, WINDOW_KEYS[0], 10) == np.arange(10)).all()


def test_blocks_are_runs_of_a_partitions_length_and_rest_is_what_remains() -> None:
    by_slot = np.arange(3 * SLOTS, dtype=float)[:, None]
    counts = Counts((), by_slot, None)
    blocks = counts.blocks(SLOTS)

    assert len(blocks.predictions) == 2 * SLOTS + 1
    assert blocks.predictions[0, 0] == sum(range(SLOTS))
    assert (counts.summed().without(blocks).predictions + blocks.predictions == by_slot.sum()).all()


def test_performance_is_expected_where_the_window_had_it() -> None:
    mean, (low, high) = expected_performance(Metric.ROC_AUC, [0.70, 0.72, 0.74, float("nan")], 0.05)

    assert mean == pytest.approx(0.72)
    assert high - mean == pytest.approx(mean - low)
    assert 0.6 < low < 0.70
    assert high > 0.74


def test_a_partition_of_one_class_has_no_metric_and_the_calibration_is_read_again(watched: Watched) -> None:
    values = (float("nan"), *watched.window.metric_values[1:])
    made = calibrate(watched.spec, replace(watched.window, metric_values=values), "1")

    again = Calibration.model_validate_json(made.model_dump_json())

    assert again == made
    assert again.sha256 == made.sha256
    assert again.metric_values == (None, *values[1:])


def test_what_to_expect_needs_two_partitions_with_the_metric() -> None:
    with pytest.raises(DataError, match="defined on 1 of 2 training partitions"):
        expected_performance(Metric.ROC_AUC, [0.7, float("nan")], 0.05)


def test_a_volume_that_never_varied_may_vary_by_a_tenth() -> None:
    limit = volume_limit([1000] * 8, 0.01)

    assert (limit.kind, limit.threshold, limit.counts) == (SignalKind.VOLUME, 0.1, False)


def _false_alarms(trials: int) -> tuple[float, float, float]:
    return interval(rates(simulated(), trials, (UNCHANGED,))[UNCHANGED.name].either)


@pytest.mark.long
def test_a_stationary_world_raises_about_one_alarm_in_a_quarter() -> None:
    mean, low, _ = _false_alarms(8)

    assert low <= 1.0, mean
    assert mean < 3


@pytest.mark.heavy
def test_the_false_alarm_rate_holds_within_its_interval_in_a_stationary_world() -> None:
    mean, low, high = _false_alarms(150)

    assert low <= 1.0, (mean, low, high)
    assert high > 0.3, (mean, low, high)


@pytest.mark.heavy
def test_the_false_alarm_rate_holds_within_its_interval_on_shuffled_real_weeks() -> None:
    mean, low, high = interval(rates(real(), 15, (UNCHANGED,))[UNCHANGED.name].either)

    assert low <= 1.0, (mean, low, high)


@pytest.mark.long
def test_what_hurts_is_found_and_what_does_not_hurt_is_not() -> None:

    shifts = (added("load", 0.4), added("noise", 2.0), replaced("load", None, 0.2), flipped(0.6))
    found = rates(simulated(), 3, shifts)
    load, noise, missing, flipped_labels = (found[shift.name] for shift in shifts)

    assert np.mean(load.drift) > 0.9 * QUARTER
    assert np.mean(missing.drift) > 0.9 * QUARTER
    assert np.mean(flipped_labels.performance) > 0.9 * QUARTER
    assert np.mean(noise.drift) < 0.3 * QUARTER
    assert len(WINDOW_KEYS) == WINDOW
