"""From a snapshot to one partition file, its quarantine and its report."""

import io
import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from include.perennial.contracts import Snapshot, Validated
from include.perennial.errors import DataError, IntegrityError, SpecError
from include.perennial.steps.validate import validate
from include.perennial.stores.objects import ObjectStore
from tests.deliveries import COLUMNS, WEEK, csv, files, ingest, make_pipeline, put, row, settings, snapshot_of

GOOD = [row(n) for n in range(20)]
TWENTY = """
import great_expectations.expectations as gxe
BATCH = [gxe.ExpectTableRowCountToBeBetween(min_value=1)] + [
    gxe.ExpectColumnMeanToBeBetween(column=column, min_value=0) for column in ("count", "size")
] + [gxe.ExpectColumnProportionOfUniqueValuesToBeBetween(column=c, min_value=0.0001) for c in ("id", "count", "day")]
ROWS = [gxe.ExpectColumnValuesToNotBeNull(column=column) for column in ("at", "id", "count", "size", "ok", "day")] + [
    gxe.ExpectColumnValuesToBeBetween(column="count", min_value=low, max_value=48) for low in range(-4, 0)
] + [gxe.ExpectColumnValuesToMatchRegex(column="id", regex=f"^r.{{{n},}}$") for n in range(1, 4)] + [
    gxe.ExpectColumnValuesToBeInSet(column="ok", value_set=[True, False])
]
"""


def rows_of(validated: Validated, store: ObjectStore) -> pd.DataFrame:
    return pq.read_table(io.BytesIO(store.get_bytes(validated.object_key, validated.sha256))).to_pandas()


def quarantine_of(validated: Validated, store: ObjectStore) -> pd.DataFrame:
    return pq.read_table(io.BytesIO(store.get_bytes(validated.quarantine_key or ""))).to_pandas()


def test_valid_rows_become_one_sorted_partition_file(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path)
    put(pipeline, "2013-06-03.csv", csv(GOOD[::-1]))

    validated, store = ingest(pipeline, tmp_path)

    rows = rows_of(validated, store)
    assert validated.object_key == f"partitions/small/2013-06-03/{validated.sha256}.parquet"
    assert rows["id"].tolist() == [f"r{n:03d}" for n in range(20)]
    assert list(rows.columns) == list(COLUMNS)
    assert validated.columns == COLUMNS
    assert (validated.rows, validated.rows_quarantined, validated.quarantine_key) == (20, 0, None)
    assert validated.quarantine_reasons == {}
    assert Validated.model_validate(json.loads(validated.model_dump_json())) == validated


def test_the_same_rows_in_any_order_are_the_same_bytes(tmp_path: Path) -> None:
    digests = set()
    for n, rows in enumerate((GOOD, GOOD[::-1], GOOD[7:] + GOOD[:7])):
        pipeline = make_pipeline(tmp_path / str(n))
        put(pipeline, "2013-06-03.csv", csv(rows))
        digests.add(ingest(pipeline, tmp_path / str(n))[0].sha256)
    assert len(digests) == 1


def test_a_repeated_validation_changes_nothing(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path)
    put(pipeline, "2013-06-03.csv", csv([*GOOD, row(3)]))
    snapshot, store = snapshot_of(pipeline, tmp_path)
    first = validate(pipeline, snapshot, store)
    objects = {key: store.get_bytes(key) for key in store.list("")}

    assert validate(pipeline, snapshot, store) == first
    assert {key: store.get_bytes(key) for key in store.list("")} == objects


def test_every_reason_against_a_row_is_told(tmp_path: Path) -> None:
    rows = [*GOOD, row(20, count=-1, at="2013-07-01"), row(3, count=100), row(21, count=100), row(22, id=None)]
    pipeline = make_pipeline(tmp_path)
    put(pipeline, "2013-06-03.csv", csv(rows))

    validated, store = ingest(pipeline, tmp_path)

    quarantine = quarantine_of(validated, store)
    # Expectations see only rows that are the partition's own.
    assert quarantine["_reason"].tolist() == [
        "outside_partition, it belongs to 2013-07-01",
        "duplicate_key",
        "expect_column_values_to_be_between(count)",
        "null_key",
    ]
    assert quarantine["id"].tolist() == ["r020", "r003", "r021", None]
    assert validated.rows_quarantined == 4
    assert sum(validated.quarantine_reasons.values()) == 4
    assert rows_of(validated, store)["count"].max() == 19


def test_of_two_rows_with_one_key_the_first_is_kept(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path)
    put(pipeline, "2013-06-03.csv", csv([row(3, count=1), *GOOD]))
    validated, store = ingest(pipeline, tmp_path)
    assert rows_of(validated, store).set_index("id")["count"]["r003"] == 1


@pytest.mark.parametrize(("bad", "accepted"), [(0, True), (4, True), (5, False), (20, False)])
def test_the_quota_is_the_largest_share_that_may_be_bad(tmp_path: Path, bad: int, accepted: bool) -> None:
    pipeline = make_pipeline(tmp_path, quota=0.2)
    put(pipeline, "2013-06-03.csv", csv([row(n, count=500 if n < bad else 1) for n in range(20)]))
    if accepted:
        assert ingest(pipeline, tmp_path)[0].rows_quarantined == bad
        return
    with pytest.raises(DataError, match=rf"{bad} of 20 rows .*expect_column_values_to_be_between\(count\) {bad}"):
        ingest(pipeline, tmp_path)
    store = ObjectStore.open(settings(tmp_path))
    (key,) = store.list("quarantine/")
    assert pq.read_table(io.BytesIO(store.get_bytes(key))).num_rows == bad
    assert store.list("partitions/") == []


