"""Fit one candidate without the selection partition, and measure it there."""

import logging

from include.perennial.contracts import CandidateFit, TrainingPlan
from include.perennial.errors import BadInput
from include.perennial.gate.tasks import task_of
from include.perennial.models import estimators, frames
from include.perennial.models.frames import Labelled
from include.perennial.models.metrics import measure_all
from include.perennial.pipeline_folder import Pipeline
from include.perennial.steps.run_records import dataset, run_record
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
    *train_paths, selection_path = registry.fetch(plan.pipeline, plan.train, plan.data_commit)
    train = frames.read(train_paths, pipeline.spec.data, task)
    selection = frames.read([selection_path], pipeline.spec.data, task)
    metrics, seconds = fit_and_measure(plan, candidate, pipeline, train, selection)
    inputs = [dataset(plan, plan.train[:-1], "training"), dataset(plan, plan.train[-1:], "selection")]
    run_id = tracking.start(run_record(plan, pipeline, candidate, key=candidate, name=candidate, inputs=inputs))
    tracking.finish(run_id, {**metrics, "fit_seconds": seconds, "train_rows": len(train)})
    log.info("%s %s: fitted %s rows in %.2f s, %s", plan.pipeline, candidate, len(train), seconds, metrics)
    return CandidateFit(candidate=candidate, metrics=metrics, fit_seconds=seconds, mlflow_run_id=run_id)


def fit_and_measure(
    plan: TrainingPlan, candidate: str, pipeline: Pipeline, train: Labelled, selection: Labelled
) -> tuple[dict[str, float], float]:
    """All metrics on ``selection`` of ``candidate`` fitted on ``train``, and the seconds of the fit."""
    task = task_of(pipeline.spec)
    model = estimators.build(pipeline, candidate, plan.request.overrides, seed=plan.seed)
    seconds = estimators.fit(model, train, candidate, task)
    predicted = estimators.predict(model, selection.x, candidate, task)
    return measure_all(selection.y, predicted, task.baseline(train.y), task), seconds
