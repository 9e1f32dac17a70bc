"""Rows in order by some of their columns, though there are too many to hold: DuckDB sorts and spills to disk."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from include.perennial.errors import Unavailable
from include.perennial.messages import first_line

MEMORY = "1GB"
_THREADS = 2
_BATCH_ROWS = 1 << 17


def in_order(tables: Iterable[pa.Table], schema: pa.Schema, by: Sequence[str], folder: Path) -> Iterator[pa.Table]:
    """The rows of ``tables``, which have the columns of a partition, ascending by the columns ``by``.

    The order is Arrow's of ``Table.sort_by``, text by its bytes; rows that are equal in ``by`` come in any order.

    Args:
        folder: where DuckDB may write what does not fit into ``MEMORY``; about the size of the rows.

    Raises:
        Unavailable: the disk is full.
    """
    # Numbered columns: DuckDB takes names that differ in case for one. Moments as numbers: it would cut nanoseconds.
    plain = pa.schema([(f"c{n}", _plain(kind)) for n, kind in enumerate(schema.types)])
    batches = (batch for table in tables for batch in _cast(table, plain).to_batches())
    reader = pa.RecordBatchReader.from_batches(plain, batches)
    order = ", ".join(f"c{schema.get_field_index(name)}" for name in by)
    with duckdb.connect(
        ":memory:", config={"memory_limit": MEMORY, "threads": _THREADS, "temp_directory": str(folder)}
    ) as connection:
        connection.register("delivered", reader)
        try:
            for batch in connection.sql(f"SELECT * FROM delivered ORDER BY {order}").to_arrow_reader(_BATCH_ROWS):  # noqa: S608 - numbers of columns
                yield _cast(pa.Table.from_batches([batch]), schema)
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            raise Unavailable(
                f"Sorting a large partition below {folder} failed: {first_line(error)}. "
                "It needs about the size of its rows on disk: make room, or set TMPDIR to a larger one; then retry."
            ) from error


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.int64()
    return pa.int32() if pa.types.is_date32(kind) else kind


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [column.cast(kind) for column, kind in zip(table.columns, schema.types, strict=True)]
    return pa.table(columns, schema=schema)
