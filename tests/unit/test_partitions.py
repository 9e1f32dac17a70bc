"""Every moment lies in exactly one partition, and every time zone names the same one."""

import calendar
import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.perennial.errors import BadInput
from include.perennial.partitions import UTC, Partition, Period, span

ZONES = [ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata"), ZoneInfo("Pacific/Auckland")]
PERIODS = st.sampled_from(Period)
MOMENTS = st.datetimes(dt.datetime(1901, 1, 1), dt.datetime(2198, 12, 31)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)


@given(MOMENTS, PERIODS)
def test_every_moment_lies_in_its_partition_and_in_no_other(moment: dt.datetime, period: Period) -> None:
    partition = Partition.containing(moment, period)

    neighbours = [partition.shift(n) for n in (-2, -1, 0, 1, 2)]
    assert [p.start_utc <= moment < p.end_utc for p in neighbours] == [False, False, True, False, False]


@given(MOMENTS, PERIODS, st.integers(-2000, 2000))
def test_a_shift_is_undone_by_its_opposite_and_counts_partitions(moment: dt.datetime, period: Period, n: int) -> None:
    partition = Partition.containing(moment, period)

    assert partition.shift(n).shift(-n) == partition
    assert partition.shift(n).ordinal == partition.ordinal + n


@given(MOMENTS)
def test_a_month_is_the_days_of_the_calendar_and_a_day_has_24_hours(moment: dt.datetime) -> None:
    month, day = Partition.containing(moment, Period.MONTH), Partition.containing(moment, Period.DAY)

    assert month.length == dt.timedelta(days=calendar.monthrange(moment.year, moment.month)[1])
    assert month.key == f"{moment:%Y-%m}-01"
    hours = [Partition.of_key(f"{day.key}T{hour:02}", Period.HOUR) for hour in range(24)]
    assert hours == span(hours[0], hours[-1])
    assert (hours[0].start_utc, hours[-1].end_utc) == (day.start_utc, day.end_utc)


@given(MOMENTS, PERIODS)
def test_a_key_is_safe_in_the_name_of_a_file_and_of_the_form_that_is_asked_for(
    moment: dt.datetime, period: Period
) -> None:
    key = Partition.containing(moment, period).key

    assert re.fullmatch(r"[0-9T-]+", key)
    assert re.fullmatch(period.key_pattern, key)


@pytest.mark.parametrize(
    ("key", "months", "later", "days"),
    [
        ("2020-01-01", 1, "2020-02-01", 29),
        ("2021-01-01", 1, "2021-02-01", 28),
        ("2020-12-01", 1, "2021-01-01", 31),
        ("2021-01-01", -1, "2020-12-01", 31),
        ("2020-02-01", 13, "2021-03-01", 31),
        ("2020-02-01", -26, "2017-12-01", 31),
    ],
)
def test_months_of_unequal_length_and_ends_of_years(key: str, months: int, later: str, days: int) -> None:
    month = Partition.of_key(key, Period.MONTH).shift(months)

    assert month.key == later
    assert month.length == dt.timedelta(days=days)


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_each_hour_of_a_night_of_clock_changes_is_its_own_partition(zone: ZoneInfo) -> None:
    start = dt.datetime(2013, 1, 1, tzinfo=UTC)
    told = [(start + dt.timedelta(hours=n)).astimezone(zone) for n in range(366 * 24)]

    assert len({Partition.containing(moment, Period.HOUR).key for moment in told}) == len(told)


@given(MOMENTS, PERIODS)
def test_partitions_leave_no_gap_and_do_not_overlap(moment: dt.datetime, period: Period) -> None:
    partition = Partition.containing(moment, period)

    assert partition.end_utc == partition.shift(1).start_utc
    assert Partition.containing(partition.start_utc, period) == partition
    assert Partition.containing(partition.end_utc, period) == partition.shift(1)
    assert Partition.containing(partition.end_utc - dt.timedelta(microseconds=1), period) == partition


@given(MOMENTS, PERIODS)
def test_a_key_names_its_partition(moment: dt.datetime, period: Period) -> None:
    partition = Partition.containing(moment, period)

    assert Partition.of_key(partition.key, period) == partition


@given(MOMENTS, PERIODS)
def test_a_moment_told_in_any_time_zone_is_in_the_same_partition(moment: dt.datetime, period: Period) -> None:
    partitions = {Partition.containing(moment.astimezone(zone), period) for zone in ZONES}

    assert partitions == {Partition.containing(moment, period)}


@given(MOMENTS)
def test_a_week_is_seven_days_from_monday(moment: dt.datetime) -> None:
    week = Partition.containing(moment, Period.WEEK)

    assert week.start_utc.weekday() == 0
    days = [Partition.of_key(week.key, Period.DAY).shift(n) for n in range(7)]
    assert days[-1].end_utc == week.end_utc
    assert {Partition.containing(day.start_utc, Period.WEEK) for day in days} == {week}


@given(MOMENTS, MOMENTS, PERIODS)
def test_keys_sort_as_their_partitions_do(one: dt.datetime, two: dt.datetime, period: Period) -> None:
    first, second = Partition.containing(one, period), Partition.containing(two, period)

    assert (first < second) == (first.key < second.key)


@given(MOMENTS, PERIODS, st.integers(0, 60))
def test_a_span_holds_both_ends_and_every_partition_between(moment: dt.datetime, period: Period, n: int) -> None:
    first = Partition.containing(moment, period)

    assert span(first, first.shift(n)) == [first.shift(i) for i in range(n + 1)]


def test_a_span_that_ends_before_it_starts_is_empty() -> None:
    week = Partition.of_key("2013-06-03", Period.WEEK)

    assert span(week, week.shift(-1)) == []


@pytest.mark.parametrize("night", ["2013-03-10", "2013-11-03"], ids=["spring forward", "fall back"])
def test_a_week_with_a_clock_change_is_still_168_hours(night: str) -> None:
    noon_in_new_york = dt.datetime.fromisoformat(f"{night}T12:00").replace(tzinfo=ZONES[0])
    week = Partition.containing(noon_in_new_york, Period.WEEK)

    assert week.end_utc - week.start_utc == dt.timedelta(hours=168)
    assert week.shift(1).key == (week.start_utc + dt.timedelta(days=7)).date().isoformat()


def test_the_hour_that_comes_twice_is_two_moments_of_one_partition() -> None:
    twice = dt.datetime(2013, 11, 3, 1, 30, tzinfo=ZONES[0])
    first, second = twice.replace(fold=0), twice.replace(fold=1)

    assert second.astimezone(UTC) - first.astimezone(UTC) == dt.timedelta(hours=1)
    assert Partition.containing(first, Period.DAY) == Partition.containing(second, Period.DAY)


@pytest.mark.parametrize(
    ("local", "zone", "key"),
    [
        ("2013-06-02T21:00", "America/New_York", "2013-06-03"),
        ("2013-06-02T19:59", "America/New_York", "2013-05-27"),
        ("2013-06-03T11:59", "Pacific/Auckland", "2013-05-27"),
        ("2013-06-03T05:30", "Asia/Kolkata", "2013-06-03"),
    ],
)
def test_the_utc_week_decides_not_the_local_one(local: str, zone: str, key: str) -> None:
    moment = dt.datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone))

    assert Partition.containing(moment, Period.WEEK).key == key


