"""What the models of flight_delays see, what a week must look like, and whether both fit the spec."""

import ast
import types
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from include.perennial.models.estimators import build
from include.perennial.partitions import Partition
from include.perennial.quality.suite import Suite
from include.perennial.quality.verdict import Checked, check
from include.perennial.spec import LOWEST, ColumnType, Metric
from include.pipelines.flight_delays import expectations, source
from include.pipelines.flight_delays.features import CATEGORIES, COLUMNS, Features

WEEK, NEXT_WEEK, AUTUMN_CHANGE = "2013-07-01", "2013-07-08", "2013-10-28"
FULL_WEEKS = [source.FIRST_WEEK.shift(n).key for n in range(1, 1 + source.N_FULL_WEEKS)]
DTYPES = {
    ColumnType.STRING: "object",
    ColumnType.INTEGER: "int64",
    ColumnType.FLOAT: "float64",
    ColumnType.TIMESTAMP: "datetime64[ns, UTC]",
}


@pytest.fixture(scope="session")
def fitted(week) -> Features:
    return Features().fit(week(WEEK), week(WEEK)["late"])


# --- features ------------------------------------------------------------------------------------


def test_the_matrix_is_finite_named_and_standardised(fitted, week):
    matrix = fitted.transform(week(WEEK))
    names = fitted.get_feature_names_out()
    assert matrix.shape == (len(week(WEEK)), len(set(names)))
    assert np.isfinite(matrix).all()
    np.testing.assert_allclose(matrix.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(matrix.std(axis=0), 1, atol=1e-4)


def test_fitting_and_transforming_in_one_step_is_the_same_as_in_two(fitted, week):
    np.testing.assert_array_equal(
        Features().fit_transform(week(WEEK), week(WEEK)["late"]), fitted.transform(week(WEEK))
    )


def test_rows_are_transformed_one_by_one_as_together(fitted, week):
    rows = week(NEXT_WEEK).sample(12, random_state=7)
    together = fitted.transform(rows)
    np.testing.assert_array_equal(np.vstack([fitted.transform(rows.iloc[[i]]) for i in range(12)]), together)


def test_no_column_beside_the_declared_ones_is_looked_at(fitted, week):
    assert not {"late", "flight", "scheduled_departure"} & set(COLUMNS)
    np.testing.assert_array_equal(fitted.transform(week(NEXT_WEEK)[list(COLUMNS)]), fitted.transform(week(NEXT_WEEK)))


def test_what_was_never_seen_counts_as_average(fitted, week):
    stranger = week(NEXT_WEEK).head(1).assign(carrier="ZZ", dest="XXX", plane_maker=None, plane_seats=np.nan)
    row = fitted.transform(stranger)[0]
    average = (fitted.average_ - fitted.mean_) / fitted.scale_
    seen = [CATEGORIES.index(name) for name in ("carrier", "dest", "route", "carrier_at_origin")]
    assert np.isfinite(row).all()
    np.testing.assert_allclose(row[seen], average[seen], rtol=1e-6)


def test_a_window_with_an_empty_column_or_one_class_can_be_learned(week):
    rows = week(WEEK).head(500).assign(wind_gust_mph=np.nan, wind_speed_mph=np.nan, pressure_mb=np.nan)
    assert np.isfinite(Features().fit_transform(rows, np.zeros(500))).all()


def test_a_missing_column_is_named(fitted, week):
    with pytest.raises(ValueError, match="Features miss the columns dest, hour: expected carrier"):
        fitted.transform(week(WEEK).drop(columns=["dest", "hour"]))


def test_rows_without_column_names_are_refused(fitted, week):
    with pytest.raises(TypeError, match="need a pandas DataFrame with named columns, got ndarray"):
        fitted.transform(week(WEEK).to_numpy())


def test_transforming_before_fitting_is_refused(week):
    with pytest.raises(NotFittedError):
        Features().transform(week(WEEK))


def test_the_file_stands_alone(pipeline):
    text = pipeline.features_source().text
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports}
    assert {name.partition(".")[0] for name in names if name} == {"typing", "numpy", "pandas", "sklearn"}
    exec(compile(text, "features.py", "exec"), vars(types.ModuleType("alone")))


def test_skops_needs_to_trust_the_class_and_nothing_else(fitted):
    stored = skops.io.dumps(fitted)
    assert skops.io.get_untrusted_types(data=stored) == [f"{Features.__module__}.Features"]


