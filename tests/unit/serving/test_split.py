"""The challenger's share of the keys: as large as asked, always the same keys, other ones for the next challenger."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from include.perennial.serving.split import positions

KEYS = pa.table({"carrier": ["AA"] * 20_000, "flight": np.arange(20_000)})


def share(version: str, threshold: float) -> npt.NDArray[np.bool_]:
    return positions(KEYS, ("carrier", "flight"), version) < threshold


def test_the_share_lies_in_its_binomial_interval() -> None:
    for percent in (1, 5, 10, 50, 90):
        mine = int(share("7", percent / 100).sum())
        interval = binomtest(mine, KEYS.num_rows).proportion_ci(0.999)
        assert interval.low <= percent / 100 <= interval.high
    assert not share("7", 0.0).any()
    assert share("7", 1.0).all()


def test_a_larger_share_keeps_the_keys_of_a_smaller_one() -> None:
    assert (share("7", 0.3) >= share("7", 0.1)).all()


def test_the_next_challenger_is_tried_on_other_keys() -> None:
    both = int((share("7", 0.1) & share("8", 0.1)).sum())

    assert binomtest(both, KEYS.num_rows).proportion_ci(0.999).low <= 0.01
    assert binomtest(both, KEYS.num_rows).proportion_ci(0.999).high >= 0.01


def test_positions_are_the_same_in_every_process_and_release() -> None:
    at = pa.array(pd.to_datetime(["2013-06-03T14:00:00Z"]).as_unit("ns"))
    table = pa.table({"at": at, "carrier": ["AA"], "flight": [1]})

    assert positions(table, ("at", "carrier", "flight"), "7").tolist() == [0.4285015952236677]


@given(st.lists(st.text(), min_size=2, max_size=2), st.lists(st.text(), min_size=2, max_size=2))
def test_only_equal_keys_stand_at_the_same_place(one: list[str], other: list[str]) -> None:
    first, second = (positions(pa.table({"a": [key[0]], "b": [key[1]]}), ("a", "b"), "7") for key in (one, other))

    assert (first == second).all() == (one == other)
    assert ((first >= 0) & (first < 1)).all()
