"""Partitions: half-open UTC intervals of one period, named by the first day.

A run, whatever started it, carries one partition key; ``Partition.of_key`` gives
everyone the same interval for it.
"""

import datetime as dt
import enum
import re
from dataclasses import dataclass

from include.perennial.errors import BadInput
from include.perennial.messages import shown

# Two centuries and a bit: enough for any data, and no sum of periods leaves the calendar.
_KEY = re.compile(r"(19[789]|2[01]\d)\d-\d{2}-\d{2}", re.ASCII)
UTC = dt.timezone.utc


class Period(enum.StrEnum):
    """Length of a partition."""

    DAY = "day"
    WEEK = "week"

    @property
    def length(self) -> dt.timedelta:
        return dt.timedelta(days=1 if self is Period.DAY else 7)


@dataclass(frozen=True, order=True)
class Partition:
    """The interval ``[start_utc, end_utc)``; ``key`` is its first day, ``YYYY-MM-DD``. Weeks start on Monday."""

    start_utc: dt.datetime
    period: Period

    @property
    def key(self) -> str:
        return self.start_utc.strftime("%Y-%m-%d")

    @property
    def end_utc(self) -> dt.datetime:
        return self.start_utc + self.period.length

    @classmethod
    def of_key(cls, key: str, period: Period) -> "Partition":
        """The partition named ``key``.

        Raises:
            BadInput: not a calendar day, or not the first day of a period.
        """
        try:
            if not isinstance(key, str) or not _KEY.fullmatch(key):
                raise ValueError(key)
            start = dt.datetime.strptime(key, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            raise BadInput(
                f"Partition key {shown(key)} is invalid: expected a day as YYYY-MM-DD, from 1970 to 2199."
            ) from None
        partition = cls.containing(start, period)
        if partition.start_utc != start:
            raise BadInput(
                f"Partition key {key!r} is not the first day of a {period}: "
                f"the {period} of that day starts on {partition.key}."
            )
        return partition

    @classmethod
    def containing(cls, moment: dt.datetime, period: Period) -> "Partition":
        """The partition that holds ``moment`` (timezone-aware)."""
        if moment.tzinfo is None:
            raise BadInput(f"Moment {moment.isoformat()} has no time zone: partitions are UTC intervals.")
        day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if period is Period.WEEK:
            day -= dt.timedelta(days=day.weekday())
        return cls(day, period)

    def shift(self, n: int) -> "Partition":
        """The partition ``n`` periods later (earlier if negative)."""
        return Partition(self.start_utc + n * self.period.length, self.period)


def span(first: Partition, last: Partition) -> list[Partition]:
    """All partitions from ``first`` to ``last``, both included, oldest first."""
    out, current = [], first
    while current <= last:
        out.append(current)
        current = current.shift(1)
    return out
