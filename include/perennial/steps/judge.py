"""Judge the best candidate against the champion on rows that neither has seen, and record the decision.

In this order, so that a process killed anywhere leaves nothing that a retry does not find or write again:
predictions to the object store, run and model to MLflow, and last the ``judged`` event of the ledger, which is
the decision. Whoever finds that event returns it as it stands.
"""

import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from include.perennial.contracts import (
    REGISTERED_VERDICTS,
    CandidateFit,
    Decision,
    FileRecord,
    Judgement,
    TrainingPlan,
    chosen_of,
)
from include.perennial.errors import BadInput
from include.perennial.gate import judgement as gate
from include.perennial.gate.tasks import task_of
from include.perennial.models import frames, predictions
from include.perennial.models.frames import Labelled
from include.perennial.models.predictions import HoldoutPredictions
from include.perennial.pipeline_folder import Pipeline
from include.perennial.spec import LOWER_IS_BETTER, Metric
from include.perennial.steps.decision_run import Judged, record_decision
from include.perennial.steps.evidence import fit_and_save, gather, predict_holdout
from include.perennial.steps.standing import Standing, Stores, stand
from include.perennial.steps.training_rows import training_rows
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import Champion, EventKind, Ledger
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.tracking.runs import Tracking


def judge(
    plan: TrainingPlan,
    fits: Sequence[CandidateFit],
    pipeline: Pipeline,
    *,
    registry: DataRegistry,
    store: ObjectStore,
    tracking: Tracking,
    ledger: Ledger,
) -> Decision:
    """The decision of the training run ``plan``: the recorded one, or a new one, recorded.

    A dry run never finds nor makes the run's decision; it records what the decision would be.

    Raises:
        BadInput: no candidate has the spec's selection metric.
        IntegrityError: the data registry no longer holds the planned bytes.
        Unavailable: a store does not answer; nothing was decided.
    """
    recorded = None if plan.request.dry_run else ledger.find(plan.pipeline, EventKind.JUDGED, plan.run_key)
    if recorded:
        return Decision.model_validate(recorded.payload)
    stores = Stores(registry, store, tracking, ledger)
    winner = best(fits, pipeline.spec.selection_metric)
    # One thread throughout: steadier on shared cores, and sums never depend on how many there are.
    with threadpool_limits(limits=1), tempfile.TemporaryDirectory() as folder:
        judged = _judged(plan, pipeline, winner, fits, stores, Path(folder))
        decision = record_decision(plan, pipeline, judged, tracking)
    return _append(decision, ledger)


def rejudge(
    decision: Decision,
    champion: Champion,
    pipeline: Pipeline,
    *,
    store: ObjectStore,
    registry: DataRegistry,
    tracking: Tracking,
    ledger: Ledger,
) -> Judgement:
    """Hold the recorded candidate of ``decision`` against ``champion``, crowned since it was judged.

    Raises:
        BadInput: the decision was a dry run, which keeps no predictions.
        IntegrityError: the recorded predictions are gone or changed.
        Unavailable: a store does not answer.
    """
    plan = decision.plan
    if decision.predictions is None:
        raise BadInput(f"Run {plan.run_key} of {plan.pipeline} keeps no predictions: it was a dry run.")
    candidate = predictions.from_parquet(store.get_bytes(decision.predictions.name, decision.predictions.sha256))
    stores = Stores(registry, store, tracking, ledger)
    with threadpool_limits(limits=1):
        standing = stand(
            pipeline, decision.cutoff, champion, candidate, lambda: _holdout(plan, pipeline, registry).x, stores
        )
        return gate.judge(pipeline.spec.gate, gather(pipeline, candidate, standing), seed=plan.seed)


def best(fits: Sequence[CandidateFit], metric: Metric) -> str:
    """Name of the candidate with the best ``metric``; the first of equals.

    Raises:
        BadInput: no candidate has the metric.
    """
    measured = [fit for fit in fits if metric in fit.metrics]
    if not measured:
        raise BadInput(
            f"None of {len(fits)} candidates has the selection metric {metric} on the selection partition. "
            "Its labels may all be equal, or the metric undefined for them: choose another selection_metric "
            "or larger partitions."
        )
    sign = 1 if metric in LOWER_IS_BETTER else -1
    return min(measured, key=lambda fit: sign * fit.metrics[metric]).candidate


def _judged(
    plan: TrainingPlan, pipeline: Pipeline, winner: str, fits: Sequence[CandidateFit], stores: Stores, folder: Path
) -> Judged:
    train = training_rows(plan, plan.train, pipeline, winner, stores.registry)
    holdout = _holdout(plan, pipeline, stores.registry)
    chosen = chosen_of(winner, fits)
    fitted = fit_and_save(plan, pipeline, winner, train, holdout, folder / "judged", chosen)
    candidate = predict_holdout(plan, pipeline, winner, fitted, holdout, task_of(pipeline.spec).baseline(train.y))
    champion, refit = stores.ledger.champion(plan.pipeline), pipeline.spec.refit
    standing = stand(
        pipeline, plan.refit_cutoff if refit else plan.candidate_cutoff, champion, candidate, lambda: holdout.x, stores
    )
    evidence = gather(pipeline, candidate, standing, None if refit else fitted.saved.digest)
    judgement = gate.judge(pipeline.spec.gate, evidence, seed=plan.seed)
    final = fitted
    if refitted := refit and judgement.verdict in REGISTERED_VERDICTS:
        everything = training_rows(plan, (*plan.train, *plan.holdout), pipeline, winner, stores.registry)
        final = fit_and_save(plan, pipeline, winner, everything, holdout, folder / "refitted", chosen)
        judgement = gate.judge_refit(judgement, pipeline.spec.gate, final.behaviour, task_of(pipeline.spec))
    return Judged(
        winner=winner,
        fits=tuple(fits),
        candidate=candidate,
        evidence=evidence,
        judgement=judgement,
        fitted=fitted,
        final=final,
        holdout=holdout,
        cutoff=plan.refit_cutoff if refitted else plan.candidate_cutoff,
        predictions=None if plan.request.dry_run else _store(plan, candidate, standing, stores.objects),
    )


def _holdout(plan: TrainingPlan, pipeline: Pipeline, registry: DataRegistry) -> Labelled:
    paths = registry.fetch(plan.pipeline, plan.holdout, plan.data_commit)
    return frames.read(paths, pipeline.spec.data, task_of(pipeline.spec))


def _store(plan: TrainingPlan, candidate: HoldoutPredictions, standing: Standing, objects: ObjectStore) -> FileRecord:
    if standing.p_champion is not None:
        p_champion = np.full(candidate.p.shape, np.nan)
        p_champion[standing.rows] = standing.p_champion
        candidate = replace(candidate, p_champion=p_champion)
    data = predictions.to_parquet(candidate)
    return objects.put_bytes(predictions.object_key(plan.pipeline, plan.run_key, data), data)


def _append(decision: Decision, ledger: Ledger) -> Decision:
    plan = decision.plan
    kind, key = EventKind.JUDGED, plan.run_key
    if plan.request.dry_run:
        kind, key = EventKind.DRY_RUN, f"{plan.run_key}/{uuid.uuid4().hex[:12]}"
    actor = plan.request.requested_by or plan.request.trigger.value
    event = ledger.append(plan.pipeline, kind, key, decision.model_dump(mode="json"), actor)
    # Another process may have been first; then its decision stands.
    return Decision.model_validate(event.payload)
