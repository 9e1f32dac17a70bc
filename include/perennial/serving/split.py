"""Which rows the challenger answers: a share of the keys, and always the same ones while it challenges.

A row is named by the columns of ``data.key``. Its name and the challenger's version are hashed to a number in [0, 1);
below the share it is the challenger's. A larger share thus keeps every key that a smaller one had, on any server, and
the next challenger is tried on other keys.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_SEPARATOR = b"\x1f"


def positions(table: pa.Table, key: Sequence[str], version: str) -> npt.NDArray[np.float64]:
    """Where each row of ``table`` stands in [0, 1), shape ``(n,)``; equal keys stand at the same place."""
    texts = [table[name].cast(pa.string()).to_pylist() for name in key]
    return np.array([_position(version, values) for values in zip(*texts, strict=True)], dtype=float)


def _position(version: str, values: Sequence[str]) -> float:
    hasher = hashlib.blake2b(version.encode(), digest_size=8)
    for value in values:
        encoded = value.encode()
        hasher.update(_SEPARATOR + str(len(encoded)).encode() + _SEPARATOR + encoded)
    return (int.from_bytes(hasher.digest(), "big") >> 11) / 2**53
