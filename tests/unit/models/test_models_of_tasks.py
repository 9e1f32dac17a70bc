"""Candidates of every task are fitted, stored without pickle and read back, and predict what they did."""

from pathlib import Path

import pytest

from include.perennial.errors import DataError, SpecError
from include.perennial.folder_records import folder_records
from include.perennial.gate.tasks import task_of
from include.perennial.models import behaviour, estimators, frames, model_file, plots
from include.perennial.models.frames import Labelled
from include.perennial.models.pictures import drawn
from include.perennial.models.plausibility import single_feature_auc
from include.perennial.pipeline_folder import Pipeline
from include.perennial.tables import from_frame, write_parquet
from tests.task_pipelines import KINDS
from tests.training_runs import make_toy

CANDIDATES = [(kind, name) for kind in KINDS for name in KINDS[kind].changes["candidates"]]


def rows_of(pipeline: Pipeline, kind: str, root: Path) -> Labelled:
    path = root / "rows.parquet"
    write_parquet(from_frame(KINDS[kind].frame(0), pipeline.spec.data.columns, "rows"), path)
    return frames.read([path], pipeline.spec.data, task_of(pipeline.spec))


@pytest.mark.parametrize(("kind", "name"), CANDIDATES)
def test_a_stored_model_predicts_what_the_fitted_one_did(kind: str, name: str, tmp_path: Path) -> None:
    pipeline = KINDS[kind].make(tmp_path)
    task, rows = task_of(pipeline.spec), rows_of(pipeline, kind, tmp_path)
    model = estimators.build(pipeline, name, {}, seed=7)
    estimators.fit(model, rows, name, task)
    saved = model_file.save(model, pipeline.model_sources(), tmp_path / "model")
    loaded = model_file.load(tmp_path / "model", folder_records(tmp_path / "model"), saved.trusted_types)
    seen = behaviour.observe(model, loaded, rows.x, 1000, task)
    assert (seen.finite, seen.constant, seen.round_trip_max_abs_diff) == (True, False, 0.0)


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_column_that_the_labels_follow_is_the_important_one(kind: str, tmp_path: Path) -> None:
    pipeline = KINDS[kind].make(tmp_path)
    task, rows = task_of(pipeline.spec), rows_of(pipeline, kind, tmp_path)
    model = estimators.build(pipeline, "boosting", {}, seed=7)
    estimators.fit(model, rows, "boosting", task)
    assert next(iter(plots.permutation_importance(model, rows.x, rows.y, seed=1, task=task))) == "signal"
    alone = single_feature_auc(model, rows.x, rows.y, task)
    assert max(alone, key=alone.__getitem__) == "signal"
    p = task.predict(model, rows.x)
    assert drawn(task, rows.y, p).startswith(b"\x89PNG")
    assert drawn(task, rows.y, p) == drawn(task, rows.y, p)


def test_a_classifier_cannot_be_a_candidate_of_a_regression(tmp_path: Path) -> None:
    wrong = {"only": {"estimator": "sklearn.linear_model.LogisticRegression"}}
    pipeline = make_toy(tmp_path, **{**KINDS["regression"].changes, "candidates": wrong})
    with pytest.raises(SpecError, match=r"candidates\.only: .*must have fit and predict, and be no classifier"):
        estimators.build(pipeline, "only", {}, seed=7)


def test_a_label_that_is_no_class_is_named_with_the_classes(tmp_path: Path) -> None:
    pipeline = KINDS["multiclass"].make(tmp_path)
    frame = KINDS["multiclass"].frame(0)
    frame.loc[3, "label"] = "huge"
    path = tmp_path / "rows.parquet"
    write_parquet(from_frame(frame, pipeline.spec.data.columns, "rows"), path)
    with pytest.raises(DataError, match=r"must be one of low, middle, high in every row: 1 of 600 rows .* 'huge'"):
        frames.read([path], pipeline.spec.data, task_of(pipeline.spec))
