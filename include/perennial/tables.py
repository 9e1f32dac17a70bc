"""Tables of declared columns: one Arrow type per ``ColumnType``, strict conversion, fixed bytes on disk.

In memory (pandas, as models and expectations see it) there are no nullable dtypes, since MLflow
drops the signature of a model fed with them:

=========  =======================  =====================================================
declared   Arrow and Parquet        pandas
=========  =======================  =====================================================
string     string                   object, missing is None
integer    int64                    int64; float64 with NaN where values are missing
float      float64                  float64, missing is NaN
boolean    bool                     bool; float64 0, 1, NaN where values are missing
timestamp  timestamp[ns, UTC]       datetime64[ns, UTC]; moments without a zone are in data.timezone
date       date32                   datetime64[ns], midnight
=========  =======================  =====================================================
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from include.perennial.columns import ARROW_TYPES, convert
from include.perennial.messages import data_error, did_you_mean, first_line, shown, shown_names
from include.perennial.spec import ColumnType

log = logging.getLogger(__name__)

_ROW_GROUP_ROWS = 1 << 17


def check_header(names: Sequence[str], columns: Mapping[str, ColumnType], where: str) -> None:
    """Refuse repeated and missing columns; log undeclared ones, which stay out of the partition.

    Raises:
        DataError: a name stands twice, or a declared column is missing.
    """
    repeated = [name for name, n in Counter(names).items() if n > 1]
    if repeated:
        raise data_error(
            where=where,
            got=f"more than one column is named {shown_names(repeated)}",
            allowed="every column name once",
            fix="rename or drop the repeated columns at the source",
        )
    missing = [name for name in columns if name not in names]
    extra = [name for name in names if name not in columns]
    if missing:
        hints = ", ".join(shown(name, 40) + did_you_mean(name, extra) for name in missing[:8])
        raise data_error(
            where=where,
            got=f"missing {len(missing)} of {len(columns)} declared columns: {hints}. "
            f"Undeclared here: {shown_names(extra) or 'none'}",
            allowed=f"the columns of data.columns: {shown_names(columns)}",
            fix="restore the columns at the source, or change data.columns in pipeline.yaml",
        )
    if extra:
        log.info("%s: left out undeclared columns %s", where, shown_names(extra))


def conform(
    table: pa.Table, columns: Mapping[str, ColumnType], where: str, first_row: int = 1, zone: str = "UTC"
) -> pa.Table:
    """``table`` with exactly the declared columns, in declared order and type.

    Args:
        where: what the table was read from, for messages.
        first_row: number of the first row in messages; 2 where a header is line 1.
        zone: time zone in which moments without one are.

    Raises:
        DataError: a column is missing or repeated, or a value is not of its declared type.
    """
    check_header(table.column_names, columns, where)
    arrays = {name: convert(table[name], kind, where, name, first_row, zone) for name, kind in columns.items()}
    return pa.table(arrays, schema=schema(columns))


def schema(columns: Mapping[str, ColumnType]) -> pa.Schema:
    """The Arrow schema of a partition with these columns."""
    return pa.schema([(name, ARROW_TYPES[kind]) for name, kind in columns.items()])


def from_frame(frame: pd.DataFrame, columns: Mapping[str, ColumnType], where: str, zone: str = "UTC") -> pa.Table:
    """The declared columns of a data frame; NaN, NaT and None are null.

    Raises:
        DataError: as ``conform``, or a column mixes types that have no common one.
    """
    names = [str(name) for name in frame.columns]
    return _from_values(names, lambda position: frame.iloc[:, position], columns, where, 1, zone)


def from_rows(
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    columns: Mapping[str, ColumnType],
    where: str,
    first_row: int = 1,
    zone: str = "UTC",
) -> pa.Table:
    """The declared columns of rows of Python values, as a database driver returns them.

    Raises:
        DataError: as ``from_frame``.
    """
    return _from_values(names, lambda position: [row[position] for row in rows], columns, where, first_row, zone)


def _from_values(
    names: Sequence[str],
    values_at: Callable[[int], Any],
    columns: Mapping[str, ColumnType],
    where: str,
    first_row: int,
    zone: str,
) -> pa.Table:
    check_header(names, columns, where)
    arrays = {}
    for name, kind in columns.items():
        try:
            arrays[name] = pa.array(values_at(names.index(name)), from_pandas=True)
        except (pa.ArrowException, OverflowError) as error:
            raise data_error(
                where=f"{where}, column {shown(name, 60)}",
                got=first_line(error),
                allowed=f"{kind} in every row",
                fix="give the column one type at the source",
            ) from None
    return conform(pa.table(arrays), columns, where, first_row, zone)


def to_frame(table: pa.Table, with_nulls: Collection[str] = ()) -> pd.DataFrame:
    """The pandas form of a conforming table (see the module's table), with a fresh index from 0.

    Of a table that is a part of a larger one, ``with_nulls`` are the columns of that one with missing values.
    """
    arrays = {name: _as_pandas_has_it(table[name], name in with_nulls) for name in table.column_names}
    return pd.DataFrame({name: array.to_pandas() for name, array in arrays.items()}, columns=table.column_names)


def _as_pandas_has_it(column: pa.ChunkedArray, with_nulls: bool) -> pa.ChunkedArray:
    if pa.types.is_boolean(column.type) and (column.null_count or with_nulls):
        return column.cast(pa.uint8()).cast(pa.float64())
    if pa.types.is_integer(column.type) and with_nulls:
        return column.cast(pa.float64())
    return column.cast(pa.timestamp("ns")) if pa.types.is_date32(column.type) else column


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write ``table`` so that the same rows in the same order give the same bytes with the same pyarrow.

    Page checksums let a reader notice damage; nothing in the file depends on the clock or the machine.
    """
    write_parts([table], table.schema, path)


def write_parts(tables: Iterable[pa.Table], schema: pa.Schema, path: Path) -> int:
    """Write ``tables`` of one schema as ``write_parquet`` would write them all at once; the number of rows.

    How the rows were cut into tables does not show in the bytes, and no more than a row group is held.
    """
    schema, rows = schema.remove_metadata(), 0
    with pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=3, write_page_checksum=True, store_schema=False
    ) as writer:
        for group in regrouped(tables, _ROW_GROUP_ROWS):
            writer.write_table(group.replace_schema_metadata(None).combine_chunks(), _ROW_GROUP_ROWS)
            rows += group.num_rows
        if not rows:
            writer.write_table(schema.empty_table())
    return rows


def regrouped(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of ``rows`` each, the last one smaller; none is empty."""
    held: list[pa.Table] = []
    n = 0
    for table in tables:
        held.append(table)
        n += table.num_rows
        if n >= rows:
            whole, first = pa.concat_tables(held), 0
            while n - first >= rows:
                yield whole.slice(first, rows)
                first += rows
            held, n = [whole.slice(first)], n - first
    if n:
        yield pa.concat_tables(held)
