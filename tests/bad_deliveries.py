"""Bad deliveries, and good ones in another dress: the tables of ``tests/unit/test_bad_input.py``."""

import io
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tests.deliveries import COLUMNS, HEADER, csv, gz, jsonl, row

GOOD = [row(n) for n in range(20)]
OTHER = tuple(c for c in COLUMNS if c != "size")
NOT_NULL = """
import great_expectations.expectations as gxe
BATCH = [gxe.ExpectColumnValuesToNotBeNull(column="size", mostly=0.5)]
ROWS = []
"""
CRASHES = """
import great_expectations.expectations as gxe
BATCH = [{batch}]
ROWS = [{rows}]
"""


@dataclass(frozen=True)
class Case:
    """A delivery, what it leads to, and how the pipeline differs from the usual one."""

    id: str
    content: str | bytes | None
    told: str
    kind: str = "csv"
    pipeline: dict[str, Any] = field(default_factory=dict)


def one(n: int = 7, **changes: object) -> list[dict[str, object]]:
    """Good rows of which row ``n`` is changed."""
    return [row(i, **changes) if i == n else row(i) for i in range(20)]


def frame(rows: list[dict[str, object]] = GOOD) -> pd.DataFrame:
    out = pd.DataFrame(rows)
    out["at"] = pd.to_datetime(out["at"], utc=True)
    return out


def parquet(table: pa.Table | pd.DataFrame) -> bytes:
    out = io.BytesIO()
    table = pa.Table.from_pandas(table, preserve_index=False) if isinstance(table, pd.DataFrame) else table
    pq.write_table(table, out, write_page_checksum=True)
    return out.getvalue()


