"""Effect sizes of a difference between two samples, from counts per cell.

Distances and no tests: with enough rows a test finds any difference, however small (Evidently's issue 50).
How large a distance is unusual is the calibration's business.
"""

import numpy as np

from include.perennial.gate.evidence import Floats
from include.perennial.monitor.cells import Cells


def distance(cells: Cells, block: Floats, rest: Floats) -> Floats:
    """Distance of each block from its rest, shape ``(b,)``, from counts of shape ``(b, cells.n + 1)``.

    Missing values are left out on both sides. Zero where either side holds no value.
    """
    p, q = _shares(block[:, :-1]), _shares(rest[:, :-1])
    return jensen_shannon(p, q) if cells.is_category else rank_distance(p, q)


def jensen_shannon(p: Floats, q: Floats) -> Floats:
    """Jensen-Shannon distance to base 2, in [0, 1], of each pair of rows (Lin 1991, IEEE Trans. Inf. Theory 37)."""
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return np.sqrt(np.clip(divergence, 0.0, 1.0))


def rank_distance(p: Floats, q: Floats) -> Floats:
    """Mean distance in ranks of ``q``, in [0, 1/2]: the Wasserstein distance after each value became its rank in ``q``.

    Ranks rather than units: an absurd value counts as one row, and all columns have one scale.
    """
    gap = np.abs(np.cumsum(p - q, axis=1))
    before = np.concatenate([np.zeros((len(gap), 1)), gap[:, :-1]], axis=1)
    return (q * (before + gap)).sum(axis=1) / 2


def missing_difference(block: Floats, rest: Floats) -> Floats:
    """Difference of the shares of missing values, in [0, 1], shape ``(b,)``."""
    return np.abs(missing_share(block) - missing_share(rest))


def missing_share(counts: Floats) -> Floats:
    """Share of missing values, shape ``(b,)``; zero without rows."""
    return counts[:, -1] / np.maximum(counts.sum(axis=1), 1)


def new_share(block: Floats, rest: Floats) -> Floats:
    """Share of a block's known values that its rest does not hold at all, shape ``(b,)``."""
    new = np.where(rest[:, :-1] == 0, block[:, :-1], 0.0).sum(axis=1)
    return new / np.maximum(block[:, :-1].sum(axis=1), 1)


def _shares(counts: Floats) -> Floats:
    totals = counts.sum(axis=1, keepdims=True)
    return counts / np.maximum(totals, 1)


def _relative_entropy(p: Floats, q: Floats) -> Floats:
    terms = np.where(p > 0, p * np.log2(np.where(p > 0, p, 1.0) / np.where(q > 0, q, 1.0)), 0.0)
    return terms.sum(axis=1)
