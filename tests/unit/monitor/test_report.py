"""The page shows the measurement's own numbers, and nothing in the data can act on whoever opens it."""

import json

import numpy as np
import pandas as pd
import pytest

from include.perennial.models.frames import Labelled
from include.perennial.monitor import report, sample
from include.perennial.monitor.measurement import Measurement, SignalKind
from include.perennial.monitor.reference import sample_rows
from tests.unit.monitor.conftest import KEY, Watched

HOSTILE = "</script><script>alert(1)</script>"


def page_of(watched: Watched, week: Labelled) -> tuple[Measurement, report.DriftPage]:
    """A week's measurement and its page, drawn against the stored sample."""
    reference = sample.from_parquet(sample.to_parquet(watched.window))
    p = watched.model.predict_proba(week.x)[:, 1]
    measured = watched.measured(week)
    current = sample.compared_rows(week.x, p, sample_rows(watched.spec, KEY, len(p)))
    return measured, report.render(measured, reference, current)


def test_values_and_thresholds_on_the_page_are_those_of_the_measurement(watched: Watched) -> None:
    measured, page = page_of(watched, watched.week)
    whole = json.loads(page.json)
    drawn = [one for one in whole["evidently"]["metrics"] if one["metric_name"].startswith("ValueDrift")]
    expected = [one for one in measured.signals if one.kind in (SignalKind.FEATURE, SignalKind.PREDICTION)]

    assert [one["value"] for one in drawn] == pytest.approx([one.value for one in expected])
    assert [one["config"]["threshold"] for one in drawn] == pytest.approx([one.threshold for one in expected])
    assert Measurement.model_validate(whole["measurement"]) == measured


def test_hostile_values_and_empty_columns_are_drawn_without_harm(watched: Watched) -> None:
    place = watched.week.x["place"].where(np.arange(len(watched.week)) % 2 == 0, HOSTILE)
    _, page = page_of(watched, Labelled(watched.week.x.assign(place=place, load=np.nan), watched.week.y))

    assert HOSTILE.encode() not in page.html
    assert b"alert(1)" in page.html
    assert b"no values" in page.html


@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "with gaps"])
def test_yes_and_no_are_drawn_as_the_numbers_that_they_are_measured_as(watched: Watched, gaps: bool) -> None:
    flag = watched.week.x["load"] > watched.week.x["load"].median()
    flags = flag.astype(object).mask(np.arange(len(flag)) % 5 == 0, None) if gaps else flag
    measured, reference, current = (watched.measured(watched.week), *(watched.week.x.assign(load=flags),) * 2)
    p = watched.model.predict_proba(watched.week.x)[:, 1]

    page = report.render(measured, reference.assign(**{sample.PREDICTION: p}), sample.compared_rows(current, p))

    drawn = [one for one in json.loads(page.json)["evidently"]["metrics"] if "column=load" in one["metric_name"]]
    assert [one["value"] for one in drawn if one["metric_name"].startswith("ValueDrift")] == [0.0]


def test_the_sample_survives_its_file(watched: Watched) -> None:
    kept = sample.from_parquet(sample.to_parquet(watched.window))

    pd.testing.assert_frame_equal(kept.drop(columns=sample.PREDICTION), watched.window.x)
    assert (kept[sample.PREDICTION].to_numpy() == watched.window.p).all()
