"""What MLflow is told of a training run: parameters, tags and data, the same for its fits and its decision."""

from collections.abc import Mapping, Sequence
from typing import Any

from include.perennial.contracts import PartitionRef, TrainingPlan
from include.perennial.digests import digest
from include.perennial.models import estimators
from include.perennial.pipeline_folder import Pipeline
from include.perennial.stores.tracking.runs import DatasetRecord, RunRecord


def run_record(
    plan: TrainingPlan,
    pipeline: Pipeline,
    candidate: str,
    *,
    key: str,
    name: str,
    inputs: Sequence[DatasetRecord],
    chosen: Mapping[str, Any] | None = None,
) -> RunRecord:
    """The run of ``key`` within the training run of ``plan``, about ``candidate`` with the ``chosen`` parameters."""
    # MLflow lets no parameter change, and a search that the clock has cut may find others when it is tried again.
    key = f"{key}:{digest(dict(chosen))[:8]}" if chosen else key
    return RunRecord(
        pipeline=plan.pipeline,
        key=f"{plan.run_key}:{key}",
        name=f"{plan.as_of} {name}",
        params=_params(plan, pipeline, candidate, chosen or {}),
        tags=_tags(plan),
        inputs=inputs,
    )


def dataset(plan: TrainingPlan, refs: Sequence[PartitionRef], context: str) -> DatasetRecord:
    """Partitions ``refs`` as an input; ``context`` is what they were used for."""
    return DatasetRecord(
        name=f"{plan.pipeline} {refs[0].key} to {refs[-1].key}",
        context=context,
        digest=digest([[ref.key, ref.sha256] for ref in refs]),
        source={"data_registry_commit": plan.data_commit, "partitions": {ref.key: ref.sha256 for ref in refs}},
    )


def _params(plan: TrainingPlan, pipeline: Pipeline, candidate: str, chosen: Mapping[str, Any]) -> Mapping[str, Any]:
    given = estimators.parameters(pipeline, candidate, plan.request.overrides)
    return {
        "candidate": candidate,
        "estimator": pipeline.spec.candidates[candidate].estimator,
        "seed": plan.seed,
        "train_first": plan.train[0].key,
        "train_last": plan.train[-1].key,
        "holdout_last": plan.holdout[-1].key,
        "train_partitions": len(plan.train),
        **{f"model.{name}": value for name, value in given.items()},
        **{name.replace("__", ".", 1): value for name, value in chosen.items()},
    }


def _tags(plan: TrainingPlan) -> Mapping[str, str]:
    request = plan.request
    tags = {
        "perennial.run_key": plan.run_key,
        "perennial.as_of": plan.as_of,
        "perennial.trigger": request.trigger.value,
        "perennial.reason": request.reason,
        "perennial.run_url": request.run_url,
        "perennial.requested_by": request.requested_by,
        "perennial.dry_run": str(request.dry_run).lower(),
        "perennial.window_digest": plan.window_digest,
        "perennial.data_registry_commit": plan.data_commit,
        "perennial.spec_digest": plan.spec_digest,
        "perennial.code_digest": plan.code_digest,
        "perennial.code_dirty": str(plan.code_dirty).lower(),
        "perennial.environment_digest": plan.environment_digest,
        "mlflow.source.git.commit": plan.code_commit,
    }
    return {name: value for name, value in tags.items() if value}
