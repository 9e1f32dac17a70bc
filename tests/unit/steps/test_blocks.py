"""A partition that is worked through in blocks gives what the same rows give at once: files, reasons and verdicts."""

import dataclasses
import datetime as dt
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from include.perennial.contracts import Validated
from include.perennial.errors import DataError
from tests.deliveries import WEEK, csv, files, ingest, make_pipeline, put, row
from tests.deliveries import settings as settings_of
from tests.large_partitions import held_at_once

EXPECTATIONS = """
import great_expectations.expectations as gxe
from great_expectations.expectations.row_conditions import Column

BATCH = [
    gxe.ExpectTableRowCountToBeBetween(min_value=2, max_value=45),
    gxe.ExpectTableColumnsToMatchOrderedList(column_list=["at", "id", "count", "size", "ok", "day"]),
    gxe.ExpectColumnMeanToBeBetween(column="count", min_value=1, max_value=60),
    gxe.ExpectColumnSumToBeBetween(column="size", min_value=0, max_value=100000, severity="warning"),
    gxe.ExpectColumnMaxToBeBetween(column="count", min_value=0, max_value=97, severity="warning"),
    gxe.ExpectColumnMinToBeBetween(column="count", min_value=0, max_value=3, severity="warning"),
    gxe.ExpectColumnUniqueValueCountToBeBetween(column="id", min_value=1, max_value=30, severity="warning"),
    gxe.ExpectColumnDistinctValuesToBeInSet(column="ok", value_set=[True, False]),
    gxe.ExpectColumnValuesToNotBeNull(column="size", mostly=0.8),
    gxe.ExpectColumnProportionOfUniqueValuesToBeBetween(column="count", min_value=0.2, severity="warning"),
    gxe.ExpectColumnValuesToBeUnique(column="size", severity="warning"),
    gxe.ExpectColumnMedianToBeBetween(column="size", min_value=-1000, max_value=1000),
]
ROWS = [
    gxe.ExpectColumnValuesToBeBetween(column="count", min_value=0, max_value=99),
    gxe.ExpectColumnValuesToBeBetween(column="size", min_value=0, max_value=5, mostly=0.6),
    gxe.ExpectColumnValuesToBeUnique(column="day"),
    gxe.ExpectColumnValuesToMatchRegex(column="id", regex="^r"),
    gxe.ExpectColumnValuesToBeInSet(column="ok", value_set=[True], row_condition=Column("count") > 90),
]
"""


@dataclasses.dataclass(frozen=True)
class Result:
    """What an ingest left behind: what it said, and every object; reports without the words of what was sampled."""

    said: Validated | str
    objects: dict[str, Any]


def result_of(root: Path, deliveries: list[str], source: dict[str, object] | None = None, **spec: Any) -> Result:
    pipeline = make_pipeline(root, source or files("delivery/{key}"), expectations=EXPECTATIONS, **spec)
    for n, text in enumerate(deliveries):
        put(pipeline, f"{WEEK.key}/{n}.csv", text)
    said: Validated | str
    try:
        said, _ = ingest(pipeline, root)
    except DataError as error:
        said = str(error).replace(str(root), "")
    home = settings_of(root).home
    return Result(said, objects_below(home))


