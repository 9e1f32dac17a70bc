"""Values become counts, counts become distances: held against scipy and against what a person would say."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import entropy, wasserstein_distance

from include.perennial.monitor.cells import MAX_CATEGORIES, Cells, category_cells, number_cells
from include.perennial.monitor.drift import (
    distance,
    jensen_shannon,
    missing_difference,
    missing_share,
    new_share,
    rank_distance,
)

RANDOM = np.random.default_rng(1)
NORMAL = RANDOM.normal(size=4000)
SHARES = arrays.arrays(float, 6, elements=st.floats(0.01, 1)).map(lambda row: (row / row.sum())[None, :])


def far(cells: Cells, current: object, reference: object) -> float:
    """Distance between two samples of a column."""
    block, rest = (
        cells.count(pd.Series(values), np.zeros(len(values), dtype=int), 1)  # type: ignore[arg-type]
        for values in (current, reference)
    )
    return float(distance(cells, block, rest)[0])


@pytest.mark.parametrize(
    ("current", "reference", "expected"),
    [
        (NORMAL, NORMAL, 0.0),
        (NORMAL + 100, NORMAL, 0.5),
        (NORMAL - 100, NORMAL, 0.5),
        ([3.0] * 50, [3.0] * 50, 0.0),
        ([4.0] * 50, [3.0] * 50, 0.5),
        ([2.0] * 50, [3.0] * 50, 0.5),
        ([0.0, 1.0] * 50, [0.0, 1.0] * 90, 0.0),
    ],
    ids=["same", "all above", "all below", "constant", "constant moved up", "constant moved down", "same two values"],
)
def test_the_distance_of_numbers_is_zero_for_equal_samples_and_one_half_beyond_all_of_them(
    current: list[float], reference: list[float], expected: float
) -> None:
    assert far(number_cells("x", reference), current, reference) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("shift", [0.1, 0.5, 2.0])
def test_the_distance_of_numbers_is_the_wasserstein_distance_of_ranks(shift: float) -> None:
    current = RANDOM.normal(size=4000) + shift
    ranks = np.searchsorted(np.sort(NORMAL), current) / len(NORMAL)
    expected = wasserstein_distance(ranks, np.arange(len(NORMAL)) / len(NORMAL))

    assert far(number_cells("x", NORMAL), current, NORMAL) == pytest.approx(expected, abs=0.01)


def test_an_absurd_value_counts_as_one_row() -> None:
    assert far(number_cells("x", NORMAL), [*NORMAL, 1e300], NORMAL) < 0.001


def test_a_change_of_unit_does_not_change_the_distance() -> None:
    current = NORMAL * 1.3 + 0.4
    in_other_unit = far(number_cells("x", NORMAL * 9 + 32), current * 9 + 32, NORMAL * 9 + 32)

    assert in_other_unit == pytest.approx(far(number_cells("x", NORMAL), current, NORMAL), abs=1e-3)


def test_missing_values_are_no_part_of_the_distance_and_a_signal_of_their_own() -> None:
    half_empty = np.where(np.arange(len(NORMAL)) % 2 == 0, np.nan, NORMAL)
    cells = number_cells("x", NORMAL)
    block, rest = (
        cells.count(pd.Series(values), np.zeros(len(values), dtype=int), 1) for values in (half_empty, NORMAL)
    )

    assert distance(cells, block, rest)[0] < 0.02
    assert missing_share(block)[0] == 0.5
    assert missing_difference(block, rest)[0] == 0.5


def test_a_column_without_values_has_cells_and_no_distance() -> None:
    cells = number_cells("x", [np.nan, np.nan])

    assert far(cells, [np.nan] * 9, [np.nan] * 9) == 0.0
    assert far(cells, [1.0] * 9, [np.nan] * 9) == 0.0


@given(p=SHARES, q=SHARES)
def test_distances_of_shares_agree_with_scipy_and_stay_in_their_range(p: np.ndarray, q: np.ndarray) -> None:
    middle = (p[0] + q[0]) / 2
    divergence = (entropy(p[0], middle, base=2) + entropy(q[0], middle, base=2)) / 2
    assert jensen_shannon(p, q)[0] ** 2 == pytest.approx(divergence, abs=1e-12)
    assert 0 <= rank_distance(p, q)[0] <= 0.5
    assert rank_distance(p, p)[0] == pytest.approx(0, abs=1e-12)


def test_new_categories_have_a_cell_and_a_share() -> None:
    cells = category_cells("x", [pd.Series(["a", "b"] * 50), pd.Series(["a", "b"] * 50)])
    assert cells is not None
    block = cells.count(pd.Series(["a"] * 90 + ["new"] * 10), np.zeros(100, dtype=int), 1)
    rest = cells.count(pd.Series(["a", "b"] * 50), np.zeros(100, dtype=int), 1)

    assert new_share(block, rest)[0] == pytest.approx(0.1)
    assert new_share(rest, rest)[0] == 0


@pytest.mark.parametrize(
    "partitions",
    [
        [pd.Series([f"2013-01-{day:02}" for day in range(week * 7, week * 7 + 7)] * 9) for week in range(3)],
        [pd.Series([str(n) for n in range(MAX_CATEGORIES + 1)])] * 3,
        [pd.Series([None, None], dtype=object)] * 3,
    ],
    ids=["days", "identifiers", "nothing"],
)
def test_texts_that_do_not_repeat_are_not_compared(partitions: list["pd.Series[str]"]) -> None:
    assert category_cells("x", partitions) is None
