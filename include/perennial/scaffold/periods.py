"""How long a partition is, how many train and how many judge."""

import datetime as dt
import statistics
from collections import Counter
from dataclasses import dataclass

from include.perennial.errors import BadInput, DataError
from include.perennial.messages import did_you_mean, shown
from include.perennial.partitions import Partition, Period
from include.perennial.scaffold.asked import Asked
from include.perennial.scaffold.profile import Profile

_SCHEDULES = {
    Period.HOUR: ("5 * * * *", "20 * * * *"),
    Period.DAY: ("0 4 * * *", "0 6 * * *"),
    Period.WEEK: ("0 4 * * 1", "0 6 * * 1"),
    Period.MONTH: ("0 4 1 * *", "0 6 1 * *"),
}
# Longest first that gives enough partitions: longer ones judge on more rows. A model that is a month old is for
# those to choose who know that the world behind it is slow, but for data whose weeks hold next to nothing.
_PREFERRED = (Period.WEEK, Period.DAY, Period.HOUR)
_MEASURABLE_ROWS = 20
ENOUGH_PARTITIONS = 8
FEWEST_PARTITIONS = 3
_MOST_TRAIN = 8
_HOLDOUT_ROWS, _HOLDOUT_LABELS = 200, 20


@dataclass(frozen=True)
class Calendar:
    """``counts`` are the rows of each partition, oldest first; ``train`` and ``holdout`` are the window's."""

    period: Period
    ingest: str
    train_at: str
    start: dt.date
    end: dt.date
    counts: dict[str, int]
    train: int
    holdout: int


def calendar(asked: Asked, found: Profile, rarest_share: float) -> Calendar:
    """The period asked for, or the longest that gives enough partitions.

    ``rarest_share`` is of the rarest class, 1 where labels are no classes.

    Raises:
        BadInput: there is no such period.
        DataError: the data do not span enough of them.
    """
    period = _period(asked, found)
    counts = partition_counts(found, period)
    if len(counts) < FEWEST_PARTITIONS:
        span = " to ".join(f"{hour:%Y-%m-%d %H:%M}" for hour in (min(found.hours), max(found.hours)))
        raise DataError(
            f"{shown(asked.file.name)}: the times in {shown(asked.time)} are of {len(counts)} {period}"
            f"{'s' if len(counts) != 1 else ''}, {span}. Expected: at least {FEWEST_PARTITIONS}, two to train. "
            "To fix: take a longer time or a shorter period, or name another column after TIME=."
        )
    ingest, train_at = _SCHEDULES[period]
    holdout = _holdout(list(counts.values()), rarest_share)
    # One more than train and judge, where there is one, is there for the first champion to score.
    train = min(max(_MOST_TRAIN, 2 * holdout), max(len(counts) - holdout - 1, 2))
    start, end = (Partition.of_key(key, period).start_utc.date() for key in (min(counts), max(counts)))
    return Calendar(period, ingest, train_at, start, end, counts, train, holdout)


def partition_counts(found: Profile, period: Period) -> dict[str, int]:
    """Rows by partition key, oldest first."""
    counts: Counter[str] = Counter()
    for hour, rows in found.hours.items():
        counts[Partition.containing(hour, period).key] += rows
    return dict(sorted(counts.items()))


def _period(asked: Asked, found: Profile) -> Period:
    known = {period.value: period for period in Period}
    if asked.period is not None:
        if asked.period not in known:
            raise BadInput(
                f"PERIOD is {shown(asked.period)}{did_you_mean(asked.period, known)}: "
                f"expected {', '.join(list(known)[:-1])} or {list(known)[-1]}."
            )
        return known[asked.period]
    counts = {period: list(partition_counts(found, period).values()) for period in Period}
    enough = [period for period in _PREFERRED if len(counts[period]) >= ENOUGH_PARTITIONS]
    chosen = enough[0] if enough else _PREFERRED[-1]
    sparse = chosen is Period.WEEK and statistics.median(counts[chosen]) < _MEASURABLE_ROWS
    return Period.MONTH if sparse and len(counts[Period.MONTH]) >= ENOUGH_PARTITIONS else chosen


def _holdout(counts: list[int], rarest_share: float) -> int:
    """How many of the newest partitions hold enough rows of every class to judge on; at most a third of all."""
    most = max(1, len(counts) // 3)
    for n in range(1, most):
        rows = sum(counts[-n:])
        if rows >= _HOLDOUT_ROWS and rows * rarest_share >= _HOLDOUT_LABELS:
            return n
    return most
