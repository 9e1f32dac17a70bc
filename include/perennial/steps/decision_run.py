"""The decision as MLflow shows it: metrics, plots, the model, and the decision itself as JSON and Markdown."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from include.perennial.contracts import (
    CandidateFit,
    Decision,
    FileRecord,
    Judgement,
    ModelFile,
    TrainingPlan,
    chosen_of,
)
from include.perennial.decision_report import decision_markdown
from include.perennial.gate.evidence import Evidence
from include.perennial.models import estimators, plots
from include.perennial.models.frames import Labelled
from include.perennial.models.metrics import measure_all
from include.perennial.models.pictures import drawn
from include.perennial.models.predictions import HoldoutPredictions
from include.perennial.pipeline_folder import Pipeline
from include.perennial.spec import PipelineSpec, TaskKind
from include.perennial.steps.evidence import FittedModel
from include.perennial.steps.run_records import dataset, run_record
from include.perennial.stores.tracking.model_folder import ModelPackage
from include.perennial.stores.tracking.runs import Tracking

_EXAMPLE_ROWS = 5
_RUN = "decision"


@dataclass(frozen=True)
class Judged:
    """A candidate after the gate: ``fitted`` was judged, ``final`` would be crowned, trained up to ``cutoff``."""

    winner: str
    fits: tuple[CandidateFit, ...]
    candidate: HoldoutPredictions
    evidence: Evidence
    judgement: Judgement
    fitted: FittedModel
    final: FittedModel
    holdout: Labelled
    cutoff: str
    predictions: FileRecord | None


def record_decision(plan: TrainingPlan, pipeline: Pipeline, judged: Judged, tracking: Tracking) -> Decision:
    """Log the decision of ``plan`` to MLflow, with the model unless it is a dry run. May be repeated."""
    inputs = [dataset(plan, plan.train, "training"), dataset(plan, plan.holdout, "holdout")]
    # With the winner, since MLflow lets no parameter change: a retry with more fits may have another one.
    key = f"{'dry-run' if plan.request.dry_run else _RUN}:{judged.winner}"
    chosen = chosen_of(judged.winner, judged.fits)
    record = run_record(plan, pipeline, judged.winner, key=key, name=_RUN, inputs=inputs, chosen=chosen)
    run_id = tracking.start(record)
    model = None if plan.request.dry_run else tracking.store_model(run_id, _package(plan, pipeline, judged))
    decision = _decision(plan, judged, run_id, model)
    tracking.finish(run_id, _metrics(decision, judged), _artifacts(decision, judged), model)
    return decision


def _package(plan: TrainingPlan, pipeline: Pipeline, judged: Judged) -> ModelPackage:
    return ModelPackage(
        pipeline=plan.pipeline,
        run_key=plan.run_key,
        candidate=judged.winner,
        folder=judged.final.folder,
        digest=judged.final.saved.digest,
        trusted_types=judged.final.saved.trusted_types,
        libraries=estimators.libraries(judged.final.model),
        example=judged.holdout.x.head(_EXAMPLE_ROWS),
        n_outputs=_outputs(pipeline.spec),
    )


def _outputs(spec: PipelineSpec) -> int:
    return 1 if spec.task is TaskKind.REGRESSION else len(spec.classes or (0, 1))


def _decision(plan: TrainingPlan, judged: Judged, run_id: str, model: ModelFile | None) -> Decision:
    seen = judged.evidence
    return Decision(
        plan=plan,
        winner=judged.winner,
        fits=judged.fits,
        metrics=measure_all(seen.y, seen.p_candidate, seen.training_rate, seen.task),
        champion_metrics=(
            {} if seen.p_champion is None else measure_all(seen.y, seen.p_champion, seen.training_rate, seen.task)
        ),
        judgement=judged.judgement,
        mlflow_run_id=run_id,
        model=model,
        cutoff=judged.cutoff,
        prediction_digest=judged.candidate.digest,
        predictions=judged.predictions,
    )


def _metrics(decision: Decision, judged: Judged) -> Mapping[str, float]:
    seconds = judged.fitted.fit_seconds
    metrics = {f"holdout_{name}": value for name, value in decision.metrics.items()}
    metrics |= {f"champion_{name}": value for name, value in decision.champion_metrics.items()}
    metrics |= {"holdout_rows": judged.evidence.rows, "fit_seconds": seconds}
    if decision.judgement.delta is not None:
        metrics["improvement"] = decision.judgement.delta
    return metrics


def _artifacts(decision: Decision, judged: Judged) -> Mapping[str, bytes]:
    artifacts = {
        "decision.json": json.dumps(decision.model_dump(mode="json"), indent=2).encode(),
        "decision.md": decision_markdown(decision).encode(),
    }
    y, p = judged.candidate.y, judged.candidate.p
    task = judged.evidence.task
    # Without all classes, or with a prediction that is no number, there is no curve; the gate says so.
    if task.is_judgeable(y) and np.isfinite(p).all():
        importance = plots.permutation_importance(
            judged.fitted.model, judged.holdout.x, y, seed=decision.plan.seed, task=task
        )
        artifacts["curves.png"] = drawn(task, y, p)
        artifacts["permutation_importance.json"] = json.dumps(importance, indent=2).encode()
    return artifacts
