"""Fit every candidate once on the sample, as a training run does, and put the best before the gate as a first model."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from include.perennial.contracts import CandidateFit, Judgement, TrainingPlan, TrainingRequest, Trigger, chosen_of
from include.perennial.errors import PerennialError
from include.perennial.gate import judgement as gate
from include.perennial.gate.evidence import Comparison
from include.perennial.gate.tasks import task_of
from include.perennial.models import estimators, frames
from include.perennial.models.frames import Labelled
from include.perennial.pipeline_folder import Pipeline
from include.perennial.provenance import UNKNOWN_COMMIT, CodeVersion
from include.perennial.steps.check.sample import Sample
from include.perennial.steps.evidence import fit_and_save, gather, predict_holdout
from include.perennial.steps.fit import fit_and_measure
from include.perennial.steps.judge import best
from include.perennial.steps.plan import Window, plan_of
from include.perennial.steps.standing import Standing


@dataclass(frozen=True)
class Rows:
    """The sample's rows as a training run splits them."""

    plan: TrainingPlan
    train: Labelled
    selection: Labelled
    everything: Labelled
    holdout: Labelled


@dataclass(frozen=True)
class Trial:
    """What the gate said of the best candidate; ``ms_per_1000_rows`` and ``fit_seconds`` were measured."""

    candidate: str
    judgement: Judgement
    fit_seconds: float
    ms_per_1000_rows: float


def rows_of(pipeline: Pipeline, sample: Sample) -> Rows:
    """The newest partitions of ``sample`` judge, the one before them selects, the rest train.

    Raises:
        DataError: there are too few partitions, or a label is missing or wrong.
    """
    data, n_holdout, task = pipeline.spec.data, pipeline.spec.window.holdout, task_of(pipeline.spec)
    train, holdout = sample.paths[:-n_holdout], sample.paths[-n_holdout:]
    window = Window(train=tuple(sample.refs[:-n_holdout]), holdout=tuple(sample.refs[-n_holdout:]))
    request = TrainingRequest(pipeline=pipeline.spec.name, as_of=sample.refs[-1].key, trigger=Trigger.MANUAL)
    return Rows(
        plan=plan_of(request, pipeline, window, UNKNOWN_COMMIT, CodeVersion(UNKNOWN_COMMIT, dirty=True)),
        train=frames.read(train[:-1], data, task),
        selection=frames.read(train[-1:], data, task),
        everything=frames.read(train, data, task),
        holdout=frames.read(holdout, data, task),
    )


def fit_features(pipeline: Pipeline, rows: Rows) -> tuple[int, int]:
    """Fit the feature transformer alone, and transform the holdout; rows and columns of what comes out.

    Raises:
        SpecError: features.py cannot be imported, or lacks the class. BadInput: it refuses the rows.
    """
    name = next(iter(pipeline.spec.candidates))
    transformer = estimators.build(pipeline, name, {}, seed=pipeline.spec.seed).named_steps[estimators.FEATURES_STEP]
    with estimators.told("The feature transformer refuses the sample", "fit() and transform()"):
        transformer.fit(rows.train.x, task_of(pipeline.spec).targets(rows.train.y))
        matrix = transformer.transform(rows.holdout.x)
    return int(matrix.shape[0]), int(matrix.shape[1])


def fit_all(pipeline: Pipeline, rows: Rows) -> tuple[list[CandidateFit], list[tuple[str, PerennialError]]]:
    """Every candidate, measured on the selection partition, and the candidates that could not be fitted."""
    fits, failures = [], []
    for name in pipeline.spec.candidates:
        try:
            measured = fit_and_measure(rows.plan, name, pipeline, rows.train, rows.selection)
        except PerennialError as error:
            failures.append((name, error))
        else:
            fits.append(measured.fit)
    return fits, failures


def judge(pipeline: Pipeline, rows: Rows, fits: list[CandidateFit], folder: Path) -> Trial:
    """The gate on the best candidate, as the first model of the pipeline.

    Raises:
        BadInput: no candidate has the selection metric, or the model cannot be stored.
    """
    winner = best(fits, pipeline.spec.selection_metric)
    with threadpool_limits(limits=1):
        fitted = fit_and_save(
            rows.plan, pipeline, winner, rows.everything, rows.holdout, folder, chosen_of(winner, fits)
        )
        baseline = task_of(pipeline.spec).baseline(rows.everything.y)
        candidate = predict_holdout(rows.plan, pipeline, winner, fitted, rows.holdout, baseline)
        standing = Standing(Comparison.FIRST, np.ones(len(rows.holdout), dtype=bool))
        evidence = gather(pipeline, candidate, standing, fitted.saved.digest)
        judgement = gate.judge(pipeline.spec.gate, evidence, seed=rows.plan.seed)
    return Trial(winner, judgement, fitted.fit_seconds, fitted.behaviour.ms_per_1000_rows)
