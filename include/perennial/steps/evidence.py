"""What the gate is shown: the candidate's predictions of the holdout, and how it stands against the champion."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.contracts import PartitionRef, TrainingPlan
from include.perennial.folder_records import folder_records
from include.perennial.gate.arrays import Baseline, Floats
from include.perennial.gate.evidence import Behaviour, Evidence
from include.perennial.gate.tasks import task_of
from include.perennial.models import behaviour, estimators, model_file
from include.perennial.models.cluster import spread
from include.perennial.models.frames import Labelled
from include.perennial.models.model_file import SavedModel
from include.perennial.models.parts import Parts
from include.perennial.models.plausibility import single_feature_auc
from include.perennial.models.predictions import Facts, HoldoutPredictions, kept_columns
from include.perennial.models.weights import weigher
from include.perennial.pipeline_folder import Pipeline
from include.perennial.steps.standing import Standing

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FittedModel:
    """A fitted model, its file in ``folder``, and what was seen of the file when it was read back."""

    model: SklearnPipeline
    folder: Path
    saved: SavedModel
    behaviour: Behaviour
    fit_seconds: float


def fit_and_save(
    plan: TrainingPlan,
    pipeline: Pipeline,
    candidate: str,
    rows: Labelled | Parts,
    sample: Labelled,
    folder: Path,
    chosen: Mapping[str, Any] | None = None,
) -> FittedModel:
    """Fit ``candidate`` on ``rows``, save it into ``folder``, read it back and observe it on ``sample``.

    ``chosen`` are parameters that its search has found in the training rows.
    """
    model = estimators.build(pipeline, candidate, plan.request.overrides, seed=plan.seed, chosen=chosen)
    task, trusted = task_of(pipeline.spec), pipeline.spec.trusted_types
    with spread(pipeline.model_sources()):
        weights = weigher(pipeline)(rows) if isinstance(rows, Labelled) else None
        seconds = estimators.fit(model, rows, candidate, task, weights)
    saved = model_file.save(model, pipeline.model_sources(), folder, trusted)
    files = folder_records(folder)
    loaded = model_file.load(folder, files, saved.trusted_types, trusted)
    seen = behaviour.observe(model, loaded, sample.x, sum(file.n_bytes for file in files), task)
    log.info("%s %s: fitted %s rows in %.2f s, model %s", plan.pipeline, candidate, len(rows), seconds, saved.digest)
    return FittedModel(model, folder, saved, seen, seconds)


def predict_holdout(
    plan: TrainingPlan,
    pipeline: Pipeline,
    candidate: str,
    fitted: FittedModel,
    holdout: Labelled,
    training_rate: Baseline,
) -> HoldoutPredictions:
    """The judged candidate's predictions of the holdout, and the facts that the gate wants beside them."""
    task = task_of(pipeline.spec)
    facts = Facts(training_rate, fitted.behaviour, single_feature_auc(fitted.model, holdout.x, holdout.y, task))
    return HoldoutPredictions(
        partition=_partitions(plan.holdout),
        rows=holdout.x[kept_columns(pipeline.spec)],
        y=holdout.y,
        p=estimators.predict(fitted.model, holdout.x, candidate, task),
        facts=facts,
    )


def gather(
    pipeline: Pipeline, candidate: HoldoutPredictions, standing: Standing, model_digest: str | None = None
) -> Evidence:
    """The evidence on the rows that ``standing`` allows.

    ``model_digest`` is of the model that would be crowned, where it is known before the gate decides.
    """
    gate, champion, rows = pipeline.spec.gate, standing.champion, standing.rows
    columns = gate.slices.columns if gate.slices else ()
    return Evidence(
        y=candidate.y[rows],
        p_candidate=candidate.p[rows],
        clusters=candidate.clusters(gate.compare.cluster)[rows],
        training_rate=candidate.facts.training_rate,
        behaviour=candidate.facts.behaviour,
        single_feature_auc=candidate.facts.single_feature_auc,
        comparison=standing.comparison,
        slices={column: candidate.rows[column].astype(str).to_numpy()[rows] for column in columns},
        p_champion=standing.p_champion,
        champion_seq=champion.seq if champion else None,
        champion_version=champion.version if champion else None,
        incomparable_reason=standing.reason,
        model_digest=model_digest,
        champion_model_digest=champion.model.model_digest if champion else None,
        prediction_digest=_digest(candidate.p[rows]),
        champion_prediction_digest=_digest(standing.p_champion) if standing.p_champion is not None else None,
        task=task_of(pipeline.spec),
    )


def _partitions(refs: tuple[PartitionRef, ...]) -> npt.NDArray[np.str_]:
    return np.repeat([ref.key for ref in refs], [ref.rows for ref in refs])


def _digest(p: Floats) -> str:
    return hashlib.sha256(np.ascontiguousarray(p, dtype="<f8").tobytes()).hexdigest()
