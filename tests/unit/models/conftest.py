"""The toy pipeline, its frames and a fitted model, made once."""

from collections.abc import Callable

import pytest
from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.models import estimators
from include.perennial.models.frames import Labelled
from include.perennial.pipeline_folder import Pipeline
from tests.training_runs import make_toy, toy_frame


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def rows() -> Labelled:
    frame = toy_frame(0)
    return Labelled(frame, frame.pop("label").to_numpy())


@pytest.fixture(scope="session")
def fitted(toy: Pipeline, rows: Labelled) -> Callable[[str], SklearnPipeline]:
    def fit(candidate: str) -> SklearnPipeline:
        model = estimators.build(toy, candidate, {}, seed=toy.spec.seed)
        estimators.fit(model, rows, candidate)
        return model

    return fit
