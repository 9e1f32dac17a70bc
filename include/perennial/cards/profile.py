"""What the columns of a partition hold, counted once when it is versioned, so that later cards can compare."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

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
    profiles = tuple(_profile(name, kind, table[name]) for name, kind in columns.items())
    return Profile(key=key, sha256=sha256, rows=table.num_rows, rows_quarantined=rows_quarantined, columns=profiles)


def profile_of_file(
    path: Path, columns: Mapping[str, ColumnType], *, key: str, sha256: str, rows_quarantined: int
) -> Profile:
    """The same of the rows in a Parquet file, of which one column is held at a time."""
    with pq.ParquetFile(path) as file:
        profiles = tuple(_profile(name, kind, file.read([name])[name]) for name, kind in columns.items())
        rows = file.metadata.num_rows
    return Profile(key=key, sha256=sha256, rows=rows, rows_quarantined=rows_quarantined, columns=profiles)


def _profile(name: str, kind: ColumnType, values: pa.ChunkedArray) -> ColumnProfile:
    return ColumnProfile(
        name=name,
        kind=kind.value,
        null_share=values.null_count / len(values) if len(values) else 0.0,
        holds=_range(values) if kind in _ORDERED else _most_frequent(values),
    )


def _range(column: pa.ChunkedArray) -> str:
    bounds = pc.min_max(column).as_py()
    low, high = bounds["min"], bounds["max"]
    return "no values" if low is None else f"{_shown(low)} to {_shown(high)}"


def _most_frequent(column: pa.ChunkedArray) -> str:
    found = column.drop_null().value_counts()
    if not len(found):
        return "no values"
    counts = pa.table({"value": found.field("values"), "n": found.field("counts")})
    if len(counts) > _SHOWN_VALUES:
        keys = [("n", "descending"), ("value", "ascending")]
        counts = counts.take(pc.select_k_unstable(counts, _SHOWN_VALUES, keys))
    top = sorted(counts.to_pylist(), key=lambda one: (-one["n"], str(one["value"])))
    first = ", ".join(f"{one['value']} ({one['n']:,})" for one in top)
    return f"{len(found):,} values: {first}" if len(found) > _SHOWN_VALUES else first


def _shown(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