def test_a_quota_of_all_still_needs_one_good_row(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path, quota=1.0)
    put(pipeline, "2013-06-03.csv", csv([row(n, count=500) for n in range(20)]))
    with pytest.raises(DataError, match=r"20 of 20 rows \(100\.0%\) are bad"):
        ingest(pipeline, tmp_path)


def test_a_file_of_all_time_gives_each_partition_its_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pipeline = make_pipeline(tmp_path, files("delivery/all.csv"))
    other = [row(n, at="2013-06-10T00:00:00Z") for n in range(30, 90)]
    put(pipeline, "all.csv", csv([*GOOD, *other, row(99, at=None)]))

    first, _ = ingest(pipeline, tmp_path)
    second, _ = ingest(pipeline, tmp_path, WEEK.shift(1))

    assert (first.rows, first.rows_quarantined) == (20, 0)
    assert (second.rows, second.rows_quarantined) == (60, 0)
    assert "1 rows have no at and belong to no partition" in caplog.text
    with pytest.raises(DataError, match=r"partition 2013-06-17 of small: no rows\. Expected"):
        ingest(pipeline, tmp_path, WEEK.shift(2))


def test_a_tampered_snapshot_is_not_read(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path)
    put(pipeline, "2013-06-03.csv", csv(GOOD))
    snapshot, store = snapshot_of(pipeline, tmp_path)
    store.put_bytes(f"{snapshot.prefix}/2013-06-03.csv", csv(GOOD).replace("r007", "r777").encode())
    with pytest.raises(IntegrityError, match="is not what was recorded"):
        validate(pipeline, snapshot, store)


def refused(tmp_path: Path, suite: str, rows: list[dict[str, object]] = GOOD) -> tuple[str, Snapshot]:
    pipeline = make_pipeline(tmp_path, expectations=suite)
    put(pipeline, "2013-06-03.csv", csv(rows))
    snapshot, store = snapshot_of(pipeline, tmp_path)
    with pytest.raises(DataError) as caught:
        validate(pipeline, snapshot, store)
    return str(caught.value), snapshot


def test_a_refusal_names_five_expectations_and_leads_to_the_report(tmp_path: Path) -> None:
    suite = "import great_expectations.expectations as gxe\nROWS = []\nBATCH = [" + ", ".join(
        f"gxe.ExpectColumnMaxToBeBetween(column='size', min_value={n})" for n in range(101, 109)
    )

    message, snapshot = refused(tmp_path, suite + "]")

    assert message.startswith("partition 2013-06-03 of small breaks 8 of its expectations:\n- expect_column_max_to_be")
    assert message.count("observed 4.75; expected min_value=10") == 5
    assert "and 3 more, see the report" in message
    assert message.endswith(f"docs/small/2013-06-03/{snapshot.digest[:16]}.html")
    page = json.loads((tmp_path / "home/store" / f"docs/small/2013-06-03/{snapshot.digest[:16]}.json").read_text())
    assert page["accepted"] is False
    assert len(page["findings"]) == 8


def test_a_failure_of_lesser_severity_is_reported_only(tmp_path: Path) -> None:
    suite = (
        "import great_expectations.expectations as gxe\nROWS = []\n"
        "BATCH = [gxe.ExpectColumnMaxToBeBetween(column='size', min_value=101, severity='warning')]"
    )
    pipeline = make_pipeline(tmp_path, expectations=suite)
    put(pipeline, "2013-06-03.csv", csv(GOOD))

    validated, store = ingest(pipeline, tmp_path)

    assert validated.rows == 20
    assert "failed, warning" in store.get_bytes(validated.docs_key or "").decode()


@pytest.mark.parametrize(
    ("suite", "told"),
    [
        ("BATCH = []", "no list ROWS"),
        ("BATCH = {}; ROWS = []", "no list BATCH"),
        ("BATCH = []; ROWS = ['id']", "ROWS[0] is 'str'. Expected: an object such as gxe."),
        (
            "import great_expectations.expectations as gxe\nBATCH = []\nROWS = [gxe.ExpectColumnToExist(column='id')]",
            "ROWS[0] is 'ExpectColumnToExist', which does not speak of single rows. Move it to BATCH.",
        ),
        ("import nothing_at_all", "nothing_at_all"),
    ],
)
def test_a_broken_suite_is_an_error_of_the_pipeline_folder(tmp_path: Path, suite: str, told: str) -> None:
    pipeline = make_pipeline(tmp_path, expectations=suite)
    put(pipeline, "2013-06-03.csv", csv(GOOD))
    with pytest.raises(SpecError) as caught:
        ingest(pipeline, tmp_path)
    assert str(caught.value).startswith(f"{pipeline.folder}/expectations.py:1: ")
    assert told in str(caught.value)


def test_another_suite_has_another_digest(tmp_path: Path) -> None:
    digests = []
    for n, suite in enumerate((TWENTY, TWENTY, TWENTY.replace("0.0001", "0.0002"), "BATCH, ROWS = [], []")):
        pipeline = make_pipeline(tmp_path / str(n), expectations=suite)
        put(pipeline, "2013-06-03.csv", csv(GOOD))
        digests.append(ingest(pipeline, tmp_path / str(n))[0].suite_digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_of_a_week_of_flights_the_bad_rows_are_set_aside(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path, expectations=TWENTY)
    put(pipeline, "2013-06-03.csv", csv([row(n, id=f"row{n}") for n in range(6700)]))
    snapshot, store = snapshot_of(pipeline, tmp_path)

    validated = validate(pipeline, snapshot, store)

    assert (validated.rows, validated.rows_quarantined) == (6566, 134)
