"""Plan a training run: which partitions train, which judge, and whether it has all been done before."""

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from include.perennial.contracts import Contract, PartitionRef, PartitionVersion, TrainingPlan, TrainingRequest
from include.perennial.digests import digest
from include.perennial.errors import BadInput
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.provenance import CodeVersion, code_version, environment_digest
from include.perennial.settings import PROJECT_ROOT
from include.perennial.spec import PipelineSpec
from include.perennial.stores.datasets import DataRegistry

# A lost week must not stop training for the length of the window, so the window reaches
# further back for a replacement, but not for data of another season.
_LOOK_BACK_FACTOR = 2


class NotReadyReason(enum.StrEnum):
    """Why a run cannot be planned yet."""

    NOT_ARRIVED = "not_arrived"
    TOO_FEW = "too_few"


class NotReady(Contract):
    """No plan: ``reason``, and a sentence with what is there and what is needed."""

    reason: NotReadyReason
    sentence: str


@dataclass(frozen=True)
class Window:
    """Training and holdout partitions, oldest first."""

    train: tuple[PartitionRef, ...]
    holdout: tuple[PartitionRef, ...]


def choose_window(spec: PipelineSpec, as_of: str, available: Mapping[str, PartitionVersion]) -> Window | NotReady:
    """The newest labelled partitions up to ``as_of``, split into training and holdout.

    Raises:
        BadInput: ``as_of`` is not a partition key.
    """
    available = {key: version for key, version in available.items() if version.rows_to_learn}
    chosen = _window_keys(spec, as_of, available)
    if isinstance(chosen, NotReady):
        return chosen
    refs = tuple(
        PartitionRef(key=key, sha256=available[key].sha256, rows=available[key].rows_to_learn) for key in chosen
    )
    return Window(train=refs[: -spec.window.holdout], holdout=refs[-spec.window.holdout :])


def newest_trainable(spec: PipelineSpec, available: Collection[str]) -> str | None:
    """The newest of the ``available`` partitions as of which a training run has all that it needs.

    Raises:
        BadInput: one of ``available`` is not a partition key.
    """
    newest_first = sorted(available, reverse=True)
    return next((key for key in newest_first if not isinstance(_window_keys(spec, key, available), NotReady)), None)


def _window_keys(spec: PipelineSpec, as_of: str, available: Collection[str]) -> list[str] | NotReady:
    newest = Partition.of_key(as_of, spec.period).shift(-spec.data.label_delay_periods)
    if newest.key not in available:
        return NotReady(
            reason=NotReadyReason.NOT_ARRIVED,
            sentence=(
                f"Partition {newest.key} of {spec.name} is not in the data registry"
                + (" with labels: ingest it, then run labels for it." if spec.data.labels else ": ingest it first.")
            ),
        )
    needed = spec.window.partitions + spec.window.holdout
    oldest = newest.shift(-_LOOK_BACK_FACTOR * needed) if spec.window.kind == "sliding" else None
    usable = sorted(key for key in available if key <= newest.key and (oldest is None or key > oldest.key))
    if len(usable) < needed:
        return NotReady(
            reason=NotReadyReason.TOO_FEW,
            sentence=(
                f"{spec.name} has {len(usable)} labelled partitions up to {newest.key}; a training run needs {needed}: "
                f"{spec.window.partitions} to train and {spec.window.holdout} as holdout."
            ),
        )
    return usable[-needed:] if spec.window.kind == "sliding" else usable


def plan_training(
    request: TrainingRequest, pipeline: Pipeline, registry: DataRegistry, project_root: Path = PROJECT_ROOT
) -> TrainingPlan | NotReady:
    """The plan for ``request``, or why there is none yet.

    Raises:
        BadInput: the request names an unknown candidate or an invalid partition, or forces without a reason.
    """
    _check_request(request, pipeline.spec)
    commit = registry.head()
    available = registry.partitions(request.pipeline, commit) if commit else {}
    window = choose_window(pipeline.spec, request.as_of, available)
    if isinstance(window, NotReady):
        return window
    return plan_of(request, pipeline, window, commit, code_version(project_root))


def plan_of(
    request: TrainingRequest, pipeline: Pipeline, window: Window, data_commit: str, code: CodeVersion
) -> TrainingPlan:
    """The plan of a training run over ``window``."""
    window_digest = digest([[ref.key, ref.sha256] for ref in (*window.train, *window.holdout)])
    return TrainingPlan(
        run_key=run_key(request, pipeline, window_digest),
        pipeline=request.pipeline,
        as_of=request.as_of,
        request=request,
        train=window.train,
        holdout=window.holdout,
        candidates=tuple(pipeline.spec.candidates),
        window_digest=window_digest,
        spec_digest=pipeline.spec_digest,
        code_digest=pipeline.code_digest,
        data_commit=data_commit,
        code_commit=code.commit,
        code_dirty=code.dirty,
        environment_digest=environment_digest(),
        seed=pipeline.spec.seed,
    )


def run_key(request: TrainingRequest, pipeline: Pipeline, window_digest: str) -> str:
    """Name of a training run by its content; the trigger is not part of it, so a repeat finds what exists."""
    parts = [request.pipeline, window_digest, pipeline.spec_digest, pipeline.code_digest, request.overrides]
    return digest(parts)[:24]


def _check_request(request: TrainingRequest, spec: PipelineSpec) -> None:
    unknown = sorted(set(request.overrides) - set(spec.candidates))
    if unknown:
        raise BadInput(
            f"overrides: candidate {unknown[0]!r} is not in the spec of {spec.name}; "
            f"candidates are {', '.join(spec.candidates)}."
        )
    if request.force and not request.reason.strip():
        raise BadInput("force: a forced promotion needs a reason; fill in the reason field.")
