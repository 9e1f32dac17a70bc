"""Version a validated partition: its bytes into the data registry, its news into the ledger."""

import tempfile
from pathlib import Path

from include.perennial.contracts import PartitionVersion, Validated
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import EventKind, Ledger
from include.perennial.stores.objects import ObjectStore

_ACTOR = "ingest"


def publish_partition(
    validated: Validated, store: ObjectStore, registry: DataRegistry, ledger: Ledger
) -> PartitionVersion:
    """Publish the partition that ``validate`` left in the object store.

    The same bytes change nothing. Other bytes than before make a new dataset version and a
    ``partition_changed`` event. Run again after a kill at any point, it completes what is missing.

    Raises:
        IntegrityError: the stored partition is not the one that was validated.
        Unavailable: the object store, the DVC remote, the data registry or the ledger does not answer.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "partition.parquet"
        parquet = store.get_file(validated.object_key, target, sha256=validated.sha256)
        version = registry.publish(validated, parquet)
    _record(version, ledger)
    return version


def _record(version: PartitionVersion, ledger: Ledger) -> None:
    # Without ``changed``, a retry after a kill says the same as the run that published.
    payload = version.model_dump(mode="json", exclude={"changed"})
    published = f"{version.key}:{version.sha256}"
    ledger.append(version.pipeline, EventKind.PARTITION_PUBLISHED, published, payload, actor=_ACTOR)
    if version.previous_sha256 is not None:
        # Keyed by commit: bytes that return after a correction are a change again.
        changed = f"{version.key}:{version.commit}"
        ledger.append(version.pipeline, EventKind.PARTITION_CHANGED, changed, payload, actor=_ACTOR)
