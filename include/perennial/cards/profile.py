"""What the columns of a partition hold, counted once when it is versioned, so that later cards can compare."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from include.perennial.contracts import Contract
from include.perennial.spec import ColumnType

_SHOWN_VALUES = 3
_ORDERED = frozenset({ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.TIMESTAMP, ColumnType.DATE})


class ColumnProfile(Contract):
    """One column. ``holds`` says in words what its values are: a range, or how many and which are the most frequent."""

    name: str
    kind: str
    null_share: float
    holds: str


class Profile(Contract):
    """All columns of the partition ``key`` whose file has ``sha256``."""

    key: str
    sha256: str
    rows: int
    rows_quarantined: int
    columns: tuple[ColumnProfile, ...]


def profile_of(
    table: pa.Table, columns: Mapping[str, ColumnType], *, key: str, sha256: str, rows_quarantined: int
) -> Profile:
    """Count ``table``, the valid rows of partition ``key``, which conforms to ``columns``."""
    rows = table.num_rows
    profiles = tuple(
        ColumnProfile(
            name=name,
            kind=kind.value,
            null_share=table[name].null_count / rows if rows else 0.0,
            holds=_range(table[name]) if kind in _ORDERED else _most_frequent(table[name]),
        )
        for name, kind in columns.items()
    )
    return Profile(key=key, sha256=sha256, rows=rows, rows_quarantined=rows_quarantined, columns=profiles)


def _range(column: pa.ChunkedArray) -> str:
    bounds = pc.min_max(column).as_py()
    low, high = bounds["min"], bounds["max"]
    return "no values" if low is None else f"{_shown(low)} to {_shown(high)}"


def _most_frequent(column: pa.ChunkedArray) -> str:
    counts = pc.value_counts(column.drop_null()).to_pylist()
    if not counts:
        return "no values"
    counts.sort(key=lambda one: (-one["counts"], str(one["values"])))
    first = ", ".join(f"{one['values']} ({one['counts']:,})" for one in counts[:_SHOWN_VALUES])
    return f"{len(counts):,} values: {first}" if len(counts) > _SHOWN_VALUES else first


def _shown(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
