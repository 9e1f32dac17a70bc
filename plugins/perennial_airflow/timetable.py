"""A schedule that ends: for data that do not grow, such as a file that was exported once."""

from __future__ import annotations

from typing import Any

from airflow.timetables.base import DagRunInfo, TimeRestriction
from airflow.timetables.trigger import CronPartitionTimetable


class EndingPartitionTimetable(CronPartitionTimetable):
    """``CronPartitionTimetable`` without scheduled runs after the partition ``last_key``; a backfill has its own range.

    The DAG's ``end_date`` would not do: tasks of a run that a person starts later would never be run.
    """

    def __init__(self, cron: str, *, last_key: str = "", **kwargs: Any) -> None:
        super().__init__(cron, **kwargs)
        self._last_key = last_key

    def next_dagrun_info_v2(
        self, *, last_dagrun_info: DagRunInfo | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The next scheduled run, None after the last partition."""
        info = super().next_dagrun_info_v2(last_dagrun_info=last_dagrun_info, restriction=restriction)
        # Keys are dates, so that they sort as text.
        return info if info and (info.partition_key or "") <= self._last_key else None

    def serialize(self) -> dict[str, Any]:
        """What the scheduler makes the timetable of again."""
        return super().serialize() | {"last_key": self._last_key}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> EndingPartitionTimetable:
        """The timetable of ``serialize``."""
        made = super().deserialize(data)
        made._last_key = data["last_key"]
        return made
