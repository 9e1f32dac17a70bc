"""A measurement says what there is to say of a partition, of odd ones too, and decides nothing."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.drift_world import CHAMPION, scored
from include.perennial.models.frames import Labelled
from include.perennial.monitor.measure import ScoredPartition, measure
from include.perennial.monitor.measurement import LabelStatus, Measurement, MeasurementStatus, Signal, SignalKind
from tests.unit.monitor.conftest import KEY, Watched


def with_column(week: Labelled, name: str, values: Any) -> Labelled:
    """The week with one column replaced."""
    return replace(week, x=week.x.assign(**{name: values}))


def signal(measurement: Measurement, kind: SignalKind, name: str = "") -> Signal:
    """The one signal of that kind and column."""
    [found] = [one for one in measurement.signals if (one.kind, one.name) == (kind, name)]
    return found


def test_an_unchanged_week_violates_nothing(watched: Watched) -> None:
    measured = watched.measured(watched.week)

    assert measured.status is MeasurementStatus.MEASURED
    assert measured.violations == ()
    assert not measured.is_worse
    assert "no signal over its threshold" in measured.sentence
    assert Measurement.model_validate_json(measured.model_dump_json()) == measured


def test_the_order_of_rows_and_their_number_do_not_change_what_is_over(watched: Watched) -> None:
    shifted = with_column(watched.week, "load", watched.week.x["load"] + 0.5)
    random = np.random.default_rng(5).permutation(np.tile(np.arange(len(shifted)), 4))
    four_times = Labelled(shifted.x.iloc[random].reset_index(drop=True), shifted.y[random])
    once, often = watched.measured(shifted), watched.measured(four_times)

    assert once.sample_rows == often.sample_rows
    assert {one.label for one in once.violations} == {one.label for one in often.violations}
    assert signal(once, SignalKind.FEATURE, "load").value == pytest.approx(
        signal(often, SignalKind.FEATURE, "load").value, abs=0.02
    )


def test_a_column_that_is_all_null_is_told_by_its_null_rate(watched: Watched) -> None:
    found = signal(watched.measured(with_column(watched.week, "load", np.nan)), SignalKind.NULL_RATE, "load")

    assert (found.value, found.is_over, found.counts, found.note) == (1.0, True, True, "no values")


def test_a_column_that_is_gone_is_told_by_its_null_rate(watched: Watched) -> None:
    p = watched.model.predict_proba(watched.week.x)[:, 1]
    partition = ScoredPartition(KEY, "", watched.week.x.drop(columns="load"), p, watched.week.y)
    found = signal(measure(watched.spec, CHAMPION, watched.calibration, partition), SignalKind.NULL_RATE, "load")

    assert (found.value, found.is_over, found.note) == (1.0, True, "column is gone")


def test_a_constant_column_is_over_and_says_so(watched: Watched) -> None:
    found = signal(watched.measured(with_column(watched.week, "load", 0.0)), SignalKind.FEATURE, "load")

    assert (found.is_over, found.note) == (True, "constant")


def test_a_new_category_is_a_signal_of_its_own(watched: Watched) -> None:
    place = watched.week.x["place"].where(np.arange(len(watched.week)) % 20 > 0, "nowhere")
    found = signal(watched.measured(with_column(watched.week, "place", place)), SignalKind.NEW_CATEGORY, "place")

    assert found.value == pytest.approx(0.05, abs=0.01)
    assert found.is_over


def test_a_column_without_importance_is_shown_and_asks_for_nothing(watched: Watched) -> None:
    measured = watched.measured(with_column(watched.week, "noise", watched.week.x["noise"] + 9))
    found = signal(measured, SignalKind.FEATURE, "noise")

    assert (found.is_over, found.counts) == (True, False)
    assert found not in measured.violations


def test_half_the_usual_rows_are_a_signal_that_asks_for_no_retrain(watched: Watched) -> None:
    few = Labelled(watched.week.x.iloc[::3].reset_index(drop=True), watched.week.y[::3])
    found = signal(watched.measured(few), SignalKind.VOLUME)

    assert (found.is_over, found.counts) == (True, False)
    assert found.value == pytest.approx(np.log(3), abs=0.1)


@pytest.mark.parametrize("rows", [0, 1, 499])
def test_too_few_rows_are_not_measured(watched: Watched, rows: int) -> None:
    few = Labelled(watched.week.x.iloc[:rows], watched.week.y[:rows])
    p = np.full(rows, 0.5)
    measured = measure(watched.spec, CHAMPION, watched.calibration, ScoredPartition(KEY, "", few.x, p, few.y))

    assert measured.status is MeasurementStatus.TOO_FEW_ROWS
    assert (measured.rows, measured.signals, measured.matured) == (rows, (), None)


def test_a_smaller_sample_has_wider_thresholds(watched: Watched) -> None:
    few = Labelled(watched.week.x.iloc[:600], watched.week.y[:600])
    usual, wide = (signal(watched.measured(week), SignalKind.PREDICTION) for week in (watched.week, few))

    assert wide.threshold == pytest.approx(usual.threshold * np.sqrt(2000 / 600))


def test_without_labels_there_is_an_estimate_and_no_performance(watched: Watched) -> None:
    partition = replace(scored(watched.model, KEY, watched.week), y=None, labels=LabelStatus.NEVER_CAME)
    measured = measure(watched.spec, CHAMPION, watched.calibration, partition)

    assert (measured.labels, measured.matured) == (LabelStatus.NEVER_CAME, None)
    assert SignalKind.LABEL not in {one.kind for one in measured.signals}
    assert measured.estimated is not None
    assert measured.estimated.error is None
    assert "never came" in measured.sentence


def test_the_estimate_is_reconciled_once_labels_are_there(watched: Watched) -> None:
    measured = watched.measured(watched.week)
    assert measured.matured is not None
    assert measured.estimated is not None

    estimate = measured.estimated.metrics["roc_auc"]
    assert measured.estimated.error == pytest.approx(measured.matured.value - estimate)
    assert abs(measured.estimated.error) < 0.08


def test_labels_of_one_class_say_nothing(watched: Watched) -> None:
    measured = watched.measured(Labelled(watched.week.x, np.zeros(len(watched.week), dtype=int)))

    assert (measured.labels, measured.matured) == (LabelStatus.ONE_CLASS, None)
    assert signal(measured, SignalKind.LABEL).value > 0.1


def test_labels_at_random_are_worse_than_expected_and_no_drift(watched: Watched) -> None:
    random = np.random.default_rng(1)
    measured = watched.measured(Labelled(watched.week.x, random.permutation(watched.week.y)))

    assert measured.is_worse
    assert measured.violations == ()
    assert "worse than the expected" in measured.sentence


def test_performance_has_a_clustered_interval_all_metrics_and_slices(watched: Watched) -> None:
    matured = watched.measured(watched.week).matured
    assert matured is not None
    assert matured.interval is not None

    assert matured.interval[0] < matured.value < matured.interval[1]
    assert {"roc_auc", "log_loss", "brier", "calibration_error"} <= set(matured.metrics)
    assert [(one.column, one.value) for one in matured.slices] == [("place", "a"), ("place", "b"), ("place", "c")]
    assert sum(one.rows for one in matured.slices) == matured.rows


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda partition: replace(partition, p=partition.p[:-1]), "differ in number"),
        (lambda partition: replace(partition, y=partition.y[:-1]), "differ in number"),
        (lambda partition: replace(partition, p=partition.p + 1), "not all numbers in"),
        (lambda partition: replace(partition, p=partition.p * np.nan), "not all numbers in"),
    ],
    ids=["a prediction short", "a label short", "above one", "not a number"],
)
def test_what_does_not_fit_together_is_refused(watched: Watched, change: Any, says: str) -> None:
    partition = change(scored(watched.model, KEY, watched.week))

    with pytest.raises(ValueError, match=says):
        measure(watched.spec, CHAMPION, watched.calibration, partition)


def test_columns_may_come_in_another_order(watched: Watched) -> None:
    turned = Labelled(watched.week.x[watched.week.x.columns[::-1]], watched.week.y)

    assert watched.measured(turned) == watched.measured(watched.week)


def test_a_moment_without_value_does_not_stop_the_measurement(watched: Watched) -> None:
    x = watched.week.x.assign(at=pd.NaT)

    assert watched.measured(Labelled(x, watched.week.y)).status is MeasurementStatus.MEASURED
