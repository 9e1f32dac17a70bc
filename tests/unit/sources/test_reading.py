"""What strict reading keeps that forgiving readers lose, and what a manifest learns of a file."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.perennial.errors import DataError
from include.perennial.sources.reading import Form, peek, read_files
from include.perennial.spec import ColumnType
from tests.deliveries import gz

COLUMNS = {"id": ColumnType.STRING, "n": ColumnType.INTEGER}
NULLS = ("", "NA")


def csv_rows(tmp_path: Path, *contents: str) -> list[tuple[object, ...]]:
    paths = []
    for i, content in enumerate(contents):
        paths.append(tmp_path / f"{i}.csv")
        paths[-1].write_bytes(content.encode())
    table = read_files(paths, Form("csv", COLUMNS, NULLS))
    return [tuple(row.values()) for row in table.to_pylist()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("007,1", ("007", 1)),
        ("1e5,1", ("1e5", 1)),
        ("true,1", ("true", 1)),
        ("  a ,1", ("  a ", 1)),
        ('"a,b",1', ("a,b", 1)),
        ('"a\nb",1', ("a\nb", 1)),
        ('"say ""hi""",1', ('say "hi"', 1)),
        ("NA,NA", (None, None)),
        ("NaN,1", ("NaN", 1)),
        (",1", (None, 1)),
        ("日本,1", ("日本", 1)),
    ],
)
def test_a_cell_is_what_stands_in_the_file(tmp_path: Path, text: str, expected: tuple[object, ...]) -> None:
    assert csv_rows(tmp_path, f"id,n\n{text}\n") == [expected]


def test_null_values_are_the_pipelines_own(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,n\nNA,-\n")
    table = read_files([tmp_path / "a.csv"], Form("csv", COLUMNS, ("-",)))
    assert table.to_pylist() == [{"id": "NA", "n": None}]


def test_files_are_read_in_their_order_each_with_its_own_header(tmp_path: Path) -> None:
    assert csv_rows(tmp_path, "n,id\n1,a\n", "id,n\nb,2\n") == [("a", 1), ("b", 2)]


def test_a_bad_file_among_good_ones_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'1\.csv', row 3, column 'n': 'x'"):
        csv_rows(tmp_path, "id,n\na,1\n", "id,n\nb,2\nc,x\n")


def test_no_files_are_no_rows() -> None:
    assert read_files([], Form("csv", COLUMNS, NULLS)).num_rows == 0


def test_json_text_that_looks_like_a_moment_stays_text(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "2013-06-03T00:00:00Z", "n": 1}\n{"n": 2}\n')
    table = read_files([tmp_path / "a.jsonl"], Form("jsonl", COLUMNS, NULLS))
    assert table["id"].to_pylist() == ["2013-06-03T00:00:00Z", None]


def parquet_bytes() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"id": ["a", "b"], "n": [1, 2]}), out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b'\xef\xbb\xbfid,n\n"a\nb",1\n\nc,2\n', (2, ("id", "n"))),
        ("a.csv.gz", gz("id,n\na,1\n"), (1, ("id", "n"))),
        ("a.csv", b"id,n\n", (0, ("id", "n"))),
        ("a.csv", b"", (None, ())),
        ("a.csv", b"id,n\n\xff,1\n", (None, ())),
        ("a.csv.gz", gz("id,n\na,1\n")[:-4], (None, ())),
        ("a.jsonl", b'{"id": 1}\n\n{"id": 2}', (2, ())),
        ("a.parquet", parquet_bytes(), (2, ("id", "n"))),
        ("a.parquet", parquet_bytes()[:-1], (None, ())),
        ("a.bin", b"\x00", (None, ())),
    ],
    ids=["csv", "gzip", "header", "empty", "latin-1", "cut gzip", "json", "parquet", "cut parquet", "other"],
)
def test_a_look_tells_rows_and_columns_and_judges_nothing(
    tmp_path: Path, name: str, content: bytes, expected: tuple[object, ...]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert peek(tmp_path / name) == expected
