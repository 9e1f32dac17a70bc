import math

import pytest

from include.perennial.contracts import CheckStatus
from include.perennial.gate.wording import METRIC_NAMES, at_least, at_most, listing, numbers, percent, shorten, signed
from include.perennial.spec import Metric


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        pytest.param((0.7, 0.58), ["0.700", "0.580"], id="three decimals"),
        pytest.param((0.69996, 0.7), ["0.69996", "0.70000"], id="as many as keep them apart"),
        pytest.param((0.7, 0.7), ["0.700", "0.700"], id="equal ones stay short"),
        pytest.param((-0.0214, None, math.nan), ["−0.021", "undefined", "undefined"], id="minus and undefined"),
        pytest.param((-0.0001, 0.5), ["0.000", "0.500"], id="no negative zero"),
        pytest.param((math.inf, 1.0), ["inf", "1.000"], id="infinite"),
        pytest.param((1e-13, 0.0), ["1.0e−13", "0.0000000000"], id="almost nothing is not nothing"),
    ],
)
def test_numbers_read_as_a_person_would_write_them(values, shown):
    assert numbers(*values) == shown


def test_counts_have_no_decimals():
    assert numbers(6412, 500, decimals=0) == ["6,412", "500"]


@pytest.mark.parametrize(("text", "expected"), [("0.010", "+0.010"), ("−0.010", "−0.010"), ("0.000", "0.000")])
def test_a_gain_shows_its_sign(text, expected):
    assert signed(text) == expected


@pytest.mark.parametrize(("share", "expected"), [(0.95, "95 %"), (0.9987, "99.87 %"), (0.9, "90 %"), (1.0, "100 %")])
def test_a_share_reads_as_percent(share, expected):
    assert percent(share) == expected


def test_long_names_and_lists_are_bounded():
    assert shorten("x" * 500) == "x" * 59 + "…"
    assert listing([str(i) for i in range(20)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 12 more"
    assert listing(["AA", "UA"]) == "AA, UA"


def test_every_metric_has_a_name():
    assert set(METRIC_NAMES) == set(Metric)


@pytest.mark.parametrize(
    ("check", "value", "status"),
    [
        pytest.param(at_least, 0.6, CheckStatus.PASSED, id="floor met exactly"),
        pytest.param(at_least, 0.5999999, CheckStatus.FAILED, id="floor missed by a hair"),
        pytest.param(at_least, math.nan, CheckStatus.FAILED, id="floor of nan"),
        pytest.param(at_least, math.inf, CheckStatus.FAILED, id="floor of infinity"),
        pytest.param(at_most, 0.6, CheckStatus.PASSED, id="ceiling met exactly"),
        pytest.param(at_most, 0.6000001, CheckStatus.FAILED, id="ceiling missed by a hair"),
        pytest.param(at_most, math.nan, CheckStatus.FAILED, id="ceiling of nan"),
        pytest.param(at_most, -math.inf, CheckStatus.FAILED, id="ceiling of minus infinity"),
    ],
)
def test_a_limit_holds_only_for_finite_numbers_on_its_side(check, value, status):
    assert check("x", "x", value, 0.6).status is status


def test_a_limit_shows_candidate_champion_and_threshold():
    check = at_least("floor.roc_auc", "ROC AUC", 0.551, 0.58, champion=0.702)
    assert check.message == "ROC AUC 0.551 (champion 0.702) is below the required 0.580"
    assert (check.value, check.champion, check.threshold) == (0.551, 0.702, 0.58)


def test_what_is_not_a_number_is_recorded_as_null():
    assert at_most("x", "x", math.nan, 1.0).model_dump(mode="json")["value"] is None
