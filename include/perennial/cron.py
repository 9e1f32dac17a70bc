"""Cron expressions that fire once per partition: the only schedules a pipeline may have.

A run's partition key is the beginning of the period in which the firing before it was, so an expression
that fires twice a week, skips weeks or fires on another day than Monday would name partitions that do not exist.
"""

import datetime as dt

from include.perennial.partitions import Period

_FIRST_DAY = {Period.DAY: ("*", "*"), Period.WEEK: ("*", "1"), Period.MONTH: ("1", "*")}
_WORDING = {
    Period.HOUR: "once an hour: minute (0-59), *, *, *, *, such as '5 * * * *'",
    Period.DAY: "once a day: minute (0-59), hour (0-23), *, *, *, such as '0 4 * * *'",
    Period.WEEK: "once a week, on the Monday that starts it: minute (0-59), hour (0-23), *, *, 1, such as '0 4 * * 1'",
    Period.MONTH: "once a month, on its first day: minute (0-59), hour (0-23), 1, *, *, such as '0 4 1 * *'",
}


def firing_offset(expression: str, period: Period) -> dt.timedelta:
    """How long after the start of a ``period`` the expression fires (UTC).

    Raises:
        ValueError: not five fields, a field out of range, or not one firing on the first day of each period.
    """
    try:
        minute, hour, day, month, weekday = expression.split()
        weekday = "1" if weekday.lower() == "mon" else weekday
        if period is Period.HOUR:
            if (hour, day, month, weekday) != ("*", "*", "*", "*"):
                raise ValueError(expression)
            return dt.timedelta(minutes=_number(minute, 59))
        if (day, weekday) != _FIRST_DAY[period] or month != "*":
            raise ValueError(expression)
        return dt.timedelta(hours=_number(hour, 23), minutes=_number(minute, 59))
    except ValueError:
        raise ValueError(f"a cron expression that fires {_WORDING[period]}") from None


def _number(field: str, highest: int) -> int:
    if not (field.isascii() and field.isdecimal() and int(field) <= highest):
        raise ValueError(field)
    return int(field)
