"""Rows set aside before any expectation is asked."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.perennial.quality.sieve import Sieve, listed, sift
from include.perennial.spec import ColumnType, DataSection
from tests.deliveries import WEEK

DATA = DataSection(
    time="at",
    key=("at", "id"),
    target="ok",
    columns={
        "at": ColumnType.TIMESTAMP,
        "id": ColumnType.STRING,
        "size": ColumnType.FLOAT,
        "ok": ColumnType.BOOLEAN,
    },
    quarantine_quota=0.1,
)


def frame(*rows: tuple[object, object, float]) -> pd.DataFrame:
    out = pd.DataFrame(rows, columns=["at", "id", "size"]).astype({"size": float}).assign(ok=True)
    return out.assign(at=pd.to_datetime(out["at"], utc=True))


INSIDE = "2013-06-05"


@pytest.mark.parametrize(
    ("at", "kept"),
    [
        ("2013-06-02T23:59:59.999999999", False),
        ("2013-06-03T00:00:00", True),
        ("2013-06-09T23:59:59.999999999", True),
        ("2013-06-10T00:00:00", False),
        ("2013-06-10T01:00:00+02:00", True),
    ],
)
def test_a_partition_holds_its_first_moment_and_not_its_end(at: str, kept: bool) -> None:
    assert sift(frame((at, "a", 1)), DATA, WEEK).kept.tolist() == [kept]


def test_each_row_is_counted_under_each_of_its_reasons() -> None:
    rows = frame(
        (INSIDE, "a", 1),
        (INSIDE, "a", 2),
        (INSIDE, None, 3),
        (None, "c", 4),
        ("2014-01-01", None, np.inf),
        (INSIDE, "a", np.inf),
    )
    sieve = sift(rows, DATA, WEEK)

    assert sieve.kept.tolist() == [True, False, False, False, False, False]
    assert sieve.counts == {"outside_partition": 1, "null_key": 3, "duplicate_key": 2, "not_finite": 2}
    assert sieve.reasons() == [
        "duplicate_key",
        "null_key",
        "null_key",
        "outside_partition, it belongs to 2013-12-30; null_key; not_finite",
        "duplicate_key; not_finite",
    ]


def test_a_row_set_aside_for_another_reason_makes_no_duplicate() -> None:
    sieve = sift(frame(("2014-01-01", "a", 1), (INSIDE, "a", 1)), DATA, WEEK)
    assert sieve.kept.tolist() == [False, True]
    assert sieve.counts == {"outside_partition": 1}


def test_no_rows_have_no_reasons() -> None:
    sieve = sift(frame().astype({"at": "datetime64[ns, UTC]"}), DATA, WEEK)
    assert (sieve.kept.size, sieve.counts, sieve.reasons()) == (0, {}, [])


@given(st.lists(st.tuples(st.integers(-12, 24 * 7 + 12), st.sampled_from([None, "a", "b", "c"])), max_size=30))
def test_what_is_kept_is_inside_named_and_unique_and_nothing_is_lost(rows: list[tuple[int, str | None]]) -> None:
    table = frame(*[(WEEK.start_utc + dt.timedelta(hours=hour), name, 1.0) for hour, name in rows])

    sieve = sift(table.astype({"at": "datetime64[ns, UTC]"}), DATA, WEEK)

    kept = {rows[i] for i in np.flatnonzero(sieve.kept)}
    assert kept == {(hour, name) for hour, name in rows if 0 <= hour < 24 * 7 and name}
    assert len(kept) == sieve.kept.sum()
    assert len(sieve.reasons()) == len(rows) - len(kept)
    assert all(sieve.reasons())


def test_a_message_lists_the_largest_reasons_first() -> None:
    assert listed({"b": 1, "a": 1, "c": 7}) == "c 7, a 1, b 1"
    assert listed({f"r{n}": n for n in range(20)}).count(",") == 7


def test_a_reason_without_rows_is_no_reason() -> None:
    sieve = Sieve(2)
    sieve.set_aside("never", np.zeros(2, dtype=bool))
    assert sieve.counts == {}
