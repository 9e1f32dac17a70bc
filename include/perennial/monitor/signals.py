"""Every signal of drift, from counts: the same arithmetic for a calibration's blocks and for a new partition."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from include.perennial.gate.evidence import Floats
from include.perennial.monitor.cells import Cells
from include.perennial.monitor.drift import distance, missing_difference, new_share
from include.perennial.monitor.measurement import SignalKind

Name = tuple[SignalKind, str]
Change = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Counts:
    """Rows per group and cell, shape ``(groups, cells + 1)``: one array per column, one of predictions, one of labels.

    ``labels`` has a column per class, zero and one of two classes, or of a regression per cell; it is None while
    there are none.
    """

    columns: tuple[Floats, ...]
    predictions: Floats
    labels: Floats | None

    def summed(self) -> "Counts":
        """All groups together, shape ``(1, cells + 1)``."""
        return self._map(lambda counts: counts.sum(axis=0, keepdims=True))

    def blocks(self, length: int) -> "Counts":
        """Every run of ``length`` consecutive groups."""
        return self._map(lambda counts: _moving_sum(counts, length))

    def without(self, block: "Counts") -> "Counts":
        """These counts less each of ``block``'s."""
        labels = None if self.labels is None or block.labels is None else self.labels - block.labels
        columns = tuple(all_ - some for all_, some in zip(self.columns, block.columns, strict=True))
        return Counts(columns, self.predictions - block.predictions, labels)

    def _map(self, change: Change) -> "Counts":
        labels = None if self.labels is None else change(self.labels)
        return Counts(tuple(change(counts) for counts in self.columns), change(self.predictions), labels)


def signal_values(
    columns: Sequence[Cells],
    predictions: Cells,
    importance: Mapping[str, float],
    block: Counts,
    rest: Counts,
    labels: Cells | None = None,
) -> dict[Name, Floats]:
    """The value of each signal for each block held against its rest, shape ``(blocks,)``.

    ``labels`` are cells of labels that are no classes.

    The volume is not among them: it is about all rows of a partition, and these are a sample.
    """
    values: dict[Name, Floats] = {}
    weighted = np.zeros(len(block.predictions))
    for cells, of_block, of_rest in zip(columns, block.columns, rest.columns, strict=True):
        far = distance(cells, of_block, of_rest)
        weighted = weighted + importance.get(cells.column, 0.0) * far
        values[SignalKind.FEATURE, cells.column] = far
        values[SignalKind.NULL_RATE, cells.column] = missing_difference(of_block, of_rest)
        if cells.is_category:
            values[SignalKind.NEW_CATEGORY, cells.column] = new_share(of_block, of_rest)
    values[SignalKind.FEATURES, ""] = weighted
    values[SignalKind.PREDICTION, ""] = distance(predictions, block.predictions, rest.predictions)
    if block.labels is not None and rest.labels is not None:
        values[SignalKind.LABEL, ""] = _label_change(labels, block.labels, rest.labels)
    return values


def _label_change(cells: Cells | None, block: Floats, rest: Floats) -> Floats:
    if cells is not None:
        return distance(cells, block, rest)
    if block.shape[1] == 2:
        return np.asarray(np.abs(_rate(block) - _rate(rest)))
    shares = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) for counts in (block, rest))
    return np.asarray(np.abs(np.subtract(*shares)).sum(axis=1) / 2)


def _rate(labels: Floats) -> Floats:
    return labels[:, 1] / np.maximum(labels.sum(axis=1), 1)


def _moving_sum(counts: Floats, length: int) -> Floats:
    total = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(counts, axis=0)])
    return total[length:] - total[:-length]