@pytest.mark.parametrize(
    ("day", "key"),
    [
        ("2012-12-31", "2012-12-31"),
        ("2013-01-06", "2012-12-31"),
        ("2013-01-07", "2013-01-07"),
        ("2016-01-03", "2015-12-28"),
        ("2020-02-29", "2020-02-24"),
        ("2021-01-01", "2020-12-28"),
    ],
)
def test_the_week_of_a_day_across_years(day: str, key: str) -> None:
    moment = dt.datetime.fromisoformat(day).replace(tzinfo=UTC)

    assert Partition.containing(moment, Period.WEEK).key == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "2013",
        "2013-1-7",
        "2013-13-01",
        "2013-02-30",
        "07.01.2013",
        "2013-01-07T00:00",
        " 2013-01-07",
        "２０１３-01-07",
        "1899-12-25",
        "2013-01-07T0",
        "2013-01-07T24",
        "2013-01-07 05",
        "2200-01-06",
        "9999-12-27",
        20130107,
        None,
    ],
    ids=repr,
)
def test_what_is_no_day_is_no_key(key: str) -> None:
    with pytest.raises(BadInput, match=r"Partition key .* is invalid: expected a day as YYYY-MM-DD"):
        Partition.of_key(key, Period.DAY)


def test_a_day_within_a_week_is_no_key_of_a_week_and_the_right_one_is_told() -> None:
    with pytest.raises(BadInput, match="not the first day of a week: the week of that day starts on 2013-06-03"):
        Partition.of_key("2013-06-05", Period.WEEK)


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(BadInput, match="2013-06-03T00:00:00 has no time zone"):
        Partition.containing(dt.datetime(2013, 6, 3), Period.WEEK)