FILES_THAT_ARE_NOT_CSV = [
    Case("nothing delivered", None, "no file"),
    Case("no bytes", "", "an empty file without a header"),
    Case("an HTML page", "<!DOCTYPE html>\n<html><body>Please log in</body></html>", "an HTML or XML page"),
    Case("an XML error", "<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an HTML or XML page"),
    Case("a JSON error", '{"error": "rate limit"}', "a header of one column"),
    Case("an Excel workbook", b"PK\x03\x04" + bytes(range(256)), "a ZIP archive or an Excel workbook"),
    Case("Parquet", parquet(frame()), "a Parquet file"),
    Case("UTF-16", csv(GOOD).encode("utf-16"), "UTF-16 text"),
    Case("latin-1", csv(one(id="café")).encode("latin-1"), "line 9: the byte 0xe9, which is not UTF-8"),
    Case("cut inside a character", csv(GOOD).encode() + b"\xc3", "inside a UTF-8 character"),
    Case("a NUL byte", csv(one(id="r\0")), "line 9: a NUL byte"),
    Case("a line of 17 MiB", HEADER + "\n" + "x" * (17 << 20), "line 2: more than 8 GiB of text, or a line of"),
    Case("a gzip archive cut off", gz(csv(GOOD))[:-9], "a gzip archive that ends early or is damaged"),
    Case("a damaged gzip archive", gz(csv(GOOD))[:-8] + bytes(8), "a gzip archive that ends early or is damaged"),
    Case("binary noise", bytes(range(250, 0, -1)) * 20, "line 1: the byte 0xfa, which is not UTF-8"),
]
ROWS_THAT_DO_NOT_FIT = [
    Case("a short row", csv(GOOD) + "2013-06-03T00:00:00Z,x\n", "row 22: 2 fields"),
    Case("a cut last row", csv(GOOD)[:-14], "row 21: 5 fields"),
    Case("a long row", csv(GOOD) + "2013-06-03T00:00:00Z,x,1,1,true,2013-06-03,more\n", "row 22: 7 fields"),
    Case("one field too many in every row", csv(GOOD).replace("\n", ",\n").replace(",\n", "\n", 1), "row 2: 7 fields"),
    Case("semicolons", csv(GOOD).replace(",", ";"), "export the file with commas"),
    Case("tabs", csv(GOOD).replace(",", "\t"), "export the file with commas"),
    Case("a quote never closed", csv(one(id='"r007')), "an odd number: one is never closed"),
    Case("a header only", HEADER + "\n", "no rows. Expected: rows of this period"),
]
SCHEMA_CHANGES = [
    Case("a column gone", csv(GOOD, OTHER), "missing 1 of 6 declared columns: 'size'"),
    Case("a column renamed", csv(GOOD).replace("size", "sizes", 1), "'size' (did you mean 'sizes'?)"),
    Case("a column twice", csv(GOOD).replace("count", "size", 1), "more than one column is named 'size'"),
    Case("no header", csv(GOOD).partition("\n")[2], "missing 6 of 6 declared columns"),
    Case("text in an integer", csv(one(count="many")), "row 9, column 'count': 'many'"),
    Case("a fraction in an integer", csv(one(count="1.5")), "row 9, column 'count': '1.5'"),
    Case("an integer of 20 digits", csv(one(count=10**20)), f"'{10**20}'. Expected: integer"),
    Case("a big integer beside a missing one", csv([*one(count=2**53 + 1), row(20, count=None)]), "not exact beside"),
    Case("text in a float", csv(one(size="4 2")), "column 'size': '4 2'"),
    Case("a third truth", csv(one(ok="maybe")), "column 'ok': 'maybe'. Expected: boolean"),
    Case("a moment in American order", csv(one(at="06/03/2013 14:00")), "column 'at': '06/03/2013 14:00'"),
    Case("a moment that never was", csv(one(at="2013-06-31T00:00:00Z")), "column 'at': '2013-06-31T00:00:00Z'"),
    Case("a moment beyond pandas", csv(one(at="9999-12-31T00:00:00Z")), "column 'at': '9999-12-31T00:00:00Z'"),
    Case("seconds since 1970", csv(one(at="1370217600")), "column 'at': '1370217600'"),
    Case("a day with a time", csv(one(day="2013-06-03T05:00")), "column 'day': '2013-06-03T05:00'"),
    Case("a terminal escape", csv(one(count="\x1b[31mred")), r"column 'count': '\x1b[31mred'"),
    Case("a very long value", csv(one(count="9" * 5000)), "column 'count': '9999"),
]
JSON_LINES = [
    Case("cut JSON lines", jsonl(GOOD)[:-20], "a whole, undamaged JSON lines file", "jsonl"),
    Case("a JSON array", "[" + jsonl(GOOD).replace("\n", ",\n") + "{}]", "JSON lines file", "jsonl"),
    Case("text instead of JSON", "hello\nworld\n", "JSON lines file", "jsonl"),
    Case("mixed types", jsonl(one(count="many")), "Column(/count) changed from number to string", "jsonl"),
    Case("a key twice", jsonl(GOOD) + '{"id": "a", "id": "b"}\n', "Column(/id) was specified twice", "jsonl"),
    Case("a nested value", jsonl([row(n, size={"cm": 4}) for n in range(20)]), "values of type struct", "jsonl"),
    Case("a number as an identifier", jsonl([row(n, id=n) for n in range(20)]), "JSON lines file", "jsonl"),
    Case("a fraction in a JSON integer", jsonl(one(count=1.5)), "row 8, column 'count': '1.5'", "jsonl"),
    Case("a key that no line has", jsonl([{k: r[k] for k in OTHER} for r in GOOD]), "columns: 'size'", "jsonl"),
    Case(
        "JSON lines in latin-1", jsonl(one(id="e")).replace('"e"', '"é"').encode("latin-1"), "line 8: the byte", "jsonl"
    ),
    Case("no JSON lines", "", "an empty file", "jsonl"),
]
PARQUET = [
    Case("cut Parquet", parquet(frame())[:-100], "a whole, undamaged Parquet file", "parquet"),
    Case("CSV named Parquet", csv(GOOD), "a whole, undamaged Parquet file", "parquet"),
    Case("no Parquet bytes", b"", "a whole, undamaged Parquet file", "parquet"),
    Case("Parquet without a column", parquet(frame().drop(columns="size")), "columns: 'size'", "parquet"),
    Case("Parquet without rows", parquet(frame().iloc[:0]), "no rows", "parquet"),
    Case("integers as moments", parquet(frame().assign(at=1370217600)), "column 'at': values of type int64", "parquet"),
    Case("lists as numbers", parquet(frame().assign(size=[[1.0]] * 20)), "values of type list", "parquet"),
    Case("a truth of 2", parquet(frame().assign(ok=2)), "row 1, column 'ok': '2'", "parquet"),
    Case(
        "a Parquet column twice",
        parquet(pa.table([pa.array(["a"]), pa.array(["b"])], names=["id", "id"])),
        "more than one column is named 'id'",
        "parquet",
    ),
]
WRONG_CONTENT = [
    Case(
        "another week", csv([row(n, at="2013-06-12T00:00:00Z") for n in range(20)]), "(set aside: outside_partition 20)"
    ),
    Case("no identifier anywhere", csv([row(n, id=None) for n in range(20)]), "(set aside: null_key 20)"),
    Case("many rows of another week", csv([*GOOD, *[row(n, at="2013-06-10") for n in range(20, 30)]]), "10 of 30 rows"),
    Case("every row twice", csv(GOOD + GOOD), "20 of 40 rows (50.0%) are bad: duplicate_key 20"),
    Case("one bad row too many", csv([row(n, count=100 if n < 5 else 1) for n in range(20)]), "at most 20.0%"),
    Case("too few rows for the suite", csv(GOOD[:1]), "observed 1; expected min_value=2, max_value=1000"),
    Case(
        "a mean out of range", csv([row(n, size=1e6) for n in range(20)]), "expect_column_mean_to_be_between(size): obs"
    ),
    Case(
        "a column of nulls",
        csv([row(n, size=None) for n in range(20)]),
        "20 of 20 rows",
        pipeline={"expectations": NOT_NULL},
    ),
    Case(
        "a batch expectation that crashes",
        csv(GOOD),
        "expect_column_mean_to_be_between(nope) could not be evaluated",
        pipeline={
            "expectations": CRASHES.format(batch="gxe.ExpectColumnMeanToBeBetween(column='nope', min_value=0)", rows="")
        },
    ),
    Case(
        "a row expectation that crashes",
        csv(GOOD),
        "expect_column_values_to_be_between(id) could not be evaluated",
        pipeline={
            "expectations": CRASHES.format(batch="", rows="gxe.ExpectColumnValuesToBeBetween(column='id', min_value=1)")
        },
    ),
]
REFUSED = [*FILES_THAT_ARE_NOT_CSV, *ROWS_THAT_DO_NOT_FIT, *SCHEMA_CHANGES, *JSON_LINES, *PARQUET, *WRONG_CONTENT]

