"""Rows that are set aside, each with every reason against it. Nothing is dropped without a trace."""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from include.perennial.partitions import YEARS, Partition
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
        self._homes: npt.NDArray[np.object_] = np.full(n_rows, "", dtype=object)

    def set_aside(self, reason: str, rows: Mask) -> None:
        """Add ``reason`` to the rows where the mask of shape (n_rows,) is True."""
        if rows.any():
            self._masks[reason] = rows

    @property
    def masks(self) -> dict[str, Mask]:
        """Rows by reason, in the order in which the reasons came."""
        return dict(self._masks)

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
        return [
            "; ".join(self._told(reason, int(row)) for reason, mask in self._masks.items() if mask[row]) for row in rows
        ]

    def set_homes(self, keys: npt.NDArray[np.object_]) -> None:
        """Say to which other partition each row belongs; empty for the rows of this one, shape (n_rows,)."""
        self._homes = keys

    @property
    def elsewhere(self) -> npt.NDArray[np.object_]:
        """Key of the other partition to which a row belongs that has nothing else against it; empty for all others."""
        others = [mask for reason, mask in self._masks.items() if reason != OUTSIDE]
        bad = np.any(others, axis=0) if others else np.zeros(self._n_rows, dtype=bool)
        return np.where(bad, "", self._homes)

    def _told(self, reason: str, row: int) -> str:
        return f"{reason}, it belongs to {self._homes[row]}" if reason == OUTSIDE and self._homes[row] else reason


def outside(frame: pd.DataFrame, data: DataSection, partition: Partition) -> Mask:
    """Rows whose time lies outside the partition's interval, shape (len(frame),). A missing time is not outside."""
    time = frame[data.time]
    return ((time < partition.start_utc) | (time >= partition.end_utc)).to_numpy(dtype=bool)


def homes_of(frame: pd.DataFrame, data: DataSection, partition: Partition, rows: Mask) -> npt.NDArray[np.object_]:
    """Keys of the partitions in which the times of ``rows`` lie; empty for other rows and times no partition has."""
    keys = np.full(len(frame), "", dtype=object)
    hours = frame.loc[rows, data.time].dt.floor("h")
    known = {
        hour: Partition.containing(hour.to_pydatetime(), partition.period).key if hour.year in YEARS else ""
        for hour in hours.unique()
    }
    keys[rows] = [known[hour] for hour in hours]
    return keys


def sift(frame: pd.DataFrame, data: DataSection, partition: Partition, twice: Mask | None = None) -> Sieve:
    """Set aside what no expectation needs to be written for: rows of another time, without a key, twice, infinite.

    Of rows with the same key the first is kept. Of a part of a partition, ``twice`` says which rows come again.
    """
    sieve = Sieve(len(frame))
    rows = outside(frame, data, partition)
    sieve.set_aside(OUTSIDE, rows)
    if rows.any():
        sieve.set_homes(homes_of(frame, data, partition, rows))
    sieve.set_aside(NO_KEY, without_key(frame, data))
    if twice is None:
        twice = np.zeros(len(frame), dtype=bool)
        twice[sieve.kept] = frame.loc[sieve.kept, list(data.key)].duplicated().to_numpy()
    sieve.set_aside(DUPLICATE, twice)
    sieve.set_aside(NOT_FINITE, infinite(frame, data))
    return sieve


def without_key(frame: pd.DataFrame, data: DataSection) -> Mask:
    """Rows that lack their time or a part of their key, shape (len(frame),)."""
    return frame[[data.time, *data.key]].isna().any(axis=1).to_numpy()


def infinite(frame: pd.DataFrame, data: DataSection) -> Mask:
    """Rows with an infinite number, shape (len(frame),)."""
    return np.isinf(frame[floats_of(frame.columns, data)].to_numpy(dtype=float)).any(axis=1)


def floats_of(names: Iterable[str], data: DataSection) -> list[str]:
    """The columns among ``names`` that may hold infinite numbers."""
    return [name for name in names if data.columns[name] is ColumnType.FLOAT]


def listed(counts: Mapping[str, int]) -> str:
    """Counts by reason for a message, the largest first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {n}" for reason, n in ordered[:8])


def told(found: Mapping[str, int]) -> str:
    """Rows by the partition to which they belong, in one sentence."""
    listed = ", ".join(f"{key} ({rows})" for key, rows in sorted(found.items())[-8:])
    more = f" and {len(found) - 8} earlier ones" if len(found) > 8 else ""
    n = sum(found.values())
    verb = "row belongs" if n == 1 else "rows belong"
    return f"{n} {verb} to other partitions: {listed}{more}. The next ingest of each takes them in."
