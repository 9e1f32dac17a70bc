"""The key that Airflow gives a run is that of the period before it, across months, years and clock changes."""

import datetime as dt

import pendulum
import pytest
from airflow.timetables.trigger import CronPartitionTimetable

from include.perennial.partitions import Partition, Period

CRONS = {Period.HOUR: "5 * * * *", Period.DAY: "0 4 * * *", Period.WEEK: "0 4 * * 1", Period.MONTH: "0 4 1 * *"}


@pytest.mark.parametrize("period", Period)
@pytest.mark.parametrize("after", ["2012-12-30", "2013-02-27", "2016-02-28", "2013-03-31", "2013-11-02"])
def test_a_scheduled_run_carries_the_key_of_the_period_before(period: Period, after: str) -> None:
    timetable = CronPartitionTimetable(CRONS[period], timezone="UTC", run_offset=-1, key_format=period.key_format)
    run_at = pendulum.parse(after, tz="UTC")

    labels = CronPartitionTimetable(CRONS[period], timezone="UTC", run_offset=-3, key_format=period.key_format)

    for _ in range(30):
        run_at = timetable._get_next(run_at)
        _, key = timetable._get_partition_info(run_at)
        newest = Partition.containing(dt.datetime.fromisoformat(run_at.isoformat()), period).shift(-1)
        assert key == newest.key
        assert labels._get_partition_info(run_at)[1] == newest.shift(-2).key
        assert Partition.of_key(key, period).key == key