def predicted(pipeline, candidate: str, train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    model = build(pipeline, candidate, {}, seed=pipeline.spec.seed)
    # One thread: several fight over busy cores, and a fit of half a second takes ten.
    with threadpool_limits(1):
        return model.fit(train, train["late"]).predict_proba(test)[:, 1]


@pytest.mark.parametrize("candidate", ["hist_gradient_boosting", "logistic_regression", "random_forest"])
def test_each_candidate_is_deterministic_and_tells_late_flights_from_others(candidate, pipeline, week):
    first = predicted(pipeline, candidate, week(WEEK), week(NEXT_WEEK))
    np.testing.assert_array_equal(first, predicted(pipeline, candidate, week(WEEK), week(NEXT_WEEK)))
    assert 0.65 < roc_auc_score(week(NEXT_WEEK)["late"], first) < pipeline.spec.gate.plausibility.max_roc_auc


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("candidate", "mean_auc"),
    [("hist_gradient_boosting", 0.708), ("logistic_regression", 0.699), ("random_forest", 0.707)],
)
def test_the_quality_in_the_data_card_is_reached(candidate, mean_auc, pipeline, week):
    usable = [frame[~(frame["plane_seats"] < 19)] for frame in map(week, FULL_WEEKS)]
    scores = []
    for n in range(8, len(usable)):
        p = predicted(pipeline, candidate, pd.concat(usable[n - 8 : n], ignore_index=True), usable[n])
        scores.append(roc_auc_score(usable[n]["late"], p))
    assert np.mean(scores) == pytest.approx(mean_auc, abs=0.002)
    assert min(scores) > pipeline.spec.gate.floors[Metric.ROC_AUC]


# --- spec and expectations -----------------------------------------------------------------------


def test_the_source_gives_the_columns_of_the_spec(pipeline, week):
    declared = {name: DTYPES[kind] for name, kind in pipeline.spec.data.columns.items()}
    assert week(WEEK).dtypes.astype(str).to_dict() == declared
    assert list(week(WEEK).columns) == list(declared)


def test_the_first_model_meets_no_lower_floor_than_later_ones(pipeline):
    gate = pipeline.spec.gate
    assert all(gate.first_floors.get(metric, LOWEST[metric]) >= floor for metric, floor in gate.floors.items())


def checked(pipeline, key: str, frame: pd.DataFrame) -> Checked:
    partition = Partition.of_key(key, pipeline.spec.period)
    return check(pipeline.spec, Suite.load(expectations), partition, frame)


@pytest.mark.parametrize("key", ["2013-02-04", "2013-06-24", "2013-09-16", AUTUMN_CHANGE])
def test_an_honest_week_passes_with_few_rows_set_aside(key, pipeline, week):
    result = checked(pipeline, key, week(key))
    assert result.refusal is None
    assert set(result.sieve.counts) == {"expect_column_values_to_be_between(plane_seats)"}
    assert 0.002 < 1 - result.sieve.kept.mean() < 0.012


@pytest.mark.heavy
def test_all_full_weeks_pass_with_the_numbers_of_the_data_card(pipeline, week):
    results = [checked(pipeline, key, week(key)) for key in FULL_WEEKS]
    assert [str(result.refusal) for result in results if result.refusal] == []
    assert sum(int(result.sieve.kept.sum()) for result in results) == 318_244
    assert sum(int((~result.sieve.kept).sum()) for result in results) == 2_272


def nineteen_hours_ahead(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(weather_hour=frame["scheduled_departure"] + pd.Timedelta(19, "h"))


BROKEN_WEEKS = {
    "half a week": (lambda f: f.iloc[::2], "row_count"),
    "an airport is missing": (lambda f: f[f["origin"] != "JFK"], r"distinct_values.*\(origin\)"),
    "an unknown airport": (lambda f: f.assign(origin=f["origin"].replace("LGA", "PHL")), r"\(origin\)"),
    "a day is missing": (lambda f: f[f["local_date"] != "2013-07-03"], r"\(local_date\)"),
    "few carriers": (lambda f: f.assign(carrier=np.where(f["carrier"] == "UA", "UA", "DL")), r"\(carrier\)"),
    "all are late": (lambda f: f.assign(late=1), r"mean.*\(late\)"),
    "none is late": (lambda f: f.assign(late=0), r"mean.*\(late\)"),
    "no temperature": (lambda f: f.assign(temperature_f=np.nan), r"not_be_null\(temperature_f\)"),
    "no plane on record": (lambda f: f.assign(plane_seats=np.nan), r"not_be_null\(plane_seats\)"),
    "weather of the future": (nineteen_hours_ahead, "greater_than"),
}


@pytest.mark.parametrize(("break_it", "message"), BROKEN_WEEKS.values(), ids=BROKEN_WEEKS)
def test_a_broken_week_is_refused(break_it, message, pipeline, week):
    result = checked(pipeline, WEEK, break_it(week(WEEK)))
    assert result.refusal is not None
    assert pd.Series(str(result.refusal)).str.contains(message).all(), str(result.refusal)


BAD_ROWS = {
    "the wind of 1,048 mph": ("wind_speed_mph", 1048.36058),
    "a wind of minus one": ("wind_speed_mph", -1.0),
    "a temperature in the oven": ("temperature_f", 451.0),
    "a flight to the next street": ("distance_mi", 17),
    "an hour after midnight of the next day": ("hour", 24),
    "a label that is no label": ("late", 2),
    "no destination": ("dest", None),
    "a plane of four seats": ("plane_seats", 4.0),
}


@pytest.mark.parametrize(("column", "value"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_is_set_aside_with_its_reason(column, value, pipeline, week):
    rows = week(WEEK).copy()
    before = Counter(checked(pipeline, WEEK, rows).sieve.counts)
    good = rows.index[rows["plane_seats"].isna()][:3]
    rows.loc[good, column] = value
    result = checked(pipeline, WEEK, rows)
    assert result.refusal is None
    assert dict(Counter(result.sieve.counts) - before) == {next(r for r in result.sieve.counts if column in r): 3}
