"""Only schedules that fire once per partition, on its first day."""

import datetime as dt

import pytest

from include.perennial.cron import firing_offset
from include.perennial.partitions import Period


@pytest.mark.parametrize(
    ("expression", "period", "hours"),
    [
        ("0 4 * * 1", Period.WEEK, 4.0),
        ("30 23 * * MON", Period.WEEK, 23.5),
        ("  0   0 * *  1 ", Period.WEEK, 0.0),
        ("15 6 * * *", Period.DAY, 6.25),
        ("45 * * * *", Period.HOUR, 0.75),
        ("30 4 1 * *", Period.MONTH, 4.5),
    ],
)
def test_an_expression_fires_so_many_hours_after_the_period_began(
    expression: str, period: Period, hours: float
) -> None:
    assert firing_offset(expression, period) == dt.timedelta(hours=hours)


@pytest.mark.parametrize("period", Period)
@pytest.mark.parametrize(
    "expression",
    [
        "",
        "never",
        "@weekly",
        "0 4 * *",
        "0 0 4 * * 1",
        "*/5 4 * * 1",
        "0,30 4 * * 1",
        "60 4 * * 1",
        "0 24 * * 1",
        "-1 4 * * 1",
        "0 ٤ * * 1",
        "0 4 2 * *",
        "0 4 1 6 *",
        "0 4 1 * 1",
        "0 4 * 6 *",
        "0 4 * * 2",
        "0 4 * * 1-5",
        "0 4 * * 1#1",
    ],
)
def test_anything_else_is_refused_with_an_example(expression: str, period: Period) -> None:
    with pytest.raises(ValueError, match=rf"fires once an? {period}.*such as '\d "):
        firing_offset(expression, period)
