"""A candidate of the spec into an unfitted scikit-learn pipeline: the feature transformer, then the estimator."""

import importlib
import inspect
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline as SklearnPipeline
from threadpoolctl import threadpool_limits

from include.perennial.errors import BadInput, DataError, SpecError
from include.perennial.gate.arrays import Floats
from include.perennial.gate.tasks import BINARY, Task, task_of
from include.perennial.messages import clipped, did_you_mean
from include.perennial.models.frames import Labelled
from include.perennial.pipeline_folder import Pipeline

FEATURES_STEP = "features"
MODEL_STEP = "model"
LIBRARIES = ("lightgbm", "sklearn", "xgboost")
_OWN = "model."


def parameters(pipeline: Pipeline, candidate: str, overrides: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Estimator parameters of ``candidate``: the spec's, then those of the run."""
    return {**pipeline.spec.candidates[candidate].params, **overrides.get(candidate, {})}


def libraries(pipeline: Pipeline, candidate: str) -> tuple[str, ...]:
    """Modules that ``candidate`` needs beside scikit-learn."""
    library = pipeline.spec.candidates[candidate].estimator.partition(".")[0]
    return (library,) if library in LIBRARIES and library != "sklearn" else ()


def build(
    pipeline: Pipeline, candidate: str, overrides: Mapping[str, Mapping[str, Any]], *, seed: int
) -> SklearnPipeline:
    """The unfitted pipeline of ``candidate``; ``random_state`` is ``seed`` where the estimator takes one.

    Raises:
        SpecError: the estimator is not on the allowed libraries, does not exist, cannot be built from the
            parameters, or does not fit the task.
    """
    where = f"{pipeline.folder / 'pipeline.yaml'}: candidates.{candidate}"
    path = pipeline.spec.candidates[candidate].estimator
    factory = _factory(pipeline, path, where)
    params = parameters(pipeline, candidate, overrides)
    _check_names(factory, path, params, where)
    if "random_state" in inspect.signature(factory).parameters:
        params.setdefault("random_state", seed)
    try:
        estimator = factory(**params)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{where}: {path} cannot be built: {clipped(str(error), 600)}") from error
    if problem := task_of(pipeline.spec).estimator_problem(estimator):
        raise SpecError(f"{where}: {path} {problem}.")
    return SklearnPipeline([(FEATURES_STEP, pipeline.features_class()()), (MODEL_STEP, estimator)])


def fit(model: SklearnPipeline, rows: Labelled, candidate: str, task: Task = BINARY) -> float:
    """Fit ``model`` in place, on one thread; returns the seconds it took.

    One thread, because tasks already share the cores, and because the order of sums then never depends on them.

    Raises:
        DataError: all labels are equal.
        BadInput: the estimator or the feature transformer refuses the rows or a parameter.
    """
    if why := task.nothing_to_learn(rows.y):
        raise DataError(f"Candidate {candidate}: {why}: nothing to learn.")
    start = time.perf_counter()
    with threadpool_limits(limits=1), told(f"Candidate {candidate} cannot be fitted", "its params and fit()"):
        model.fit(rows.x, task.targets(rows.y))
    return time.perf_counter() - start


def predict(model: SklearnPipeline, x: pd.DataFrame, candidate: str, task: Task = BINARY) -> Floats:
    """Predictions of the task for each row of ``x``: of two classes the probability of 1, shape ``(n,)``.

    Raises:
        BadInput: the feature transformer refuses the rows.
    """
    with told(f"Candidate {candidate} cannot score rows that it was not fitted on", "transform()"):
        return task.predict(model, x)


@contextmanager
def told(what: str, where: str) -> Iterator[None]:
    """Code of the pipeline folder runs inside: what it raises becomes a message, with the traceback as its cause.

    Raises:
        BadInput: the code refuses.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        said = f"{type(error).__name__}: {clipped(str(error), 800)}"
        raise BadInput(f"{what}: {said} Check {where} in pipeline.yaml and features.py.") from error


def _factory(pipeline: Pipeline, path: str, where: str) -> Callable[..., Any]:
    if path.startswith(_OWN):
        return _attribute(pipeline.load_module("model"), path.removeprefix(_OWN), path, where)
    library = path.partition(".")[0]
    if library not in LIBRARIES:
        raise SpecError(
            f"{where}: estimator {path!r} is not allowed: expected a class of {', '.join(LIBRARIES)}, "
            "or model.<function> for a function of model.py."
        )
    module_name, _, name = path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise SpecError(f"{where}: estimator {path!r} needs module {error.name!r}, which is not installed.") from error
    return _attribute(module, name, path, where)


def _attribute(module: Any, name: str, path: str, where: str) -> Callable[..., Any]:
    factory = getattr(module, name, None)
    if not callable(factory):
        raise SpecError(f"{where}: estimator {path!r} does not exist{did_you_mean(name, dir(module))}.")
    return factory


def _check_names(factory: Callable[..., Any], path: str, params: Mapping[str, Any], where: str) -> None:
    accepted = inspect.signature(factory).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in accepted.values()):
        return
    for name in params:
        if name not in accepted:
            raise SpecError(
                f"{where}: {path} has no parameter {name!r}{did_you_mean(name, accepted)}. "
                f"Allowed: {clipped(', '.join(accepted), 800)}."
            )
