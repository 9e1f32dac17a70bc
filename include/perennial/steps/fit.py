"""Fit one candidate without the selection partition, and measure it there."""

import logging
from dataclasses import dataclass

import pandas as pd

from include.perennial.contracts import CandidateFit, TrainingPlan
from include.perennial.errors import BadInput
from include.perennial.gate.tasks import task_of
from include.perennial.models import estimators, frames
from include.perennial.models.choice import choose
from include.perennial.models.cluster import spread
from include.perennial.models.frames import Labelled
from include.perennial.models.metrics import measure_all
from include.perennial.models.parts import Parts
from include.perennial.models.weights import weigher
from include.perennial.pipeline_folder import Pipeline
from include.perennial.steps.run_records import dataset, run_record
from include.perennial.steps.training_rows import training_rows
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.tracking.runs import Tracking

log = logging.getLogger(__name__)


def fit_candidate(
    plan: TrainingPlan, candidate: str, pipeline: Pipeline, registry: DataRegistry, tracking: Tracking
) -> CandidateFit:
    """Fit on ``plan.train`` but its newest partition, measure on that one, log an MLflow run. May be repeated.

    The model itself is not kept: the winner is fitted again, on all of ``plan.train``.

    Raises:
        BadInput: the candidate is unknown or cannot be fitted to these rows.
        IntegrityError: the data registry no longer holds the planned bytes.
        Unavailable: a store does not answer.
    """
    if candidate not in plan.candidates:
        raise BadInput(f"Candidate {candidate!r} is not in the plan: it has {', '.join(plan.candidates)}.")
    task = task_of(pipeline.spec)
    train = training_rows(plan, plan.train[:-1], pipeline, candidate, registry)
    [selection_path] = registry.fetch(plan.pipeline, plan.train[-1:], plan.data_commit)
    selection = frames.read([selection_path], pipeline.spec.data, task)
    fitted = fit_and_measure(plan, candidate, pipeline, train, selection)
    inputs = [dataset(plan, plan.train[:-1], "training"), dataset(plan, plan.train[-1:], "selection")]
    fit, tried = fitted.fit, fitted.trials
    run_id = tracking.start(
        run_record(plan, pipeline, candidate, key=candidate, name=candidate, inputs=inputs, chosen=fit.chosen)
    )
    measured = {**fit.metrics, "fit_seconds": fit.fit_seconds, "train_rows": len(train), **_search_metrics(fit)}
    tracking.finish(run_id, measured, {} if tried is None else {"search.csv": tried.to_csv(index=False).encode()})
    log.info("%s %s: fitted %s rows in %.2f s, %s", plan.pipeline, candidate, len(train), fit.fit_seconds, fit.metrics)
    return fit.model_copy(update={"mlflow_run_id": run_id})


@dataclass(frozen=True)
class Measured:
    """A candidate's fit, of no MLflow run yet, and the trials of its search."""

    fit: CandidateFit
    trials: pd.DataFrame | None


def fit_and_measure(
    plan: TrainingPlan, candidate: str, pipeline: Pipeline, train: Labelled | Parts, selection: Labelled
) -> Measured:
    """Search for parameters in ``train`` if the spec asks, fit on ``train``, and measure on ``selection``."""
    task, overrides = task_of(pipeline.spec), plan.request.overrides
    weights = weigher(pipeline)(train) if isinstance(train, Labelled) else None
    with spread(pipeline.model_sources()):
        choice = (
            choose(pipeline, candidate, overrides, train, seed=plan.seed, weights=weights)
            if isinstance(train, Labelled)
            else None
        )
        chosen = choice.params if choice else {}
        model = estimators.build(pipeline, candidate, overrides, seed=plan.seed, chosen=chosen)
        seconds = estimators.fit(model, train, candidate, task, weights)
    predicted = estimators.predict(model, selection.x, candidate, task)
    fit = CandidateFit(
        candidate=candidate,
        metrics=measure_all(selection.y, predicted, task.baseline(train.y), task),
        fit_seconds=seconds + (choice.searched.seconds if choice else 0),
        mlflow_run_id="",
        chosen=chosen,
        searched=choice.searched if choice else None,
    )
    return Measured(fit, choice.trials if choice else None)


def _search_metrics(fit: CandidateFit) -> dict[str, float]:
    if fit.searched is None:
        return {}
    found = fit.searched
    return {"search_trials": found.trials, "search_score": found.score, "search_seconds": found.seconds}
