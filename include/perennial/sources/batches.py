"""A CSV or Parquet file as batches of rows: memory does not grow with the file.

Cells of CSV stay text, so that what they mean is decided here and not by a parser's guess.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from include.perennial.errors import DataError
from include.perennial.messages import data_error, first_line, shown
from include.perennial.sources.reading import csv_options, stream
from include.perennial.sources.text import check_text, read_header

NULL_VALUES = ("", "NA")
_BATCH_CELLS = 2_000_000
_CSV_BLOCK_BYTES = 1 << 24


def form_of(path: Path) -> str:
    """``csv`` or ``parquet``, by the ending of the name.

    Raises:
        DataError: there is no such file, or it is of another form.
    """
    if not path.is_file():
        raise data_error(
            where=shown(str(path), 200),
            got="no such file" if not path.is_dir() else "a folder",
            allowed="one CSV or Parquet file",
            fix="correct the path",
        )
    name = path.name.lower()
    if name.endswith((".csv", ".csv.gz")):
        return "csv"
    if name.endswith(".parquet"):
        return "parquet"
    raise data_error(
        where=shown(path.name),
        got="a file with another ending",
        allowed=".csv, .csv.gz or .parquet",
        fix="export the table as CSV with a header, or as Parquet",
    )


def column_names(path: Path) -> list[str]:
    """The names of the columns, in order, after a look at the whole file's bytes.

    Raises:
        DataError: the file cannot be read as what its name says.
    """
    if form_of(path) == "parquet":
        with _parquet(path) as file:
            return list(file.schema_arrow.names)
    check_text(path, "csv")
    return read_header(path)


def batches(path: Path, names: Sequence[str], null_values: Sequence[str] = NULL_VALUES) -> Iterator[pa.Table]:
    """The rows, some thousands at a time, in the order of the file, with the columns ``names`` of ``column_names``.

    Raises:
        DataError: a row cannot be read.
    """
    is_parquet = form_of(path) == "parquet"
    try:
        yield from _parquet_batches(path, names) if is_parquet else _csv_batches(path, names, null_values)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None


def _csv_batches(path: Path, names: Sequence[str], null_values: Sequence[str]) -> Iterator[pa.Table]:
    read, parse, convert, ragged = csv_options(names, null_values, _CSV_BLOCK_BYTES)
    try:
        with pyarrow.csv.open_csv(stream(path), read, parse, convert) as reader:
            for batch in reader:
                if batch.num_rows:
                    yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as error:
        if not ragged:
            raise
        row = ragged[0]
        raise data_error(
            where=f"{shown(path.name)}, row {row.number}",
            got=f"{row.actual_columns} fields: {shown(row.text)}",
            allowed=f"{row.expected_columns} fields, as in the header",
            fix="correct the row (a value with a comma needs quotes)",
        ) from error


def _parquet_batches(path: Path, names: Sequence[str]) -> Iterator[pa.Table]:
    with _parquet(path) as file:
        size = max(1000, min(1 << 17, _BATCH_CELLS // max(1, len(names))))
        for batch in file.iter_batches(batch_size=size, columns=list(names)):
            if batch.num_rows:
                yield pa.Table.from_batches([batch])


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> DataError:
    return data_error(
        where=shown(path.name),
        got=first_line(error),
        allowed="a whole, undamaged file",
        fix="export the file again",
    )
