"""Rows whose key has come before, in a partition too large for all of its keys to be held."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from include.perennial import blocks
from include.perennial.blocks import Blocks, Bools

Hashes = npt.NDArray[np.uint64]
_BUCKETS = 16


def hashes_of(keys: pd.DataFrame) -> Hashes:
    """64 bits of each row: equal keys have equal ones, the reverse is only likely."""
    # Zero and minus zero are one key, with two forms.
    floats = keys.select_dtypes("float").columns
    plain = keys.assign(**{name: keys[name] + 0.0 for name in floats}) if len(floats) else keys
    return np.asarray(pd.util.hash_pandas_object(plain, index=False), dtype=np.uint64)


def repeated(rows: Blocks, key: Sequence[str], hashes: Hashes, usable: Bools) -> Bools:
    """Which of the ``usable`` rows have the ``key`` of a usable row before them, shape ``(rows,)``.

    Candidates are found by ``hashes``, one of each row, and compared by what they are.
    """
    found = np.zeros(rows.rows, dtype=bool)
    candidates = usable & among(hashes, _twice(hashes, usable))
    # As many passes as it takes to hold no more keys than rows are held elsewhere.
    n = -(-int(candidates.sum()) // blocks.ROWS_AT_ONCE)
    for part in range(n):
        mine = np.flatnonzero(candidates & (hashes % np.uint64(n) == part) if n > 1 else candidates)
        found[mine] = rows.pick(mine, key).duplicated().to_numpy()
    return found


def _twice(hashes: Hashes, usable: Bools) -> Hashes:
    """Hashes that stand there more than once, ascending."""
    found = [np.empty(0, dtype=np.uint64)]
    for bucket in range(_BUCKETS):
        mine = np.sort(hashes[usable & (hashes >> np.uint64(60) == bucket)])
        found.append(np.unique(mine[1:][mine[1:] == mine[:-1]]))
    return np.concatenate(found)


def among(hashes: Hashes, wanted: Hashes) -> Bools:
    """Which of ``hashes`` stand in ``wanted``, which ascends."""
    found = np.zeros(len(hashes), dtype=bool)
    if len(wanted):
        for part in _parts(len(hashes)):
            places = np.searchsorted(wanted, hashes[part])
            found[part] = wanted[np.minimum(places, len(wanted) - 1)] == hashes[part]
    return found


def _parts(n: int) -> Iterator[slice]:
    return (slice(first, first + blocks.BLOCK_ROWS) for first in range(0, n, blocks.BLOCK_ROWS))
