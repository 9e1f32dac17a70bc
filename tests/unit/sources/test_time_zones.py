"""``data.timezone``: a moment without a zone is read by the clock of the source, also where that clock is changed."""

import datetime as dt
import sqlite3
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.perennial.errors import SpecError
from include.perennial.partitions import UTC, Partition, Period, clock_at
from include.perennial.sources import SettingsConnections, deliver, read
from include.perennial.spec import ColumnType
from include.perennial.tables import from_rows
from tests.deliveries import COLUMNS, WEEK, csv, files, make_pipeline, row, settings

ZONES = ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"]
CHANGES = {
    "a winter's day": ("2013-01-07 12:00", "2013-01-07T17:00Z"),
    "a summer's day": ("2013-07-01 12:00", "2013-07-01T16:00Z"),
    "a day alone is its midnight": ("2013-07-01", "2013-07-01T04:00Z"),
    "the hour that comes twice is the second": ("2013-11-03 01:30", "2013-11-03T06:30Z"),
    "before it": ("2013-11-03 00:59", "2013-11-03T04:59Z"),
    "the hour that is skipped is the moment before": ("2013-03-10 02:30", "2013-03-10T06:59:59.999999999Z"),
    "after it": ("2013-03-10 03:00", "2013-03-10T07:00Z"),
    "what says its zone keeps it": ("2013-07-01 12:00+02:00", "2013-07-01T10:00Z"),
}


def moments(texts: list[str], zone: str) -> list[pd.Timestamp]:
    table = from_rows(["at"], [(text,) for text in texts], {"at": ColumnType.TIMESTAMP}, "rows", zone=zone)
    return table["at"].to_pandas().tolist()


@pytest.mark.parametrize(("text", "utc"), CHANGES.values(), ids=CHANGES)
def test_a_text_without_a_zone_is_a_moment_of_the_clock_there(text: str, utc: str) -> None:
    assert moments([text], "America/New_York") == [pd.Timestamp(utc)]


def test_without_a_zone_in_the_spec_a_naive_moment_is_utc() -> None:
    assert moments(["2013-07-01 12:00"], "UTC") == [pd.Timestamp("2013-07-01T12:00Z")]


@given(
    st.sampled_from(ZONES),
    st.datetimes(dt.datetime(2013, 1, 1), dt.datetime(2015, 1, 1)),
    st.sampled_from([Period.HOUR, Period.DAY, Period.WEEK]),
)
def test_the_bounds_on_the_clock_hold_exactly_the_times_that_are_read_into_the_partition(
    zone: str, local: dt.datetime, period: Period
) -> None:
    [moment] = moments([local.isoformat()], zone)
    found = Partition.containing(moment.to_pydatetime(warn=False), period)

    for partition in (found.shift(-1), found, found.shift(1)):
        inside = clock_at(partition.start_utc, zone) <= local < clock_at(partition.end_utc, zone)
        assert inside == (partition == found), (moment, partition)


@pytest.mark.parametrize("day", ["2013-11-03", "2013-10-27", "2013-04-07"])
@pytest.mark.parametrize("zone", ZONES)
def test_the_same_holds_for_each_minute_of_a_night_in_which_the_clock_goes_back(zone: str, day: str) -> None:
    start = dt.datetime.fromisoformat(day) - dt.timedelta(hours=14)
    texts = [start + dt.timedelta(minutes=10 * n) for n in range(38 * 6)]
    for local, moment in zip(texts, moments([text.isoformat() for text in texts], zone), strict=True):
        partition = Partition.containing(moment.to_pydatetime(), Period.HOUR)
        assert clock_at(partition.start_utc, zone) <= local < clock_at(partition.end_utc, zone)


