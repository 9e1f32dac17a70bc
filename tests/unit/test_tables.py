"""Declared columns: what converts, what is refused, and which bytes come out."""

import datetime as dt
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.perennial.digests import file_sha256
from include.perennial.errors import DataError
from include.perennial.spec import ColumnType
from include.perennial.tables import from_frame, from_rows, to_frame, write_parquet

NOON = dt.datetime(2013, 6, 3, 12, tzinfo=dt.timezone.utc)
DAY = dt.date(2013, 6, 3)


def convert(values: list[Any], kind: str) -> list[Any]:
    table = from_rows(["x"], [(value,) for value in values], {"x": ColumnType(kind)}, "rows")
    return table["x"].to_pylist()


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", "007", "007"),
        ("string", "", ""),
        ("integer", "42", 42),
        ("integer", -(2**53), -(2**53)),
        ("integer", 42.0, 42),
        ("integer", decimal.Decimal("42.00"), 42),
        ("float", "4.2", 4.2),
        ("float", 4, 4.0),
        ("float", decimal.Decimal("4.25"), 4.25),
        ("boolean", "true", True),
        ("boolean", "0", False),
        ("boolean", 1, True),
        ("boolean", 0.0, False),
        ("timestamp", "2013-06-03T12:00:00Z", NOON),
        ("timestamp", "2013-06-03 12:00", NOON),
        ("timestamp", "2013-06-03T14:00:00+02:00", NOON),
        ("timestamp", "2013-06-03T08:00:00-0400", NOON),
        ("timestamp", NOON, NOON),
        ("timestamp", NOON.replace(tzinfo=None), NOON),
        ("timestamp", DAY, dt.datetime(2013, 6, 3, tzinfo=dt.timezone.utc)),
        ("date", "2013-06-03", DAY),
        ("date", dt.datetime(2013, 6, 3), DAY),
        ("date", DAY, DAY),
    ],
)
def test_a_value_that_means_the_declared_type_converts(kind: str, value: object, expected: object) -> None:
    assert convert([value], kind) == [expected]
    assert convert([value, None], kind) == [expected, None]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", 7),
        ("string", b"\xff"),
        ("string", DAY),
        ("integer", 1.5),
        ("integer", "1.0"),
        ("integer", " 1"),
        ("integer", 2.0**60),
        ("integer", True),
        ("integer", decimal.Decimal("1.5")),
        ("float", "1,5"),
        ("float", 2**60 + 1),
        ("float", True),
        ("boolean", "yes"),
        ("boolean", 2),
        ("boolean", 0.5),
        ("timestamp", 1370260800),
        ("timestamp", "03.06.2013"),
        ("timestamp", "2013-06-03T25:00"),
        ("timestamp", dt.datetime(1500, 1, 1)),
        ("date", NOON),
        ("date", 15859),
        ("date", "2013-02-29"),
    ],
)
def test_a_value_that_would_change_its_meaning_is_refused(kind: str, value: object) -> None:
    with pytest.raises(DataError, match=r"rows, .*column 'x': .*Expected: "):
        convert([value], kind)


@pytest.mark.parametrize("n", [0, 1, 500, 998])
def test_the_message_names_the_first_bad_row(n: int) -> None:
    values = [str(i) for i in range(1000)]
    values[n] = values[999] = "bad"
    with pytest.raises(DataError, match=rf"rows, row {n + 1}, column 'x': 'bad'"):
        convert(values, "integer")


def test_types_that_have_nothing_in_common_are_refused() -> None:
    with pytest.raises(DataError, match="give the column one type"):
        convert(["a", 1, None], "string")


def test_integers_beyond_floats_are_kept_exactly_unless_a_value_is_missing() -> None:
    assert convert([2**53 + 1, -(2**63)], "integer") == [2**53 + 1, -(2**63)]
    with pytest.raises(DataError, match="row 2, column 'x': '9007199254740993', which is not exact beside missing"):
        convert([1, 2**53 + 1, None], "integer")


@pytest.mark.parametrize(
    ("kind", "values", "dtype"),
    [
        ("string", ["a", None], "object"),
        ("integer", [1, 2], "int64"),
        ("integer", [1, None], "float64"),
        ("float", [1.5, None], "float64"),
        ("boolean", [True, False], "bool"),
        ("boolean", [True, None], "float64"),
        ("timestamp", [NOON, None], "datetime64[ns, UTC]"),
        ("date", [DAY, None], "datetime64[ns]"),
        ("string", [None, None], "object"),
        ("integer", [None, None], "float64"),
        ("timestamp", [None, None], "datetime64[ns, UTC]"),
    ],
)
def test_pandas_dtypes_are_plain_and_the_way_back_loses_nothing(kind: str, values: list[Any], dtype: str) -> None:
    columns = {"x": ColumnType(kind)}
    table = from_rows(["x"], [(value,) for value in values], columns, "rows")

    frame = to_frame(table)

    assert str(frame["x"].dtype) == dtype
    assert from_frame(frame, columns, "frame").equals(table)


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(["a", None], dtype="string"),
        pd.Series(["a", np.nan], dtype=object),
        pd.Series(["a", pd.NA], dtype=object),
        pd.Categorical(["a", None]),
    ],
    ids=["string", "nan", "na", "categorical"],
)
def test_every_way_pandas_writes_missing_text_is_null(values: Any) -> None:
    table = from_frame(pd.DataFrame({"x": values}), {"x": ColumnType.STRING}, "frame")
    assert table["x"].to_pylist() == ["a", None]


@pytest.mark.parametrize(
    "values", [[[1], [2]], [{"a": 1}, {"a": 2}], [1 + 2j, 3j], [pd.Timedelta(1), pd.Timedelta(2)], [object(), 1]]
)
def test_what_no_table_holds_is_refused(values: list[Any]) -> None:
    with pytest.raises(DataError):
        from_frame(pd.DataFrame({"x": values}), {"x": ColumnType.FLOAT}, "frame")


def test_undeclared_columns_stay_out_whatever_they_hold(caplog: pytest.LogCaptureFixture) -> None:
    frame = pd.DataFrame({"y": [object()], "x": [1.0], 3: [2]})
    with caplog.at_level("INFO"):
        assert from_frame(frame, {"x": ColumnType.FLOAT}, "frame").column_names == ["x"]
    assert "left out undeclared columns 'y', '3'" in caplog.text


def test_the_same_rows_give_the_same_bytes_however_they_are_chunked(tmp_path: Path) -> None:
    table = pa.table({"x": pa.array(range(1000)), "y": [str(i % 7) for i in range(1000)]})
    chunked = pa.concat_tables([table.slice(0, 10), table.slice(10)]).replace_schema_metadata({"made": "now"})

    write_parquet(table, tmp_path / "a")
    write_parquet(chunked, tmp_path / "b")

    assert file_sha256(tmp_path / "a") == file_sha256(tmp_path / "b")
    assert pq.read_metadata(tmp_path / "a").metadata is None
