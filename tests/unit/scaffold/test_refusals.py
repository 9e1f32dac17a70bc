"""What no pipeline can be made of is refused with what, where and how to fix it, and nothing is left behind."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from include.perennial.errors import PerennialError
from tests.unit.scaffold.tables import made, table, write

Change = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class Case:
    says: tuple[str, ...]
    change: Change = lambda frame: frame
    asked: dict[str, Any] = field(default_factory=dict)


def at_row(n: int, column: str, value: object) -> Change:
    """Another value in row ``n`` of the frame, which is row ``n + 2`` of the file."""

    def changed(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype({column: object})
        frame.loc[n, column] = value
        return frame

    return changed


CASES = {
    "wrong target": Case(("'churnd'", "did you mean 'churned'?"), lambda f: f.assign(churned=0), {"target": "churnd"}),
    "wrong time": Case(("TIME names column 'when'",), asked={"time": "when"}),
    "wrong key": Case(("KEY names column 'ids'", "did you mean 'id'?"), asked={"key": ("ids",)}),
    "constant target": Case(("the same value in every row, '1'",), lambda f: f.assign(y=1)),
    "empty target": Case(("no value in any row",), lambda f: f.assign(y=None)),
    "three outcomes": Case(("3 different values", "0 and 1"), lambda f: f.assign(y=f["z"] % 3)),
    "free text as target": Case(
        ("more than 200 different values",), lambda f: f.assign(y=[f"text {n}" for n in range(len(f))])
    ),
    "a leak of an amount": Case(
        ("'paid' (rank correlation 1.000)",), lambda f: f.assign(y=f["x"] + f["z"], paid=3 * (f["x"] + f["z"]))
    ),
    "words as labels": Case(("such as 1 for 'yes'",), lambda f: f.assign(y=f["y"].map({0: "no", 1: "yes"}))),
    "labels with a point": Case(("decimal point",), lambda f: f.assign(y=f["y"].astype(float))),
    "labels mostly missing": Case(
        ("have no label", "label_delay_periods"), lambda f: f.assign(y=f["y"].astype("Int64").mask(f["z"] > 1))
    ),
    "time that does not parse": Case(("row 502", "'31/01/2024'", "ISO 8601"), at_row(500, "at", "31/01/2024")),
    "repeated keys": Case(("rows 2 and 12 are the first",), lambda f: f.assign(id=f["id"] % 10)),
    "keys unique with the time": Case(
        ("KEY=z,at would be unique",), lambda f: f.assign(at=_minutes(f)), {"key": ("z",)}
    ),
    "one row": Case(("1 row.",), lambda f: f.head(1)),
    "no rows": Case(("0 rows",), lambda f: f.head(0)),
    "a short time": Case(("are of 1 day", "shorter period"), lambda f: f.assign(at=_minutes(f))),
    "unknown period": Case(("expected day or week",), asked={"period": "weak"}),
    "a leak": Case(("'paid' (ROC AUC 1.000)", "LEAVE_OUT="), lambda f: f.assign(paid=f["y"] * 3 + f["z"] / 9)),
    "a leak by being missing": Case(("'ended'",), lambda f: f.assign(ended=f["x"].where(f["y"] == 1))),
    "nothing to learn from": Case(("no column that a model could use",), asked={"leave_out": ("x", "z")}),
    "target in the key": Case(("in the key",), asked={"key": ("id", "y")}),
    "name of the prediction log": Case(("prediction log",), lambda f: f.rename(columns={"id": "p"}), {"key": ("p",)}),
    "unprintable column": Case(("control characters",), lambda f: f.rename(columns={"y": "y\a"}), {"target": "y\a"}),
    "a name for a path": Case(("Name '../x' is invalid",), asked={"name": "../x"}),
    "a name in capitals": Case(("Such as 'my_churn'",), asked={"name": "My-Churn"}),
}


def _minutes(frame: pd.DataFrame) -> pd.Series:
    return pd.Series(pd.date_range("2024-01-01", periods=len(frame), freq="min")).dt.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("name", CASES)
def test_refused(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    file = write(case.change(table()), tmp_path)

    with pytest.raises(PerennialError) as caught:
        made(tmp_path, file, **case.asked)

    assert [part for part in case.says if part not in str(caught.value)] == [], caught.value
    assert len(str(caught.value)) <= 2000
    assert list((tmp_path / "dags").iterdir()) == []
    assert not list((tmp_path / "pipelines").glob("*"))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("rows.csv", b"", "an empty file"),
        ("rows.csv", b"a;b;c\n1;2;3\n", "a header of one column"),
        ("rows.csv", b"id,at,y,y\n1,2024-01-01,0,1\n", "more than one column is named 'y'"),
        ("rows.csv", b"id,at,y\n1,2024-01-01,0\n2,2024-01-02,0,5\n", "row 3"),
        ("rows.csv", b"id,at,y\n1,2024-01-01,\xff\n", "not UTF-8"),
        ("rows.csv", b"<html><body>Login</body></html>", "HTML"),
        ("rows.parquet", b"PAR1 and then nothing", "undamaged"),
        ("rows.xlsx", b"PK\x03\x04", "another ending"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(PerennialError, match=says):
        made(tmp_path, tmp_path / name)


def test_a_file_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PerennialError, match="no such file"):
        made(tmp_path, tmp_path / "none.csv")