def objects_below(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(home.rglob("*")):
        if path.is_file() and path.suffix == ".parquet":
            found[path.relative_to(home).as_posix()] = path.read_bytes()
        if path.is_file() and path.suffix == ".json" and "docs" in path.parts:
            report = json.loads(path.read_text())
            for finding in report["findings"]:
                if "median" in finding["label"]:
                    finding["observed"] = "what the sample shows"
            found[path.relative_to(home).as_posix()] = report
    return found


def of_both_ways(deliveries: list[str], block: int = 3, **spec: Any) -> tuple[Result, Result]:
    with tempfile.TemporaryDirectory() as at_once, tempfile.TemporaryDirectory() as in_blocks:
        whole = result_of(Path(at_once), deliveries, **spec)
        with held_at_once(3, block):
            return whole, result_of(Path(in_blocks), deliveries, **spec)


MOMENTS = ["2013-06-03T01:00:00Z", "2013-06-04T00:00:00.000000001Z", "2013-06-04", None, "2013-06-12", "2013-05-30"]
ROWS = st.fixed_dictionaries(
    {
        "at": st.sampled_from([*MOMENTS[:3] * 6, *MOMENTS]),
        "id": st.sampled_from(["r1", "r2", "R2", "é", None, "x", *(f"r{n}" for n in range(3, 40))]),
        "count": st.sampled_from([1, 2, 3, 5, 98, 99, -1, None]),
        "size": st.sampled_from([0.0, -0.0, 1.5, 2.25, 7.0, None, "inf"]),
        "ok": st.sampled_from(["true", "false", None]),
        "day": st.dates(dt.date(1700, 1, 1), dt.date(2200, 1, 1)).map(str),
    }
)


# Each example is two ingests: few of them, and none spent on making a failing one smaller.
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    deliveries=st.lists(st.lists(ROWS, min_size=3, max_size=16), min_size=1, max_size=3),
    block=st.integers(5, 12),
    quota=st.sampled_from([0.3, 1.0]),
    key=st.sampled_from([("id",), ("id", "at"), ("size", "count")]),
)
def test_blocks_give_what_all_rows_at_once_give(
    deliveries: list[list[dict[str, object]]], block: int, quota: float, key: tuple[str, ...]
) -> None:
    whole, in_blocks = of_both_ways([csv(rows) for rows in deliveries], block, quota=quota, key=key)
    assert in_blocks.said == whole.said
    assert in_blocks.objects == whole.objects


def test_ordinary_rows_are_accepted_both_ways() -> None:
    many = [row(n, at=f"2013-06-0{3 + n % 5}T0{n % 7}:00:00Z", day=f"2001-01-{1 + n % 28:02d}") for n in range(26)]
    whole, in_blocks = of_both_ways([csv(many[::-1])], block=10)
    assert isinstance(whole.said, Validated)
    assert whole.said.rows == 26
    assert in_blocks == whole


def test_a_delivery_that_comes_twice_is_taken_once() -> None:
    text = csv([row(n, day=f"2001-01-{1 + n:02d}") for n in range(12)])
    whole, in_blocks = of_both_ways([text, text], block=8, quota=0.6)
    assert isinstance(whole.said, Validated)
    assert whole.said.quarantine_reasons == {"duplicate_key": 12}
    assert in_blocks == whole


def test_rows_that_came_with_another_delivery_are_taken_in(tmp_path: Path) -> None:
    found = []
    for name, rows in (("at_once", 1_000_000), ("in_blocks", 3)):
        pipeline = make_pipeline(tmp_path / name)
        following = WEEK.shift(1)
        late = [row(n, id=f"late{n % 3}", at="2013-06-04") for n in range(4)] + [row(3)]
        put(pipeline, f"{WEEK.key}.csv", csv([row(n) for n in range(20)]))
        put(pipeline, f"{following.key}.csv", csv([row(n, at="2013-06-11") for n in range(40, 80)] + late))
        with held_at_once(rows, block=16):
            ingest(pipeline, tmp_path / name, following)
            said, _ = ingest(pipeline, tmp_path / name)
        found.append((said, objects_below(settings_of(tmp_path / name).home)))
    assert found[0][0].rows == 23
    assert found[0] == found[1]


def test_a_number_that_is_not_exact_beside_a_missing_one_is_refused_in_the_same_words() -> None:
    files_of_one = [csv([row(n) for n in range(8)] + [row(8, count=2**53 + 1)]), csv([row(9), row(10, count=None)])]
    whole, in_blocks = of_both_ways(files_of_one, block=4)
    assert "row 9, column 'count'" in str(whole.said)
    assert in_blocks.said == whole.said
