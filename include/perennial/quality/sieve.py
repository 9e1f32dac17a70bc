"""Rows that are set aside, each with every reason against it. Nothing is dropped without a trace."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from include.perennial.partitions import Partition
from include.perennial.spec import ColumnType, DataSection

Mask = npt.NDArray[np.bool_]
OUTSIDE = "outside_partition"
NO_KEY = "null_key"
DUPLICATE = "duplicate_key"
NOT_FINITE = "not_finite"


class Sieve:
    """Reasons against the rows of a frame of ``n_rows``."""

    def __init__(self, n_rows: int):
        self._n_rows = n_rows
        self._masks: dict[str, Mask] = {}

    def set_aside(self, reason: str, rows: Mask) -> None:
        """Add ``reason`` to the rows where the mask of shape (n_rows,) is True."""
        if rows.any():
            self._masks[reason] = rows

    @property
    def kept(self) -> Mask:
        """Rows without a reason against them, shape (n_rows,)."""
        kept = np.ones(self._n_rows, dtype=bool)
        for mask in self._masks.values():
            kept &= ~mask
        return kept

    @property
    def counts(self) -> dict[str, int]:
        """Rows by reason; a row with two reasons counts for both."""
        return {reason: int(mask.sum()) for reason, mask in self._masks.items()}

    def reasons(self) -> list[str]:
        """The reasons of each row that is set aside, in row order, joined by ``; ``."""
        rows = np.flatnonzero(~self.kept)
        return ["; ".join(reason for reason, mask in self._masks.items() if mask[row]) for row in rows]


def outside(frame: pd.DataFrame, data: DataSection, partition: Partition) -> Mask:
    """Rows whose time lies outside the partition's interval, shape (len(frame),). A missing time is not outside."""
    time = frame[data.time]
    return ((time < partition.start_utc) | (time >= partition.end_utc)).to_numpy(dtype=bool)


def sift(frame: pd.DataFrame, data: DataSection, partition: Partition) -> Sieve:
    """Set aside what no expectation needs to be written for: rows of another time, without a key, twice, infinite.

    Of rows with the same key the first is kept.
    """
    sieve = Sieve(len(frame))
    sieve.set_aside(OUTSIDE, outside(frame, data, partition))
    sieve.set_aside(NO_KEY, frame[[data.time, *data.key]].isna().any(axis=1).to_numpy())
    twice = np.zeros(len(frame), dtype=bool)
    twice[sieve.kept] = frame.loc[sieve.kept, list(data.key)].duplicated().to_numpy()
    sieve.set_aside(DUPLICATE, twice)
    floats = [name for name, kind in data.columns.items() if kind is ColumnType.FLOAT]
    sieve.set_aside(NOT_FINITE, np.isinf(frame[floats].to_numpy(dtype=float)).any(axis=1))
    return sieve


def listed(counts: Mapping[str, int]) -> str:
    """Counts by reason for a message, the largest first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {n}" for reason, n in ordered[:8])