def test_files_and_frames_are_read_in_the_zone_of_the_spec(tmp_path: Path) -> None:
    for n, kind in enumerate(("csv", "parquet", "jsonl")):
        pipeline = make_pipeline(tmp_path / str(n), files("delivery/{key}", kind), timezone="America/New_York")
        folder = pipeline.folder / "delivery" / WEEK.key
        folder.mkdir(parents=True)
        if kind == "parquet":
            at = pa.array([dt.datetime(2013, 6, 3, 12)], pa.timestamp("us"))
            others = {name: pa.nulls(1) for name in COLUMNS if name != "at"}
            pq.write_table(pa.table({"at": at, **others}), folder / "a.parquet")
        elif kind == "csv":
            (folder / "a.csv").write_text(csv([row(0, at="2013-06-03 12:00")]))
        else:
            keys = ", ".join(f'"{name}": null' for name in COLUMNS if name != "at")
            (folder / "a.jsonl").write_text(f'{{"at": "2013-06-03T12:00:00", {keys}}}\n')
        (tmp_path / str(n) / "came").mkdir()
        deliver(pipeline, WEEK, tmp_path / str(n) / "came", SettingsConnections(settings(tmp_path)))

        frame = read(pipeline, WEEK, tmp_path / str(n) / "came")

        assert frame["at"].tolist() == [pd.Timestamp("2013-06-03T16:00Z")]


def test_a_frame_of_source_py_is_read_in_the_zone_of_the_spec(tmp_path: Path) -> None:
    code = """
import pandas as pd

def deliver(partition, folder):
    (folder / "a").write_text("a")

def assemble(partition, folder):
    return pd.DataFrame({"at": [pd.Timestamp("2013-06-03 12:00")], "id": ["a"], "ok": [True]})
"""
    columns = {"at": "timestamp", "id": "string", "ok": "boolean"}
    pipeline = make_pipeline(tmp_path, {"kind": "python"}, columns=columns, source_py=code, timezone="America/New_York")

    assert read(pipeline, WEEK, tmp_path)["at"].tolist() == [pd.Timestamp("2013-06-03T16:00Z")]


def test_sql_gets_the_bounds_of_the_clock_and_every_row_lands_in_one_day(tmp_path: Path) -> None:
    zone = "America/New_York"
    start = dt.datetime(2013, 11, 1)
    local = [start + dt.timedelta(minutes=15 * n) for n in range(5 * 24 * 4)]
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE rows (at, id, ok)")
        connection.executemany("INSERT INTO rows VALUES (?, ?, 1)", [(str(at), str(n)) for n, at in enumerate(local)])
    connection.close()
    columns = {"at": "timestamp", "id": "string", "ok": "boolean"}
    query = "SELECT * FROM rows WHERE at >= :start AND at < :end"
    pipeline = make_pipeline(
        tmp_path, {"kind": "sql", "connection": "shop", "query": query}, columns=columns, timezone=zone
    )
    connections = SettingsConnections(settings(tmp_path), (("shop", f"sqlite:///{tmp_path / 'shop.db'}"),))

    found: list[str] = []
    for n in range(7):
        day = Partition.of_key("2013-10-31", Period.DAY).shift(n)
        target = tmp_path / day.key
        target.mkdir()
        deliver(pipeline, day, target, connections)
        frame = read(pipeline, day, target)
        assert frame["at"].between(day.start_utc, day.end_utc, inclusive="left").all()
        found += frame["id"].tolist()

    assert sorted(found, key=int) == [str(n) for n in range(len(local))]
    twice = dt.datetime(2013, 11, 3, 1, 30, tzinfo=ZoneInfo(zone), fold=1)
    assert moments(["2013-11-03 01:30"], zone) == [pd.Timestamp(twice.astimezone(UTC))]


def test_hours_of_sql_are_bound_by_the_minute(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE rows (at, id, ok)")
        rows = [(f"2013-06-03 {n:02}:30:00", str(n), 1) for n in range(24)]
        connection.executemany("INSERT INTO rows VALUES (?, ?, ?)", rows)
    connection.close()
    columns = {"at": "timestamp", "id": "string", "ok": "boolean"}
    query = "SELECT * FROM rows WHERE datetime(at) >= :start AND datetime(at) < :end"
    pipeline = make_pipeline(tmp_path, {"kind": "sql", "connection": "shop", "query": query}, columns=columns)
    connections = SettingsConnections(settings(tmp_path), (("shop", f"sqlite:///{tmp_path / 'shop.db'}"),))

    for n in (0, 5, 23):
        hour = Partition.of_key(f"2013-06-03T{n:02}", Period.HOUR)
        target = tmp_path / hour.key
        target.mkdir()
        deliver(pipeline, hour, target, connections)
        assert read(pipeline, hour, target)["id"].tolist() == [str(n)]


def test_an_unknown_zone_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"data.timezone is 'Europe/Berln' .did you mean 'Europe/Berlin'"):
        make_pipeline(tmp_path, timezone="Europe/Berln")
