"""The whole replay in worker processes, as the command runs it."""

import os

import pytest

from include.perennial.errors import BadInput
from include.perennial.replay.policies import parse_policy
from include.perennial.replay.pool import worker_pool
from include.perennial.replay.run import replay, write
from tests.unit.replay.conftest import World, keys


@pytest.mark.long
def test_two_processes_and_one_find_the_same(world: World) -> None:
    asked = [parse_policy(name) for name in ("schedule", "never")]

    with worker_pool(2) as workers:
        assert workers.submit(os.getpid).result() != os.getpid()
        apart = replay(world.pipeline, world.settings, *keys(4, 4), *keys(6, 6), asked, workers)
    alone = replay(world.pipeline, world.settings, *keys(4, 4), *keys(6, 6), asked, world.workers)

    assert [summary.policy for summary in apart.summaries] == ["schedule", "never"]
    assert [summary.metrics for summary in apart.summaries] == [summary.metrics for summary in alone.summaries]
    assert write(apart, world.home)[1].read_bytes() == write(alone, world.home)[1].read_bytes()


def test_a_replay_of_no_policy_is_refused(world: World) -> None:
    with pytest.raises(BadInput, match="at least one policy"):
        replay(world.pipeline, world.settings, *keys(4, 4), *keys(6, 6), [], world.workers)
