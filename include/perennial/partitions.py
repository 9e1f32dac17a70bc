"""Partitions: half-open UTC intervals of one period, named by how they begin.

A run, whatever started it, carries one partition key; ``Partition.of_key`` gives
everyone the same interval for it.
"""

import datetime as dt
import enum
import zoneinfo
from dataclasses import dataclass

from include.perennial.errors import BadInput
from include.perennial.messages import shown

# Three centuries: enough for any data, and no sum of periods leaves the calendar.
YEARS = range(1900, 2200)
YEARS_TOLD = f"from {YEARS[0]} to {YEARS[-1]}"
UTC = dt.timezone.utc
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
_HOUR, _DAY, _WEEK = dt.timedelta(hours=1), dt.timedelta(days=1), dt.timedelta(days=7)


class Period(enum.StrEnum):
    """Length of a partition."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @property
    def longest(self) -> dt.timedelta:
        """Length of the longest partition: months differ."""
        return {Period.HOUR: _HOUR, Period.DAY: _DAY, Period.WEEK: _WEEK, Period.MONTH: 31 * _DAY}[self]

    @property
    def key_format(self) -> str:
        """Form of a partition key, for ``strftime``: text that sorts as time does, and is safe in a file's name."""
        return "%Y-%m-%dT%H" if self is Period.HOUR else "%Y-%m-%d"

    @property
    def key_form(self) -> str:
        """Form of a partition key, for people."""
        return "an hour as YYYY-MM-DDTHH" if self is Period.HOUR else "a day as YYYY-MM-DD"

    @property
    def key_pattern(self) -> str:
        """Form of a partition key, as a regular expression that knows no calendar."""
        return r"^\d{4}-\d{2}-\d{2}T\d{2}$" if self is Period.HOUR else r"^\d{4}-\d{2}-\d{2}$"


@dataclass(frozen=True, order=True)
class Partition:
    """The interval ``[start_utc, end_utc)``; ``key`` is its first day, ``YYYY-MM-DD``, or its hour, ``YYYY-MM-DDTHH``.

    Weeks start on Monday, months on their first day.
    """

    start_utc: dt.datetime
    period: Period

    @property
    def key(self) -> str:
        return self.start_utc.strftime(self.period.key_format)

    @property
    def end_utc(self) -> dt.datetime:
        return self.shift(1).start_utc

    @property
    def length(self) -> dt.timedelta:
        return self.end_utc - self.start_utc

    @property
    def ordinal(self) -> int:
        """Number of the partition in time: the next one has the next number."""
        if self.period is Period.MONTH:
            return (self.start_utc.year - _EPOCH.year) * 12 + self.start_utc.month - 1
        return (self.start_utc - _EPOCH) // self.period.longest

    @classmethod
    def of_key(cls, key: str, period: Period) -> "Partition":
        """The partition named ``key``.

        Raises:
            BadInput: not of the form of a key, not in the calendar, or not how a period begins.
        """
        try:
            start = dt.datetime.strptime(key, period.key_format).replace(tzinfo=UTC)
            # strptime forgives digits that are missing or of another script.
            if start.strftime(period.key_format) != key or start.year not in YEARS:
                raise ValueError(key)
        except (TypeError, ValueError):
            raise BadInput(
                f"Partition key {shown(key)} is invalid: expected {period.key_form}, {YEARS_TOLD}."
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
        hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        if period is Period.HOUR:
            return cls(hour, period)
        day = hour.replace(hour=0)
        if period is Period.WEEK:
            day -= day.weekday() * _DAY
        elif period is Period.MONTH:
            day = day.replace(day=1)
        return cls(day, period)

    def shift(self, n: int) -> "Partition":
        """The partition ``n`` periods later (earlier if negative)."""
        if self.period is Period.MONTH:
            years, month = divmod(self.start_utc.month - 1 + n, 12)
            start = self.start_utc.replace(year=self.start_utc.year + years, month=month + 1)
        else:
            start = self.start_utc + n * self.period.longest
        return Partition(start, self.period)


def clock_at(moment: dt.datetime, zone: str) -> dt.datetime:
    """The earliest time of the clock in ``zone``, without a zone, that is not before ``moment`` when it is read again.

    An hour that the clock shows twice is read as its second: the times of the first pass then begin the second one.
    """
    local = moment.astimezone(zoneinfo.ZoneInfo(zone))
    minute = dt.timedelta(minutes=1)
    while local.fold == 0 and _comes_twice(local) and _comes_twice(local - minute):
        local -= minute
    return local.replace(tzinfo=None, fold=0)


def _comes_twice(local: dt.datetime) -> bool:
    early, late = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    return early is not None and late is not None and early > late


def span(first: Partition, last: Partition) -> list[Partition]:
    """All partitions from ``first`` to ``last``, both included, oldest first."""
    out, current = [], first
    while current <= last:
        out.append(current)
        current = current.shift(1)
    return out
