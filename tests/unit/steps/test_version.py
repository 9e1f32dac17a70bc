"""What publishing a partition leaves in the data registry and in the ledger."""

from pathlib import Path

import pytest

from include.perennial.contracts import PartitionVersion
from include.perennial.errors import IntegrityError
from include.perennial.settings import Settings
from include.perennial.steps.version import publish_partition
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import EventKind, Ledger
from include.perennial.stores.objects import ObjectStore
from tests.unit.stores.datasets.publishing import PIPELINE, delivery

WEEK, ONE, OTHER = "2013-01-07", b"one" * 1000, b"other" * 1000
PUBLISHED, CHANGED = EventKind.PARTITION_PUBLISHED, EventKind.PARTITION_CHANGED


class Ingest:
    """Stores on one folder, and the step under test."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        settings = Settings.from_env({"PERENNIAL_HOME": str(folder)})
        self.folder = folder
        self.ledger = ledger
        self.registry = DataRegistry.open(settings)
        self.store = ObjectStore.open(settings)

    def of(self, content: bytes) -> PartitionVersion:
        validated = delivery(self.folder, WEEK, content).validated
        self.store.put_bytes(validated.object_key, content)
        return publish_partition(validated, self.store, self.registry, self.ledger)

    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.ledger.events(PIPELINE)]


@pytest.fixture
def ingest(tmp_path: Path, ledger: Ledger) -> Ingest:
    return Ingest(tmp_path, ledger)


def test_a_first_version_is_published_and_nothing_has_changed(ingest: Ingest) -> None:
    version = ingest.of(ONE)
    (event,) = ingest.ledger.events(PIPELINE)
    assert (event.kind, event.key) == (PUBLISHED, f"{WEEK}:{version.sha256}")
    assert PartitionVersion(**event.payload) == version.model_copy(update={"changed": False})


def test_the_same_delivery_again_makes_no_event(ingest: Ingest) -> None:
    first, second = ingest.of(ONE), ingest.of(ONE)
    assert (first.changed, second.changed) == (True, False)
    assert ingest.kinds() == [PUBLISHED]


def test_a_correction_is_published_and_a_change(ingest: Ingest) -> None:
    old, new = ingest.of(ONE), ingest.of(OTHER)
    assert ingest.kinds() == [PUBLISHED, PUBLISHED, CHANGED]
    change = ingest.ledger.events(PIPELINE)[-1]
    assert (change.payload["previous_sha256"], change.payload["sha256"]) == (old.sha256, new.sha256)


def test_bytes_that_return_are_a_change_each_time(ingest: Ingest) -> None:
    for content in (ONE, OTHER, ONE, OTHER):
        ingest.of(content)
    assert ingest.kinds().count(CHANGED) == 3
    assert ingest.kinds().count(PUBLISHED) == 2


@pytest.mark.parametrize("lost", [1, 2], ids=["change-event", "both-events"])
def test_a_retry_after_a_kill_writes_the_events_that_are_missing(ingest: Ingest, tmp_path: Path, lost: int) -> None:
    ingest.of(ONE)
    validated = delivery(tmp_path, WEEK, OTHER).validated
    version = ingest.registry.publish(validated, delivery(tmp_path, WEEK, OTHER).path)
    if lost == 1:
        payload = version.model_dump(mode="json", exclude={"changed"})
        ingest.ledger.append(PIPELINE, PUBLISHED, f"{WEEK}:{version.sha256}", payload, actor="ingest")
    retried = ingest.of(OTHER)
    assert retried == version.model_copy(update={"changed": False})
    assert ingest.kinds() == [PUBLISHED, PUBLISHED, CHANGED]


def test_a_stored_partition_other_than_the_validated_one_is_refused(ingest: Ingest, tmp_path: Path) -> None:
    validated = delivery(tmp_path, WEEK, ONE).validated
    ingest.store.put_bytes(validated.object_key, OTHER)
    with pytest.raises(IntegrityError):
        publish_partition(validated, ingest.store, ingest.registry, ingest.ledger)
    assert ingest.registry.head() == ""
    assert ingest.kinds() == []
