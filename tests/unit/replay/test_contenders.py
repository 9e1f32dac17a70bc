"""A window's contender is made once and shared, by content."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from include.perennial.contracts import TrainingPlan, Trigger
from include.perennial.errors import IntegrityError
from include.perennial.pipeline_folder import Pipeline
from include.perennial.replay import contenders
from include.perennial.replay.contenders import Contender
from include.perennial.replay.service import Service
from include.perennial.replay.walk import Course
from tests.training_runs import make_toy, with_gate
from tests.unit.replay.conftest import MONITOR, World, keys


@pytest.fixture
def course(world: World) -> Course:
    return world.course(4, 6)


def plan(course: Course, week: int = 4) -> TrainingPlan:
    planned = course.plan(keys(week, week)[0], Trigger.SCHEDULE)
    assert isinstance(planned, TrainingPlan)
    return planned


def made(course: Course, of: TrainingPlan) -> Contender:
    return contenders.make(of, course.pipeline, course.supply, course.home)


def test_a_contender_is_fitted_once(course: Course) -> None:
    first = made(course, plan(course))
    record = contenders.folder_of(plan(course), course.pipeline, course.home) / "contender.json"
    os.utime(record, (0, 0))

    assert made(course, plan(course)) == first
    assert record.stat().st_mtime == 0


def test_all_policies_and_triggers_share_it(course: Course) -> None:
    asked = course.plan(keys(4, 4)[0], Trigger.DRIFT)

    assert isinstance(asked, TrainingPlan)
    assert made(course, asked) == made(course, plan(course))


def test_of_two_that_make_the_same_one_stays(course: Course) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: made(course, plan(course)), range(2)))

    assert both[0] == both[1]
    assert len(list((course.home / "contenders").iterdir())) == 1


def _with_other_model(pipeline: Pipeline, root: Path) -> Pipeline:
    one = {"logistic": {"estimator": "sklearn.linear_model.LogisticRegression", "params": {"C": 0.1}}}
    return make_toy(root, monitor=MONITOR, candidates=one)


@pytest.mark.parametrize(
    ("changed", "is_shared"),
    [
        pytest.param(lambda toy, _: with_gate(toy, min_rows=7), True, id="a threshold of the gate"),
        pytest.param(lambda _, root: make_toy(root, monitor={}), True, id="the monitor"),
        pytest.param(_with_other_model, False, id="a candidate's parameter"),
        pytest.param(lambda _, root: make_toy(root, monitor=MONITOR, refit=False), False, id="no refit"),
        pytest.param(lambda _, root: make_toy(root, monitor=MONITOR, seed=8), False, id="another seed"),
    ],
)
def test_what_makes_another_contender(course: Course, tmp_path: Path, changed: object, is_shared: bool) -> None:
    before = contenders.folder_of(plan(course), course.pipeline, course.home)
    other = replace(course, pipeline=changed(course.pipeline, tmp_path / "other"))  # type: ignore[operator]

    after = contenders.folder_of(plan(other), other.pipeline, other.home)

    assert (after == before) is is_shared


def test_another_window_is_another_contender(course: Course) -> None:
    folders = {contenders.folder_of(plan(course, week), course.pipeline, course.home) for week in (4, 5, 6)}

    assert len(folders) == 3


def test_a_kept_model_that_was_changed_is_not_used(course: Course) -> None:
    contender = made(course, plan(course))
    Path(contender.final.model_uri, "model.skops").write_bytes(b"something else")

    with pytest.raises(IntegrityError, match="not what was recorded"):
        Service(course.pipeline, course.supply).predictions(contender.final, keys(5, 5)[0])


def test_an_interrupted_one_leaves_nothing_that_counts(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(contenders, "predict_holdout", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            made(course, plan(course))

    assert list((course.home / "contenders").iterdir()) == []
    assert made(course, plan(course)).winner in course.pipeline.spec.candidates


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
