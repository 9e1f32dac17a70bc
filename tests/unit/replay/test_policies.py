"""The policies that a replay compares."""

import pytest

from include.perennial.errors import BadInput
from include.perennial.pipeline_folder import Pipeline
from include.perennial.replay.policies import DEFAULT_NAMES, parse_policy
from tests.unit.replay.conftest import World


@pytest.mark.parametrize("name", [*DEFAULT_NAMES, "schedule/4", "schedule/4+drift"])
def test_a_policy_keeps_the_name_it_was_asked_by(name: str) -> None:
    assert parse_policy(name).name == name


@pytest.mark.parametrize(
    ("name", "due"),
    [
        pytest.param("never", [], id="never"),
        pytest.param("schedule", [1, 2, 3, 4, 5, 6], id="each period"),
        pytest.param("schedule/3", [3, 6], id="each third period"),
        pytest.param("drift+performance", [], id="only when asked"),
        pytest.param("drift+schedule/2", [2, 4, 6], id="each second period, and when asked"),
    ],
)
def test_the_schedule_retrains_at(name: str, due: list[int]) -> None:
    assert [n for n in range(1, 7) if parse_policy(name).is_due(n)] == due


@pytest.mark.parametrize(
    "name",
    [
        "weekly",
        "schedule/0",
        "schedule/",
        "drift,performance",
        "drift+drift",
        "schedule+schedule/2",
        "never+drift",
        "drift+",
        "",
        "Never",
        "schedule/٣",
    ],
)
def test_an_unknown_policy_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        parse_policy(name)


def test_a_near_miss_is_told_what_was_meant() -> None:
    with pytest.raises(BadInput, match="did you mean 'drift'"):
        parse_policy("drft")


def test_a_watching_policy_changes_what_is_asked_on_and_nothing_else(world: World) -> None:
    before: Pipeline = world.pipeline

    after = parse_policy("performance").applied(before)

    assert after.spec.monitor.policy.ask_on == ("performance",)
    restored = after.spec.monitor.policy.model_copy(update={"ask_on": before.spec.monitor.policy.ask_on})
    assert restored == before.spec.monitor.policy
    assert (after.spec.gate, after.spec_digest) == (before.spec.gate, before.spec_digest)
