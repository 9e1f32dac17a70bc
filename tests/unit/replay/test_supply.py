"""A replay finds its partitions in the data registry, or has them delivered aside; it publishes nothing."""

import pytest

from include.perennial.errors import BadInput
from include.perennial.stores.datasets import DataRegistry
from tests.training_runs import FIRST, publish_frame, toy_frame
from tests.unit.replay.conftest import World, keys


def test_what_the_registry_lacks_is_delivered_and_not_published(world: World) -> None:
    found = world.gather(4, 6)

    assert tuple(found.versions) == keys(1, 6)
    assert {key: version.rows for key, version in found.versions.items()} == dict.fromkeys(keys(1, 6), 600)
    assert DataRegistry.open(world.settings).head() == ""


def test_a_published_partition_is_used_as_published(world: World) -> None:
    registry = DataRegistry.open(world.settings)
    root = world.settings.home.parent
    published = publish_frame(root, world.pipeline, registry, FIRST.shift(5).key, toy_frame(5, rows=50))

    found = world.gather(4, 6)

    assert found.versions[published.key] == published.model_copy(update={"changed": False})
    assert len(found.read(world.pipeline, [found.ref(published.key)])) == 50
    assert found.commit == registry.head() == published.commit


def test_a_delivery_is_validated_once(world: World) -> None:
    before = world.gather(4, 6)
    for path in (world.pipeline.folder / "delivery").iterdir():
        path.unlink()

    assert world.gather(4, 6) == before


def test_equal_rows_are_equal_bytes_whether_published_or_delivered(world: World) -> None:
    registry = DataRegistry.open(world.settings)
    ordered = toy_frame(6).sort_values(["at", "id"], ignore_index=True)
    delivered = world.gather(4, 6).versions[keys(6, 6)[0]]

    published = publish_frame(world.settings.home.parent, world.pipeline, registry, delivered.key, ordered)

    assert published.sha256 == delivered.sha256


def test_a_refused_partition_is_left_out_with_its_reason(world: World) -> None:
    world.deliver(5).write_text("at,id\n")

    found = world.gather(4, 6)

    assert tuple(found.versions) == (*keys(1, 4), *keys(6, 6))
    assert list(found.refused) == [keys(5, 5)[0]]
    assert found.refused[keys(5, 5)[0]]


@pytest.mark.parametrize(("first", "last"), [(6, 5), (-9, -4)], ids=["FROM after TO", "before the pipeline starts"])
def test_a_span_without_partitions_is_refused(world: World, first: int, last: int) -> None:
    with pytest.raises(BadInput, match="expected FROM not later than TO"):
        world.gather(first, last)


def test_a_replay_without_any_partition_says_why(world: World) -> None:
    for n in range(7):
        world.deliver(n).unlink()

    with pytest.raises(BadInput, match=r"no partition at all.*no file"):
        world.gather(4, 6)
