"""Candidates of the spec become seeded pipelines, and everything else becomes one readable message."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.errors import BadInput, DataError, SpecError
from include.perennial.models import estimators
from include.perennial.models.frames import Labelled
from include.perennial.pipeline_folder import Pipeline
from tests.training_runs import FEATURES, make_toy


def _candidate(root: Path, estimator: str, **params: Any) -> Pipeline:
    return make_toy(root, candidates={"only": {"estimator": estimator, "params": params}})


def test_a_candidate_is_the_feature_transformer_and_the_estimator(toy: Pipeline) -> None:
    model = estimators.build(toy, "forest", {}, seed=7)

    assert [type(step).__name__ for _, step in model.steps] == ["Features", "RandomForestClassifier"]
    assert model.named_steps["model"].get_params()["n_estimators"] == 5


def test_the_seed_of_the_spec_is_the_random_state_of_the_estimator(toy: Pipeline) -> None:
    assert estimators.build(toy, "forest", {}, seed=7).named_steps["model"].random_state == 7


def test_a_random_state_in_the_spec_stands(tmp_path: Path) -> None:
    pipeline = _candidate(tmp_path, "sklearn.ensemble.RandomForestClassifier", random_state=3)

    assert estimators.build(pipeline, "only", {}, seed=7).named_steps["model"].random_state == 3


def test_an_estimator_without_randomness_gets_no_seed(tmp_path: Path) -> None:
    pipeline = _candidate(tmp_path, "sklearn.naive_bayes.GaussianNB")

    assert "random_state" not in estimators.build(pipeline, "only", {}, seed=7).named_steps["model"].get_params()


def test_overrides_of_a_run_win_over_the_spec_and_touch_no_other_candidate(toy: Pipeline) -> None:
    overrides = {"forest": {"n_estimators": 9}}

    assert estimators.build(toy, "forest", overrides, seed=7).named_steps["model"].n_estimators == 9
    assert estimators.parameters(toy, "boosting", overrides) == {"max_iter": 10, "max_features": 0.5}


def test_a_function_of_the_folder_makes_an_estimator(tmp_path: Path) -> None:
    model = estimators.build(_candidate(tmp_path, "model.strong", C=0.25), "only", {}, seed=7)

    assert model.named_steps["model"].get_params() | {"C": 0.25, "random_state": 7} == (
        model.named_steps["model"].get_params()
    )


@pytest.mark.parametrize(
    ("estimator", "params", "message"),
    [
        ("os.system", {}, "not allowed: expected a class of lightgbm, sklearn, xgboost"),
        ("sklearnx.Evil", {}, "not allowed"),
        ("sklearn.ensemble.RandomForestClasifier", {}, "did you mean 'RandomForestClassifier'"),
        ("sklearn.nothing.Model", {}, "sklearn.nothing"),
        ("model.strnog", {}, "did you mean 'strong'"),
        ("sklearn.ensemble.RandomForestClassifier", {"n_estimator": 5}, "did you mean 'n_estimators'"),
        ("sklearn.linear_model.LinearRegression", {}, "predict_proba"),
        ("sklearn.svm.SVC", {"probability": False}, "predict_proba"),
        ("sklearn.ensemble.VotingClassifier", {}, "cannot be built"),
    ],
    ids=[
        "not a library",
        "a library of a similar name",
        "a misspelt class",
        "a module that is not there",
        "a misspelt function",
        "a misspelt parameter",
        "a regressor",
        "no probabilities",
        "a missing argument",
    ],
)
def test_what_is_no_candidate_is_refused_with_the_place_and_the_remedy(
    estimator: str, params: dict[str, Any], message: str, tmp_path: Path
) -> None:
    pipeline = _candidate(tmp_path, estimator, **params)

    with pytest.raises(SpecError, match=message) as caught:
        estimators.build(pipeline, "only", {}, seed=7)

    assert "pipeline.yaml: candidates.only" in str(caught.value)
    assert len(str(caught.value)) <= 2000


def test_a_value_that_the_estimator_refuses_is_a_message_not_a_traceback(tmp_path: Path, rows: Labelled) -> None:
    pipeline = _candidate(tmp_path, "sklearn.linear_model.LogisticRegression", C="strong")
    model = estimators.build(pipeline, "only", {}, seed=7)

    with pytest.raises(BadInput, match="Candidate only cannot be fitted: InvalidParameterError: The 'C' parameter"):
        estimators.fit(model, rows, "only")


def test_labels_that_are_all_equal_are_refused(toy: Pipeline, rows: Labelled) -> None:
    with pytest.raises(DataError, match="all 600 training labels are 1"):
        estimators.fit(
            estimators.build(toy, "logistic", {}, seed=7), Labelled(rows.x, np.ones_like(rows.y)), "logistic"
        )


@pytest.mark.parametrize(
    ("estimator", "libraries"),
    [("lightgbm.LGBMClassifier", ("lightgbm",)), ("sklearn.naive_bayes.GaussianNB", ()), ("model.strong", ())],
    ids=["another library", "scikit-learn", "own"],
)
def test_a_model_requires_the_library_of_its_estimator(
    estimator: str, libraries: tuple[str, ...], tmp_path: Path
) -> None:
    model = estimators.build(_candidate(tmp_path, estimator), "only", {}, seed=7)

    assert estimators.libraries(model) == libraries


def test_a_transformer_that_fails_is_a_message_that_names_its_file(tmp_path: Path, rows: Labelled) -> None:
    pipeline = make_toy(
        tmp_path, features=FEATURES.replace(".fillna(-1)", '.pipe(lambda column: column / column["x"])')
    )
    model = estimators.build(pipeline, "logistic", {}, seed=7)

    with pytest.raises(BadInput, match=r"Candidate logistic cannot be fitted: KeyError: 'x'.*features.py"):
        estimators.fit(model, rows, "logistic")


def test_rows_that_a_fitted_model_cannot_score_are_a_message(
    fitted: Callable[[str], SklearnPipeline], rows: Labelled
) -> None:
    with pytest.raises(BadInput, match=r"cannot score rows that it was not fitted on: KeyError: 'signal'"):
        estimators.predict(fitted("logistic"), rows.x.drop(columns="signal"), "logistic")
