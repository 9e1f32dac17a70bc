"""Values into cells: the form in which a partition is compared with the window.

Counts per cell add up, so that any block of days is compared without touching its rows again.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from include.perennial.contracts import Contract
from include.perennial.gate.evidence import Floats, Integers

_QUANTILES = 50
MAX_CATEGORIES = 1000
"""Text with more distinct values in the window is taken for an identifier, and not compared."""


class Cells(Contract):
    """The cells of one column: numbers between ``edges``, or one cell per category and a last one for new values.

    Missing values are counted in a cell of their own, after all others.
    """

    column: str
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def is_category(self) -> bool:
        """Whether the column holds text."""
        return not self.edges

    @property
    def n(self) -> int:
        """Number of cells, the one of missing values not counted."""
        return len(self.edges or self.categories) + 1

    def codes(self, values: "pd.Series[Any]") -> Integers:
        """Cell of each value, shape ``(rows,)``; ``n`` where it is missing."""
        if self.is_category:
            found = pd.Index(self.categories).get_indexer(pd.Index(values.astype(str)))
            codes = np.where(found < 0, self.n - 1, found)
        else:
            codes = np.searchsorted(self.edges, values.to_numpy(dtype=float), side="right")
        return np.where(values.isna().to_numpy(), self.n, codes)

    def count(self, values: "pd.Series[Any]", groups: Integers, n_groups: int) -> Floats:
        """Rows per group and cell, shape ``(n_groups, n + 1)``; the last column counts missing values."""
        width = self.n + 1
        flat = np.bincount(groups * width + self.codes(values), minlength=n_groups * width)
        return flat.reshape(n_groups, width).astype(float)


def number_cells(column: str, values: npt.ArrayLike) -> Cells:
    """Cells at the quantiles of ``values``, and one each for what lies below and above all of them.

    A column without any value has one edge, at zero.
    """
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if not len(known):
        return Cells(column=column, edges=(0.0,))
    # Quantiles that are values themselves give a column of few values one cell for each.
    quantiles = np.quantile(known, np.linspace(0, 1, _QUANTILES + 1), method="inverted_cdf")
    edges = np.unique([*quantiles, np.nextafter(quantiles[-1], np.inf)])
    return Cells(column=column, edges=tuple(float(edge) for edge in edges))


def category_cells(column: str, partitions: Sequence["pd.Series[Any]"]) -> Cells | None:
    """One cell per value of the window; None if the values do not repeat from partition to partition.

    Days and identifiers as text are new in every partition: their change says nothing.
    """
    counts = pd.DataFrame({n: values.dropna().astype(str).value_counts() for n, values in enumerate(partitions)})
    if len(counts) > MAX_CATEGORIES or not len(counts):
        return None
    seen_once = counts.notna().sum(axis=1) == 1
    if len(partitions) > 1 and counts[seen_once].sum().sum() > counts.sum().sum() / 2:
        return None
    return Cells(column=column, categories=tuple(sorted(counts.index)))
