"""CSV, JSON lines and Parquet into tables of the declared columns, or a refusal that names the place.

Rows of CSV are counted like a spreadsheet does: the header is row 1.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from include.perennial.errors import DataError
from include.perennial.messages import data_error, first_line, shown, shown_names
from include.perennial.sources.text import check_text, count_lines, count_records, is_gzip, open_text, read_header
from include.perennial.spec import ColumnType
from include.perennial.tables import check_header, conform, schema

Columns = Mapping[str, ColumnType]
Keep = Callable[[pa.Table], pa.Table]
ENDINGS = {"csv": (".csv",), "jsonl": (".jsonl", ".ndjson", ".json"), "parquet": (".parquet",)}
_UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError)
# One value may be long; a block must hold its whole row. Without threads row numbers are exact.
_BLOCK_BYTES = 1 << 24
_BATCH_ROWS = 1 << 16


@dataclass(frozen=True)
class Form:
    """How files are written.

    Args:
        kind: ``csv``, ``jsonl`` or ``parquet``; CSV and JSON lines may be gzip.
        columns: the declared ones, which a table is to have.
        null_values: CSV cells that mean a missing value.
        zone: time zone in which moments without one are.
    """

    kind: str
    columns: Columns
    null_values: Sequence[str] = ()
    zone: str = "UTC"


def read_files(paths: Sequence[Path], form: Form, keep: Keep | None = None) -> pa.Table:
    """All rows of ``paths``, in their order, with exactly the declared columns and types.

    Files are read some thousands of rows at a time; with ``keep`` memory grows with what it leaves, not with the file.

    Args:
        keep: the rows that are wanted of a table of the declared columns.

    Raises:
        DataError: a file cannot be read as that, a column is missing, or a value is not of its type.
    """
    tables = list(read_tables(paths, form, keep))
    if not tables:
        return schema(form.columns).empty_table()
    # Again, as one: an integer that is exact in its own block may not be beside a null of another.
    return conform(pa.concat_tables(tables), form.columns, shown_names([path.name for path in paths]))


def read_tables(paths: Sequence[Path], form: Form, keep: Keep | None = None) -> Iterator[pa.Table]:
    """The same rows, some thousands at a time, each table conforming by itself.

    Raises:
        DataError: as ``read_files``, once the place is reached.
    """
    read = {"csv": _csv_tables, "jsonl": _json_tables, "parquet": _parquet_tables}[form.kind]
    for path in paths:
        for table in read(path, form):
            yield keep(table) if keep else table


def peek(path: Path) -> tuple[int | None, tuple[str, ...]]:
    """Rows and column names of a file, by the ending of its name; ``(None, ())`` where it is unreadable.

    For a manifest, which records what came and does not judge it.
    """
    name = path.name.lower().removesuffix(".gz")
    try:
        if name.endswith(ENDINGS["parquet"]):
            with pq.ParquetFile(path) as file:
                return file.metadata.num_rows, tuple(file.schema_arrow.names)
        if name.endswith(ENDINGS["csv"]):
            check_text(path, "csv")
            return count_records(path), tuple(read_header(path))
        return (count_lines(path), ()) if name.endswith(ENDINGS["jsonl"]) else (None, ())
    except (*_UNREADABLE, EOFError, zlib.error, DataError):
        return None, ()


def read_csv(path: Path, columns: Columns, null_values: Sequence[str]) -> pa.Table:
    """A comma-separated file with a header. Every cell is read as text, then converted strictly."""
    return read_files([path], Form("csv", columns, null_values))


def _csv_tables(path: Path, form: Form) -> Iterator[pa.Table]:
    columns = form.columns
    check_text(path, "csv")
    names = read_header(path)
    if len(names) == 1 and len(columns) > 1:
        raise data_error(
            where=shown(path.name),
            got=f"a header of one column, {shown(names[0])}",
            allowed=f"comma-separated columns {shown_names(columns)}",
            fix="export the file with commas, not semicolons or tabs",
        )
    check_header(names, columns, shown(path.name))
    read, parse, convert, ragged = csv_options(list(columns), form.null_values, _BLOCK_BYTES)
    row = 2
    try:
        with pyarrow.csv.open_csv(stream(path), read, parse, convert) as reader:
            for batch in reader:
                table = pa.Table.from_batches([batch])
                yield conform(table, columns, shown(path.name), row, form.zone)
                row += table.num_rows
    except _UNREADABLE as error:
        raise _ragged(path, ragged[0]) if ragged else _unreadable(path, "CSV", error) from None


def csv_options(
    names: Sequence[str], null_values: Sequence[str], block_bytes: int
) -> tuple[pyarrow.csv.ReadOptions, pyarrow.csv.ParseOptions, pyarrow.csv.ConvertOptions, list[pyarrow.csv.InvalidRow]]:
    """How a CSV is read here: the columns ``names``, every cell as text; ragged rows stop it and are in the list."""
    ragged: list[pyarrow.csv.InvalidRow] = []

    def on_ragged(row: pyarrow.csv.InvalidRow) -> str:
        ragged.append(row)
        return "error"

    return (
        pyarrow.csv.ReadOptions(use_threads=False, block_size=block_bytes),
        pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=on_ragged),
        pyarrow.csv.ConvertOptions(
            include_columns=list(names),
            column_types=dict.fromkeys(names, pa.string()),
            null_values=list(null_values),
            strings_can_be_null=True,
        ),
        ragged,
    )


def _json_tables(path: Path, form: Form) -> Iterator[pa.Table]:
    """JSON objects, one per line. A key that is absent from a line is a missing value."""
    columns = form.columns
    check_text(path, "jsonl")
    # Without this, text that looks like a moment would be taken for one, and lose its spelling.
    as_text = [n for n, kind in columns.items() if kind in (ColumnType.STRING, ColumnType.TIMESTAMP, ColumnType.DATE)]
    explicit = pa.schema([(name, pa.string()) for name in as_text])
    row = 1
    try:
        # All lines first: a key may be absent from every line of a block.
        found = dict.fromkeys(name for block in _line_blocks(path) for name in _json(block, None).column_names)
        check_header(list(found), columns, shown(path.name))
        for block in _line_blocks(path):
            table = _json(block, explicit)
            for name in set(columns) - set(table.column_names):
                table = table.append_column(name, pa.nulls(table.num_rows))
            yield conform(table.select(list(columns)), columns, shown(path.name), row, form.zone)
            row += table.num_rows
    except _UNREADABLE as error:
        raise _unreadable(path, "JSON lines", error) from None


def _parquet_tables(path: Path, form: Form) -> Iterator[pa.Table]:
    """A Parquet file; page checksums, where the writer left them, are verified."""
    columns = form.columns
    row = 1
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            names = file.schema_arrow.names
            check_header(names, columns, shown(path.name))
            wanted = file.schema_arrow.empty_table().select(list(columns))
            yield conform(wanted, columns, shown(path.name), zone=form.zone)
            for batch in file.iter_batches(_BATCH_ROWS, columns=list(columns)):
                table = pa.Table.from_batches([batch])
                table.validate(full=True)
                yield conform(table, columns, shown(path.name), row, form.zone)
                row += table.num_rows
    except _UNREADABLE as error:
        raise _unreadable(path, "Parquet", error) from None


def _line_blocks(path: Path) -> Iterator[bytes]:
    """Whole lines, some megabytes at a time, without those that are blank."""
    with open_text(path) as file:
        while lines := file.readlines(_BLOCK_BYTES // 4):
            if block := b"".join(line for line in lines if line.strip()):
                yield block


def _json(block: bytes, explicit: pa.Schema | None) -> pa.Table:
    return pyarrow.json.read_json(
        pa.BufferReader(block),
        pyarrow.json.ReadOptions(use_threads=False, block_size=max(_BLOCK_BYTES, len(block))),
        pyarrow.json.ParseOptions(explicit_schema=explicit, newlines_in_values=False),
    )


def stream(path: Path) -> pa.NativeFile:
    """The decompressed bytes of a plain or gzip file, for pyarrow."""
    return pa.input_stream(path, compression="gzip" if is_gzip(path) else None)


def _ragged(path: Path, row: pyarrow.csv.InvalidRow) -> DataError:
    return data_error(
        where=f"{shown(path.name)}, row {row.number}",
        got=f"{row.actual_columns} fields: {shown(row.text)}",
        allowed=f"{row.expected_columns} fields, as in the header",
        fix="correct the row at the source (a value with a comma needs quotes; a cut file needs delivering again)",
    )


def _unreadable(path: Path, form: str, error: Exception) -> DataError:
    return data_error(
        where=shown(path.name),
        got=first_line(error),
        allowed=f"a whole, undamaged {form} file",
        fix="ask the source to deliver the file again",
    )
