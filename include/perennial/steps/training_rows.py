"""The rows a candidate is fitted on: one table in memory, or partitions that whoever fits them reads one at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from include.perennial.contracts import PartitionRef, TrainingPlan
from include.perennial.errors import SpecError
from include.perennial.gate.tasks import Task, task_of
from include.perennial.models import estimators, frames
from include.perennial.models.frames import Labelled
from include.perennial.models.parts import METHOD, Parts, takes_partitions
from include.perennial.pipeline_folder import Pipeline
from include.perennial.settings import Settings
from include.perennial.spec import DataSection
from include.perennial.stores.datasets import DataRegistry


@dataclass(frozen=True)
class StoredPart:
    """A partition of the data registry. In another process it is read through the registry of that machine's settings.

    So neither a path of this machine nor a credential leaves it.
    """

    pipeline: str
    ref: PartitionRef
    commit: str
    data: DataSection
    task: Task
    registry: DataRegistry | None = field(compare=False, repr=False)

    def read(self) -> Labelled:
        """The rows, their bytes held against the recorded digest.

        Raises:
            IntegrityError: the data registry no longer holds the planned bytes.
            Unavailable: a store does not answer.
        """
        registry = self.registry or DataRegistry.open(Settings.from_env())
        return frames.read(registry.fetch(self.pipeline, [self.ref], self.commit), self.data, self.task)

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredPart, (self.pipeline, self.ref, self.commit, self.data, self.task, None)


def training_rows(
    plan: TrainingPlan, refs: Sequence[PartitionRef], pipeline: Pipeline, candidate: str, registry: DataRegistry
) -> Labelled | Parts:
    """Rows of ``refs``; not read yet if the estimator of ``candidate`` has a method ``fit_partitions``.

    Raises:
        SpecError: such an estimator has a search, or weights that are made of all rows at once.
        IntegrityError: the data registry no longer holds the planned bytes.
        Unavailable: a store does not answer.
    """
    spec, task = pipeline.spec, task_of(pipeline.spec)
    model = estimators.build(pipeline, candidate, plan.request.overrides, seed=plan.seed)
    if not takes_partitions(model.named_steps[estimators.MODEL_STEP]):
        return frames.read(registry.fetch(plan.pipeline, refs, plan.data_commit), spec.data, task)
    needs_all = {"a search": spec.candidates[candidate].search, "a function of weights": spec.weights}
    for what, given in needs_all.items():
        if given is not None:
            raise SpecError(
                f"{pipeline.folder / 'pipeline.yaml'}: candidates.{candidate} is fitted partition by partition "
                f"({METHOD}), and has {what}, which needs all rows at once. To fix: drop one of the two."
            )
    return Parts([StoredPart(plan.pipeline, ref, plan.data_commit, spec.data, task, registry) for ref in refs])
