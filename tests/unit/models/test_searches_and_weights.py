"""Searches look only forward in time, find the same again, and weights reach the fit and nothing else."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import TimeSeriesSplit

from include.perennial.errors import BadInput, DataError, SpecError
from include.perennial.folder_records import folder_records
from include.perennial.gate.tasks import task_of
from include.perennial.models import estimators, frames, model_file, searching
from include.perennial.models.choice import Choice, choose
from include.perennial.models.frames import Labelled
from include.perennial.models.weights import weigher
from include.perennial.pipeline_folder import Pipeline, load_pipeline
from include.perennial.tables import from_frame, write_parquet
from tests.task_pipelines import KINDS
from tests.training_runs import MODEL, SPEC, make_toy, toy_frame

LOGISTIC = "sklearn.linear_model.LogisticRegression"
C = {"low": 0.001, "high": 10.0, "log": True}
OWN = (
    MODEL
    + '''
from optuna.distributions import FloatDistribution
from optuna_integration import OptunaSearchCV
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv
from sklearn.model_selection import (
    GridSearchCV, HalvingRandomSearchCV, KFold, RandomizedSearchCV, TimeSeriesSplit
)


def grid():
    return GridSearchCV(LogisticRegression(), {"C": [0.001, 0.1, 1.0]}, cv=2)


def random():
    return RandomizedSearchCV(LogisticRegression(), {"C": [0.001, 0.1, 1.0]}, n_iter=2, cv=TimeSeriesSplit(2))


def halving():
    return HalvingRandomSearchCV(
        LogisticRegression(), {"C": [0.001, 0.01, 0.1, 1.0]}, n_candidates=3, min_resources=150
    )


def optuna():
    return OptunaSearchCV(LogisticRegression(), {"C": FloatDistribution(0.001, 10, log=True)}, n_trials=3)


def shuffled():
    return GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=KFold(3, shuffle=True))


def by_estimator():
    return GridSearchCV(RandomForestClassifier(), {"base": [1]}, cv=2)


def unseeded():
    return RandomForestClassifier(n_estimators=3)


def recent(rows, labels):
    age = (rows["at"].max() - rows["at"]).dt.days
    return 0.5 ** (age / 7)


def too_few(rows, labels):
    return [1.0]


class Halfway(ClassifierMixin, BaseEstimator):
    """Shrinks what it is given towards one half."""

    def fit(self, X, y, sample_weight=None):
        self.inner_ = LogisticRegression().fit(X, y, sample_weight)
        self.classes_ = self.inner_.classes_
        return self

    def predict_proba(self, X):
        return 0.5 * self.inner_.predict_proba(X) + 0.25
'''
)


def pipeline_of(root: Path, estimator: str = LOGISTIC, *, model: str = OWN, **changes: Any) -> Pipeline:
    candidate = {"estimator": estimator, **changes.pop("candidate", {})}
    make_toy(root, **{"window": {"partitions": 6}, "candidates": {"only": candidate}, **changes})
    (root / "pipelines" / "toy" / "model.py").write_text(model)
    return load_pipeline("toy", root / "pipelines")


def rows_of(pipeline: Pipeline, root: Path, n: int = 4, **columns: Any) -> Labelled:
    paths = []
    for week in range(n):
        paths.append(root / f"{week}.parquet")
        table = from_frame(toy_frame(week, 150).assign(**columns), pipeline.spec.data.columns, "rows")
        write_parquet(table, paths[-1])
    return frames.read(paths, pipeline.spec.data, task_of(pipeline.spec))


def chosen(pipeline: Pipeline, rows: Labelled, overrides: dict[str, Any] | None = None) -> Choice:
    weights = weigher(pipeline)(rows)
    found = choose(pipeline, "only", {"only": overrides or {}}, rows, seed=7, weights=weights)
    assert found is not None
    return found


@pytest.mark.parametrize("n_partitions", [3, 4, 9])
@pytest.mark.parametrize("n_folds", [2, 3, 5])
def test_no_fold_is_fitted_on_what_is_later_than_what_it_judges(n_folds: int, n_partitions: int) -> None:
    partition = np.repeat(np.arange(n_partitions), 5)

    folds = searching.time_folds(partition, TimeSeriesSplit(n_folds), "It")

    assert len(folds) == min(n_folds, n_partitions - 1)
    assert all(partition[fit].max() < partition[judge].min() for fit, judge in folds)
    judged = [set(partition[judge]) for _, judge in folds]
    assert not any(one & other for one, other in itertools.combinations(judged, 2))


SEARCHES = {
    "grid": {"kind": "grid", "space": {"C": [0.001, 1.0], "features__use_noise": [True, False]}, "folds": 2},
    "random": {"kind": "random", "space": {"C": C, "max_iter": {"low": 50, "high": 60}}, "n_iter": 4},
    "optuna": {"kind": "optuna", "space": {"C": C, "fit_intercept": [True, False]}, "n_iter": 4},
}


@pytest.mark.parametrize("kind", list(SEARCHES))
def test_a_search_of_the_spec_finds_the_same_again_and_records_what_it_tried(kind: str, tmp_path: Path) -> None:
    pipeline = pipeline_of(tmp_path, candidate={"search": SEARCHES[kind]})
    rows = rows_of(pipeline, tmp_path)

    first, again = chosen(pipeline, rows), chosen(pipeline, rows)

    assert first.params == again.params
    assert set(first.params) == {searching.in_pipeline(name) for name in SEARCHES[kind]["space"]}
    assert first.searched.trials == len(first.trials) == 4
    assert first.searched.score == first.trials["mean_test_score"].max() < 0  # a log loss, the sign turned
    assert not first.searched.was_cut


@pytest.mark.parametrize("function", ["grid", "random", "halving", "optuna"])
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:.*experimental", "ignore::DeprecationWarning")
def test_a_search_object_of_model_py_searches_the_whole_pipeline_and_leaves_a_plain_model(
    function: str, tmp_path: Path
) -> None:
    pipeline = pipeline_of(tmp_path, f"model.{function}")
    rows = rows_of(pipeline, tmp_path)

    first, again = chosen(pipeline, rows), chosen(pipeline, rows)
    model = estimators.build(pipeline, "only", {}, seed=7, chosen=first.params)

    assert first.params == again.params
    assert list(first.params) == ["model__C"]
    assert first.searched.trials == len(first.trials) > 1
    assert type(model.named_steps["model"]) is LogisticRegression
    assert first.params["model__C"] == model.named_steps["model"].C


def test_a_search_of_counts_uses_the_loss_behind_the_skill(tmp_path: Path) -> None:
    search = {"kind": "grid", "space": {"alpha": [0.01, 100.0]}, "folds": 2}
    candidate = {"estimator": "sklearn.linear_model.PoissonRegressor", "search": search}
    changes = {**KINDS["regression"].changes, "candidates": {"only": candidate}}
    pipeline = make_toy(
        tmp_path, **{**changes, "window": {"partitions": 4}, "selection_metric": "poisson_deviance_skill"}
    )
    paths = [tmp_path / f"{n}.parquet" for n in range(3)]
    for n, path in enumerate(paths):
        write_parquet(from_frame(KINDS["regression"].frame(n), pipeline.spec.data.columns, "rows"), path)

    found = chosen(pipeline, frames.read(paths, pipeline.spec.data, task_of(pipeline.spec)))

    assert found.params == {"model__alpha": 0.01}


def test_the_clock_ends_a_search_after_the_trial_that_it_overtakes(tmp_path: Path) -> None:
    search = {"kind": "random", "space": {"C": C}, "n_iter": 50, "timeout_s": 1e-9}
    pipeline = pipeline_of(tmp_path, candidate={"search": search})

    found = chosen(pipeline, rows_of(pipeline, tmp_path))

    assert found.searched.was_cut
    assert found.searched.trials == 1


def test_a_parameter_that_the_run_sets_is_not_searched_for(tmp_path: Path) -> None:
    pipeline = pipeline_of(tmp_path, candidate={"search": SEARCHES["grid"]})
    rows = rows_of(pipeline, tmp_path)

    assert set(chosen(pipeline, rows, {"C": 0.5}).params) == {"features__use_noise"}


@pytest.mark.parametrize(
    ("estimator", "candidate", "message"),
    [
        ("model.shuffled", {}, "cv of the search is a KFold, which may fit on what is later"),
        ("model.grid", {"search": SEARCHES["grid"]}, "makes a search, and pipeline.yaml has one too"),
        (LOGISTIC, {"search": {"kind": "grid", "space": {"c": [1.0]}}}, "names 'c', which its estimator does not have"),
        (LOGISTIC, {"search": {"kind": "grid", "space": {"C": [-1.0]}}}, "its search fails: ValueError: .*C"),
        ("model.by_estimator", {}, "its search fails: ValueError: Invalid parameter 'base'"),
    ],
    ids=["shuffled folds", "two searches", "unknown parameter", "impossible value", "unknown parameter of an object"],
)
def test_a_search_that_cannot_be_is_a_message(
    estimator: str, candidate: dict[str, Any], message: str, tmp_path: Path
) -> None:
    pipeline = pipeline_of(tmp_path, estimator, candidate=candidate)

    with pytest.raises(BadInput, match=rf"(?s)Candidate only: .*{message}"):
        chosen(pipeline, rows_of(pipeline, tmp_path, 3))


def test_too_few_partitions_to_split_in_time_are_a_message(tmp_path: Path) -> None:
    pipeline = pipeline_of(tmp_path, "model.grid")

    with pytest.raises(BadInput, match=r"needs 3 training partitions .* and has 2\. To fix: raise window.partitions"):
        chosen(pipeline, rows_of(pipeline, tmp_path, 2))


def test_what_a_search_chose_must_be_plain() -> None:
    assert searching.plain({"a": np.float64(1.5), "b": (1, [True])}, "It") == {"a": 1.5, "b": [1, [True]]}
    with pytest.raises(BadInput, match="chose model__base = LogisticRegression, which the ledger cannot record"):
        searching.plain({"model__base": LogisticRegression()}, "It")


# --- weights ------------------------------------------------------------------------------------

WEIGHTED = {"data": {**SPEC["data"], "weight": "w", "columns": {**SPEC["data"]["columns"], "w": "float"}}}


def test_a_column_of_weights_reaches_the_fit_and_is_no_feature(tmp_path: Path) -> None:
    pipeline = pipeline_of(tmp_path, **WEIGHTED)
    heavy = rows_of(pipeline, tmp_path, 1, w=np.where(toy_frame(0, 150)["label"] == 1, 10.0, 1.0))
    plain = Labelled(heavy.x, heavy.y)

    rates = [estimators.predict(fitted(pipeline, rows), heavy.x, "only").mean() for rows in (heavy, plain)]

    assert rates[0] > rates[1] + 0.2
    assert "w" not in heavy.x
    assert "w" not in frames.read_features(tmp_path / "0.parquet", pipeline.spec.data)
    assert "w" not in frames.read_with_gaps(tmp_path / "0.parquet", pipeline.spec.data)[0]


def test_a_function_of_weights_is_asked_for_each_fit(tmp_path: Path) -> None:
    pipeline = pipeline_of(tmp_path, weights="model.recent")
    rows = rows_of(pipeline, tmp_path, 3)

    weights = weigher(pipeline)(rows)

    assert weights is not None
    means = pd.Series(weights).groupby(rows.partition).mean()
    assert means.round(2).tolist() == [0.25, 0.5, 1.0]


def test_a_search_is_weighted_too(tmp_path: Path) -> None:
    pipeline = pipeline_of(tmp_path, weights="model.recent", candidate={"search": SEARCHES["random"]})
    unweighted = pipeline_of(tmp_path / "un", candidate={"search": SEARCHES["random"]})
    rows = rows_of(pipeline, tmp_path)

    scores = [chosen(one, rows).trials["mean_test_score"].to_numpy() for one in (pipeline, unweighted)]

    assert not np.array_equal(*scores)


def fitted(pipeline: Pipeline, rows: Labelled) -> Any:
    model = estimators.build(pipeline, "only", {}, seed=7)
    estimators.fit(model, rows, "only", task_of(pipeline.spec), weigher(pipeline)(rows))
    return model


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.nan, "must be finite numbers, 0 or more, in every row: 150 of 150 rows are not, for example nan"),
        (-1.0, r"for example -1\.0"),
        (0.0, "are all 0: nothing to learn"),
    ],
    ids=["missing", "negative", "nothing"],
)
def test_wrong_weights_are_a_message(weights: float, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"Sample weights of column 'w' .*{message}"):
        rows_of(pipeline_of(tmp_path, **WEIGHTED), tmp_path, 1, w=weights)


@pytest.mark.parametrize(
    ("estimator", "weights", "message"),
    [
        (LOGISTIC, "model.recnt", r"weights: model.recnt does not exist \(did you mean 'recent'"),
        (LOGISTIC, "model.too_few", r"have shape \(1,\): expected one per row, \(150,\)"),
        (LOGISTIC, "model.grid", "Sample weights cannot be made by model.grid: TypeError"),
        ("sklearn.neighbors.KNeighborsClassifier", "model.recent", "takes no sample_weight"),
    ],
    ids=["no function", "too few", "another function", "an estimator without"],
)
def test_weights_that_cannot_be_are_a_message(estimator: str, weights: str, message: str, tmp_path: Path) -> None:
    pipeline = pipeline_of(tmp_path, estimator, weights=weights)

    with pytest.raises(BadInput, match=message):
        fitted(pipeline, rows_of(pipeline, tmp_path, 1))


def test_class_weights_are_parameters(tmp_path: Path) -> None:
    params = {"class_weight": {0: 1, 1: 50}}
    pipeline = pipeline_of(tmp_path, candidate={"params": params})
    rows = rows_of(pipeline, tmp_path, 1)

    assert estimators.predict(fitted(pipeline, rows), rows.x, "only").mean() > 0.9


# --- other people's estimators ------------------------------------------------------------------


def bytes_of(pipeline: Pipeline, rows: Labelled, folder: Path) -> bytes:
    model_file.save(fitted(pipeline, rows), pipeline.model_sources(), folder, pipeline.spec.trusted_types)
    return (folder / model_file.MODEL_FILE).read_bytes()


LIGHTGBM = {"n_estimators": 20, "subsample": 0.7, "subsample_freq": 1, "colsample_bytree": 0.7}
XGBOOST = {"n_estimators": 20, "subsample": 0.7, "colsample_bytree": 0.7}


@pytest.mark.parametrize(
    ("estimator", "params"),
    [
        ("lightgbm.LGBMClassifier", LIGHTGBM),
        ("xgboost.XGBClassifier", XGBOOST),
        ("model.unseeded", {}),
        ("model.Halfway", {}),
    ],
    ids=["LightGBM", "XGBoost", "a function that sets no seed", "a class of model.py"],
)
def test_the_same_data_give_the_same_bytes_that_predict_the_same_when_read_back(
    estimator: str, params: dict[str, Any], tmp_path: Path
) -> None:
    if estimator.startswith("xgboost"):
        pytest.importorskip("xgboost", reason="its small package is for Linux on x86-64 only")
    pipeline = pipeline_of(tmp_path, estimator, candidate={"params": params})
    rows, folder = rows_of(pipeline, tmp_path), tmp_path / "model"
    model = fitted(pipeline, rows)

    saved = model_file.save(model, pipeline.model_sources(), folder)
    loaded = model_file.load(folder, folder_records(folder), saved.trusted_types)

    assert bytes_of(pipeline, rows, tmp_path / "again") == (folder / model_file.MODEL_FILE).read_bytes()
    assert np.array_equal(loaded.predict_proba(rows.x), model.predict_proba(rows.x))
    assert len(list(folder.glob("code/*.py"))) == (2 if estimator == "model.Halfway" else 1)


def test_a_type_is_trusted_once_the_spec_says_so_and_no_longer(tmp_path: Path) -> None:
    model = "from sklearn.ensemble import ExtraTreesClassifier\nfrom scipy.stats import norm\n\n\ndef odd():\n"
    model += "    estimator = ExtraTreesClassifier(n_estimators=2)\n    estimator.line_ = norm.__class__\n"
    model += "    return estimator\n"
    name = "scipy.stats._continuous_distns.norm_gen"
    strict = pipeline_of(tmp_path / "strict", "model.odd", model=model)
    open_ = pipeline_of(tmp_path / "open", "model.odd", model=model, trusted_types=[name])
    rows, folder = rows_of(strict, tmp_path, 1), tmp_path / "model"

    with pytest.raises(BadInput, match=rf"not trusted: {name}.*trusted_types in\s+pipeline.yaml"):
        bytes_of(strict, rows, folder)
    saved = model_file.save(fitted(open_, rows), open_.model_sources(), folder, open_.spec.trusted_types)

    model_file.load(folder, folder_records(folder), saved.trusted_types, open_.spec.trusted_types)
    with pytest.raises(Exception, match="not on the trusted list, nor under trusted_types"):
        model_file.load(folder, folder_records(folder), saved.trusted_types)


# --- the spec -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"candidate": {"search": {**SEARCHES["grid"], "n_iter": 3}}}, "n_iter is for random and optuna"),
        ({"candidate": {"search": {**SEARCHES["grid"], "space": {"C": C}}}}, "space.C is a range: expected a list"),
        ({"candidate": {"search": {**SEARCHES["random"], "folds": 5}}}, "folds is 5: expected at most .* - 2, 4"),
        ({"candidate": {"search": {**SEARCHES["random"], "metric": "rmse"}}}, "metric is rmse: expected one of"),
        ({"candidate": {"search": {**SEARCHES["random"], "kind": "bayes"}}}, "grid, random, optuna"),
        (
            {"candidate": {"search": {"kind": "random", "space": {"C": {"low": 2, "high": 1}}}}},
            "high is 1: expected more than low, 2",
        ),
        (
            {"candidate": {"search": {"kind": "random", "space": {"C": {"low": 0, "high": 1, "log": True}}}}},
            "low is 0: expected more than 0, since log is true",
        ),
        (
            {"candidate": {"search": {"kind": "random", "space": {"C": {"low": "a", "high": 1}}}}},
            "low is 'a': expected a number",
        ),
        (
            {"candidate": {"search": {"kind": "random", "space": {"C": {"low": 1}}}}},
            "space.C is neither: expected a list of values, or a mapping with low and high",
        ),
        ({"weights": "recent"}, "weights"),
        ({**WEIGHTED, "weights": "model.recent"}, "is set beside data.weight, 'w': expected one of the two"),
        ({"data": {**SPEC["data"], "weight": "ww"}}, "data.weight names column 'ww', which is not declared"),
        ({"data": {**SPEC["data"], "weight": "label"}}, "neither target nor key"),
        ({"data": {**SPEC["data"], "weight": "group"}}, "declared as string: expected float or integer"),
        ({"trusted_types": ["os system"]}, "trusted_types"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:28],
)
def test_a_spec_that_cannot_be_is_refused_with_its_line(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=rf"pipeline.yaml:\d+: .*{message}"):
        pipeline_of(tmp_path, **changes)
