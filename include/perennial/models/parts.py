"""Training partitions that are read one at a time, here or on a worker of a cluster: for windows beyond one memory.

An estimator of ``model.py`` with a method ``fit_partitions(partitions)`` never gets the window as one table. Each of
``partitions``, oldest first, when called gives ``(X, y, weights)`` of one partition, ``X`` transformed by the features,
``weights`` None unless ``data.weight`` names a column. It may be called on a worker: ``Parallel()(delayed(f)(partition)
for partition in partitions)`` reads each where it is used. The transformer of ``features.py`` then needs
``partial_fit(X, y)``, which is given one partition after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.errors import SpecError
from include.perennial.gate.arrays import Floats, Labels
from include.perennial.gate.tasks import Task
from include.perennial.models.frames import Labelled

METHOD = "fit_partitions"


class Part(Protocol):
    """One partition; it can be pickled, and then reads the partition where it has come to."""

    def read(self) -> Labelled:
        """The rows of the partition, in memory for as long as the caller holds them."""


@dataclass(frozen=True)
class Parts:
    """A training window, oldest partition first. Of all partitions only the labels are kept: ``y``, shape ``(n,)``."""

    parts: Sequence[Part]

    @cached_property
    def y(self) -> Labels:
        """Labels of all rows, as the task has them."""
        return np.concatenate([part.read().y for part in self.parts])

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class _InMemory:
    rows: Labelled

    def read(self) -> Labelled:
        return self.rows


def takes_partitions(estimator: Any) -> bool:
    """Whether ``estimator`` is fitted partition by partition."""
    return hasattr(estimator, METHOD)


def split(rows: Labelled, weights: Floats | None) -> Parts:
    """Rows that are in memory as parts: the same ones that are read where they are not."""
    number = np.zeros(len(rows), dtype=int) if rows.partition is None else rows.partition
    masks = [number == n for n in np.unique(number)]
    return Parts(
        [
            _InMemory(
                Labelled(
                    rows.x[mask].reset_index(drop=True), rows.y[mask], None, None if weights is None else weights[mask]
                )
            )
            for mask in masks
        ]
    )


@dataclass(frozen=True)
class Prepared:
    """One partition as an estimator wants it."""

    part: Part
    features: Any
    task: Task

    def __call__(self) -> tuple[Any, Any, Floats | None]:
        """``(X, y, weights)`` of the partition, read now."""
        rows = self.part.read()
        return self.features.transform(rows.x), self.task.targets(rows.y), rows.weights


def fit_partitions(model: SklearnPipeline, parts: Parts, candidate: str, task: Task) -> None:
    """Fit the features and then the estimator of ``model`` in place, never holding two partitions.

    Raises:
        SpecError: the features have no ``partial_fit``.
    """
    (_, features), (_, estimator) = model.steps
    if not hasattr(features, "partial_fit"):
        raise SpecError(
            f"Candidate {candidate}: {type(estimator).__name__} is fitted partition by partition, and "
            f"{type(features).__name__} of features.py has no partial_fit(X, y). To fix: add it; it is given one "
            "partition after the other, oldest first, and returns self."
        )
    for part in parts.parts:
        _learn(features, part, task)
    estimator.fit_partitions([Prepared(part, features, task) for part in parts.parts])


def _learn(features: Any, part: Part, task: Task) -> None:
    rows = part.read()
    features.partial_fit(rows.x, task.targets(rows.y))
