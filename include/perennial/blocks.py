"""Rows on disk that are worked through some at a time, so that memory does not grow with a partition.

Up to ``ROWS_AT_ONCE`` rows a partition is held as one frame; above that it is read in blocks of ``BLOCK_ROWS``. Both
ways give the same files and the same verdicts; ``docs/scale.md`` says what is taken from a sample instead.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from include.perennial.columns import convert, first_inexact
from include.perennial.errors import IntegrityError
from include.perennial.messages import first_line
from include.perennial.spec import ColumnType
from include.perennial.tables import regrouped, to_frame

Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
ROWS_AT_ONCE = 1_000_000
BLOCK_ROWS = 1 << 18
_SPOOLED_ROWS = 1 << 16


def are_many(rows: int | None) -> bool:
    """Whether so many rows are worked through in blocks; an unknown number is not."""
    return rows is not None and rows > ROWS_AT_ONCE


@dataclass(frozen=True)
class Blocks:
    """Rows of ``schema``, in a fixed order, read anew each time.

    ``with_nulls`` are the columns that hold a null in any row: a whole number beside a null is a float in pandas, and
    must be one in every block (see ``tables``). ``read`` gives tables of the asked columns, of any size.
    """

    rows: int
    schema: pa.Schema
    with_nulls: frozenset[str]
    read: Callable[[Sequence[str]], Iterator[pa.Table]]

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows, ``BLOCK_ROWS`` at a time, with ``columns`` (default: all)."""
        names = self.schema.names if columns is None else list(columns)
        return regrouped(self.read(names), BLOCK_ROWS)

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """The same in pandas, each with an index from 0."""
        return (to_frame(table, self.with_nulls) for table in self.tables(columns))

    def pick(self, positions: Integers, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The rows at ``positions``, which ascend, with an index from 0."""
        found, first = [], 0
        for table in self.tables(columns):
            low, high = np.searchsorted(positions, [first, first + table.num_rows])
            found.append(table.take(pa.array(positions[low:high] - first)))
            first += table.num_rows
        return to_frame(pa.concat_tables(found), self.with_nulls)


def of_parquet(path: Path, schema: pa.Schema) -> Blocks:
    """The rows of a Parquet file with the columns of ``schema``; page checksums are verified as they are read.

    Raises:
        IntegrityError: the file is damaged, or lacks a column; also while it is read.
    """
    with _readable(path), pq.ParquetFile(path) as file:
        missing = set(schema) - set(file.schema_arrow)
        if missing:
            names = ", ".join(sorted(field.name for field in missing))
            raise IntegrityError(f"{path.name} does not hold the columns {names} as they were written. Restore it.")
        rows, with_nulls = file.metadata.num_rows, _with_nulls(file.metadata)

    def read(columns: Sequence[str]) -> Iterator[pa.Table]:
        with _readable(path), pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as opened:
            for batch in opened.iter_batches(1 << 16, columns=list(columns)):
                yield pa.Table.from_batches([batch]).select(list(columns))

    return Blocks(rows, schema, with_nulls, read)


def spooled(tables: Iterable[pa.Table], schema: pa.Schema, path: Path, where: str) -> Blocks:
    """``tables`` of ``schema``, written to ``path`` as they come, to be read as often as needed.

    Args:
        where: what the rows were read from, for messages.

    Raises:
        DataError: a column holds a missing value and, in another block, a number that is not exact beside one.
    """
    rows, with_nulls, too_big = 0, set[str](), dict[str, tuple[int, int]]()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema, options=options) as writer:
        for table in regrouped(tables, _SPOOLED_ROWS):
            writer.write_table(table.combine_chunks())
            for name in schema.names:
                if table[name].null_count:
                    with_nulls.add(name)
                if name not in too_big and (found := first_inexact(table[name])) >= 0:
                    too_big[name] = rows + found, table[name][found].as_py()
            rows += table.num_rows
    for name in schema.names:
        if name in with_nulls and name in too_big:
            row, value = too_big[name]
            # Refused in the words in which the two are when they come in one block.
            convert(pa.chunked_array([[value, None]]), ColumnType.INTEGER, where, name, row + 1)

    def read(columns: Sequence[str]) -> Iterator[pa.Table]:
        chosen = pa.ipc.IpcReadOptions(included_fields=sorted(schema.get_field_index(name) for name in columns))
        with pa.OSFile(str(path), "rb") as source, pa.ipc.open_file(source, options=chosen) as reader:
            for n in range(reader.num_record_batches):
                yield pa.Table.from_batches([reader.get_batch(n)]).select(list(columns))

    return Blocks(rows, schema, frozenset(with_nulls), read)


def _with_nulls(metadata: pq.FileMetaData) -> frozenset[str]:
    """Columns with a null; one without statistics is taken for one of them."""
    found = set()
    for group in range(metadata.num_row_groups):
        for n in range(metadata.num_columns):
            column = metadata.row_group(group).column(n)
            known = column.statistics is not None and column.statistics.has_null_count
            if not known or column.statistics.null_count:
                found.add(column.path_in_schema)
    return frozenset(found)


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise IntegrityError(f"File {path.name} cannot be read: {first_line(error)}. Restore it.") from error
