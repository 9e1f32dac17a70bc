"""What the rest of the product asks about a pipeline's task, so that nothing else has to know which one it is.

``task``        the questions: labels, predictions, metrics, baseline, words
``binary``      one probability per row
``regression``  one number per row
``multiclass``  one probability per row and class
"""

from collections.abc import Sequence

from include.perennial.gate.tasks.binary import BINARY
from include.perennial.gate.tasks.multiclass import Multiclass
from include.perennial.gate.tasks.regression import REGRESSION
from include.perennial.gate.tasks.task import Task
from include.perennial.spec import PipelineSpec
from include.perennial.spec.metrics import TaskKind

__all__ = ["BINARY", "REGRESSION", "Multiclass", "Task", "task_named", "task_of"]


def task_of(spec: PipelineSpec) -> Task:
    """The task of a pipeline."""
    return task_named(spec.task, spec.classes or ())


def task_named(kind: str, classes: Sequence[str | int] = ()) -> Task:
    """The task of a kind, with the values of the target if there are more than two."""
    match kind:
        case TaskKind.REGRESSION:
            return REGRESSION
        case TaskKind.MULTICLASS:
            return Multiclass(tuple(map(str, classes)))
        case _:
            return BINARY
