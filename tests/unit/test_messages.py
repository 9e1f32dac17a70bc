"""The wording shared by all refusals."""

import pytest

from include.perennial.messages import did_you_mean


@pytest.mark.parametrize("place", [0, 599, 4_999])
def test_the_nearest_name_is_found_wherever_it_stands_among_thousands(place: int) -> None:
    known = [f"{n:04}_{'xyzzy'[n % 5] * 9}" for n in range(5_000)]
    known[place] = "departure_delay"
    assert did_you_mean("departure_dleay", known) == " (did you mean 'departure_delay'?)"


def test_a_name_that_is_near_to_none_gets_no_hint() -> None:
    assert did_you_mean("departure_delay", {"x", "y"}) == ""
