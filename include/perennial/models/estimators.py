"""A candidate of the spec into an unfitted scikit-learn pipeline: the feature transformer, then the estimator."""

import importlib
import inspect
import time
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline as SklearnPipeline
from sklearn.utils.validation import has_fit_parameter
from threadpoolctl import threadpool_limits

from include.perennial.errors import DataError, SpecError
from include.perennial.gate.arrays import Floats
from include.perennial.gate.tasks import BINARY, Task, task_of
from include.perennial.messages import clipped, did_you_mean
from include.perennial.models.determinism import settle
from include.perennial.models.folder_code import told
from include.perennial.models.frames import Labelled
from include.perennial.models.parts import Parts, fit_partitions, split, takes_partitions
from include.perennial.models.searching import is_search
from include.perennial.pipeline_folder import Pipeline

__all__ = ["build", "fit", "libraries", "parameters", "predict", "search_object", "told"]

FEATURES_STEP = "features"
MODEL_STEP = "model"
LIBRARIES = ("lightgbm", "sklearn", "xgboost")
_OWN = "model."


def parameters(pipeline: Pipeline, candidate: str, overrides: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Estimator parameters of ``candidate``: the spec's, then those of the run."""
    return {**pipeline.spec.candidates[candidate].params, **overrides.get(candidate, {})}


def libraries(model: SklearnPipeline) -> tuple[str, ...]:
    """Modules that ``model`` needs beside scikit-learn."""
    parts = [model, *model.get_params(deep=True).values()]
    needed = {type(part).__module__.partition(".")[0] for part in parts}
    return tuple(name for name in LIBRARIES if name in needed and name != "sklearn")


def build(
    pipeline: Pipeline,
    candidate: str,
    overrides: Mapping[str, Mapping[str, Any]],
    *,
    seed: int,
    chosen: Mapping[str, Any] | None = None,
) -> SklearnPipeline:
    """The unfitted pipeline of ``candidate``; ``seed`` is every ``random_state`` that is not set.

    ``chosen`` are parameters that a search has found. Of a search object of ``model.py`` its estimator is taken.

    Raises:
        SpecError: the estimator is not on the allowed libraries, does not exist, cannot be built from the
            parameters, or does not fit the task.
    """
    made = _made(pipeline, candidate, overrides, seed)
    estimator = made.estimator if is_search(made) else made
    path, where = pipeline.spec.candidates[candidate].estimator, _where(pipeline, candidate)
    if problem := task_of(pipeline.spec).estimator_problem(estimator):
        raise SpecError(f"{where}: {path} {problem}.")
    model = SklearnPipeline([(FEATURES_STEP, pipeline.features_class()()), (MODEL_STEP, estimator)])
    try:
        model.set_params(**(chosen or {}))
    except (TypeError, ValueError) as error:
        raise SpecError(f"{where}: {path} refuses what the search found: {clipped(str(error), 600)}") from error
    return model


def search_object(
    pipeline: Pipeline, candidate: str, overrides: Mapping[str, Mapping[str, Any]], *, seed: int
) -> Any | None:
    """The search that a function of ``model.py`` makes; None if it makes an estimator."""
    made = _made(pipeline, candidate, overrides, seed)
    return made if is_search(made) else None


def _where(pipeline: Pipeline, candidate: str) -> str:
    return f"{pipeline.folder / 'pipeline.yaml'}: candidates.{candidate}"


def _made(pipeline: Pipeline, candidate: str, overrides: Mapping[str, Mapping[str, Any]], seed: int) -> Any:
    where, path = _where(pipeline, candidate), pipeline.spec.candidates[candidate].estimator
    factory = _factory(pipeline, path, where)
    params = parameters(pipeline, candidate, overrides)
    _check_names(factory, path, params, where)
    if "random_state" in inspect.signature(factory).parameters:
        params.setdefault("random_state", seed)
    if isinstance(given := params.get("class_weight"), Mapping):
        # YAML's and JSON's keys are texts.
        params["class_weight"] = task_of(pipeline.spec).class_weight(given)
    try:
        made = factory(**params)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{where}: {path} cannot be built: {clipped(str(error), 600)}") from error
    if hasattr(made, "get_params"):
        settle(made, seed)
    return made


def fit(
    model: SklearnPipeline, rows: Labelled | Parts, candidate: str, task: Task = BINARY, weights: Floats | None = None
) -> float:
    """Fit ``model`` in place, on one thread, with sample ``weights`` if given; returns the seconds it took.

    An estimator that takes partitions is given them one at a time, also of rows that are in memory: the same model.

    One thread, because tasks already share the cores, and because the order of sums then never depends on them.

    Raises:
        DataError: all labels are equal.
        BadInput: the estimator or the feature transformer refuses the rows or a parameter.
    """
    if why := task.nothing_to_learn(rows.y):
        raise DataError(
            f"Candidate {candidate}: {why}: nothing to learn. To fix: see that data.target in pipeline.yaml is the "
            "right column and its labels have come, or raise window.partitions until the window holds others."
        )
    start = time.perf_counter()
    with threadpool_limits(limits=1), told(f"Candidate {candidate} cannot be fitted", "its params and fit()"):
        if takes_partitions(model.named_steps[MODEL_STEP]):
            parts = rows if isinstance(rows, Parts) else split(rows, weights)
            fit_partitions(model, parts, candidate, task)
        elif isinstance(rows, Parts):
            raise TypeError(f"{candidate} is given partitions that are not in memory, and takes none")
        else:
            model.fit(rows.x, task.targets(rows.y), **weight_params(model, weights, candidate))
    return time.perf_counter() - start


def weight_params(model: SklearnPipeline, weights: Floats | None, candidate: str) -> dict[str, Floats]:
    """Sample weights as the pipeline's ``fit`` takes them.

    Raises:
        SpecError: there are weights, and the estimator takes none.
    """
    if weights is None:
        return {}
    estimator = model.named_steps[MODEL_STEP]
    if not has_fit_parameter(estimator, "sample_weight"):
        raise SpecError(
            f"Candidate {candidate}: fit() of {type(estimator).__name__} takes no sample_weight, and the spec has "
            "sample weights. To fix: choose an estimator that does, or remove data.weight and weights."
        )
    return {f"{MODEL_STEP}__sample_weight": weights}


def predict(model: SklearnPipeline, x: pd.DataFrame, candidate: str, task: Task = BINARY) -> Floats:
    """Predictions of the task for each row of ``x``: of two classes the probability of 1, shape ``(n,)``.

    Raises:
        BadInput: the feature transformer refuses the rows.
    """
    with told(f"Candidate {candidate} cannot score rows that it was not fitted on", "transform()"):
        return task.predict(model, x)


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