SET_ASIDE = [
    Case("a row of another week", csv(one(at="2013-06-10T00:00:00Z")), "outside_partition"),
    Case("a row before the week", csv(one(at="2013-06-02T23:59:59.999Z")), "outside_partition"),
    Case("a row without an identifier", csv(one(id=None)), "null_key"),
    Case("a row without a moment", csv(one(at=None)), "null_key"),
    Case("a row twice", csv([*GOOD, row(3)]), "duplicate_key"),
    Case("an infinite size", csv(one(size="inf")), "not_finite"),
    Case("a count out of range", csv(one(count=100)), "expect_column_values_to_be_between(count)"),
    Case("an infinite size in Parquet", parquet(frame(one(size=float("-inf")))), "not_finite", "parquet"),
    Case("a count out of range in JSON", jsonl(one(count=-1)), "expect_column_values_to_be_between(count)", "jsonl"),
]

ACCEPTED = [
    Case("a byte order mark", b"\xef\xbb\xbf" + csv(GOOD).encode(), ""),
    Case("Windows line ends", csv(GOOD).replace("\n", "\r\n"), ""),
    Case("no line end at the end", csv(GOOD).rstrip("\n"), ""),
    Case("blank lines at the end", csv(GOOD) + "\n\n", ""),
    Case("gzip whatever its name", gz(csv(GOOD)), ""),
    Case("columns in another order", csv(GOOD, tuple(reversed(COLUMNS))), ""),
    Case("a column nobody declared", csv([r | {"x": "?"} for r in GOOD], (*COLUMNS, "x")), ""),
    Case("quotes around every value", csv([{k: f'"{v}"' for k, v in r.items()} for r in GOOD]), ""),
    Case("moments without a zone", csv([r | {"at": str(r["at"])[:-1]} for r in GOOD]), ""),
    Case("moments with an offset", csv([r | {"at": str(r["at"]).replace("Z", "+0000")} for r in GOOD]), ""),
    Case("rows in another order", csv(GOOD[::-1]), ""),
    Case("JSON lines", jsonl(GOOD), "", "jsonl"),
    Case("JSON lines, gzip", gz(jsonl(GOOD)), "", "jsonl"),
    Case("Parquet", parquet(frame()), "", "parquet"),
    Case("Parquet with integers as floats", parquet(frame().astype({"count": float})), "", "parquet"),
    Case("Parquet with a dictionary", parquet(frame().astype({"id": "category"})), "", "parquet"),
]

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}",
    "'; DROP TABLE ledger; --",
    "../../etc/passwd",
    "=cmd|' /C calc'!A0",
    "\u202etxt.exe",
    "\x1b[2J",
    "a" * 3000,
]
