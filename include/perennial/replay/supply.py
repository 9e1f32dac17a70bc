"""The partitions of a replay: those of the data registry, and what it lacks, delivered and validated aside.

Nothing is published. What was delivered for a replay is kept below ``<home>/replay`` and found again.
"""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from include.perennial.contracts import PartitionRef, PartitionVersion, Validated
from include.perennial.digests import digest
from include.perennial.errors import BadInput, DataError
from include.perennial.gate.tasks import task_of
from include.perennial.messages import first_line
from include.perennial.models import frames
from include.perennial.models.frames import Labelled
from include.perennial.partitions import Partition, span
from include.perennial.pipeline_folder import Pipeline
from include.perennial.settings import Settings
from include.perennial.sources.connections import SettingsConnections
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.objects import LocalObjects

log = logging.getLogger(__name__)

# A week that was lost is replaced by an older one if the registry has it; see steps.plan.
_LOOK_BACK_FACTOR = 2


@dataclass(frozen=True)
class Supply:
    """``versions`` and local files by key, why others were ``refused``, and the registry's ``commit``."""

    versions: Mapping[str, PartitionVersion]
    paths: Mapping[str, Path]
    refused: Mapping[str, str]
    commit: str

    def read(self, pipeline: Pipeline, refs: Sequence[PartitionRef]) -> Labelled:
        """The rows of ``refs``, in their order."""
        return frames.read([self.paths[ref.key] for ref in refs], pipeline.spec.data, task_of(pipeline.spec))

    def ref(self, key: str) -> PartitionRef:
        """Partition ``key`` by content."""
        return PartitionRef(key=key, sha256=self.versions[key].sha256, rows=self.versions[key].rows_to_learn)


def gather(pipeline: Pipeline, settings: Settings, first: Partition, last: Partition, workers: Executor) -> Supply:
    """Everything that training runs as of ``first`` to ``last`` may use.

    Raises:
        BadInput: the span is empty, no partition can be had, or a source needs a connection not known here.
        Unavailable: the registry or the source does not answer.
    """
    registry = DataRegistry.open(settings)
    commit = registry.head()
    published = registry.partitions(pipeline.spec.name, commit) if commit else {}
    needed, reach = _needed(pipeline, first, last)
    versions = {key: version for key, version in published.items() if reach.key <= key <= last.key}
    refs = [PartitionRef(key=key, sha256=version.sha256, rows=version.rows) for key, version in versions.items()]
    paths = dict(zip(versions, registry.fetch(pipeline.spec.name, refs, commit) if refs else [], strict=True))
    missing = [partition for partition in needed if partition.key not in versions]
    refused: dict[str, str] = {}
    tasks = [workers.submit(_deliver, pipeline, settings, partition) for partition in missing]
    for partition, task in zip(missing, tasks, strict=True):
        try:
            versions[partition.key], paths[partition.key] = task.result()
        except DataError as error:
            refused[partition.key] = first_line(error)
            log.warning("%s: partition %s is left out: %s", pipeline.spec.name, partition.key, first_line(error))
    if not versions:
        key, why = next(iter(refused.items()))
        raise BadInput(f"Replay of {pipeline.spec.name} has no partition at all; the first one, {key}: {why}")
    return Supply(dict(sorted(versions.items())), paths, refused, commit)


def _needed(pipeline: Pipeline, first: Partition, last: Partition) -> tuple[list[Partition], Partition]:
    """The partitions to deliver if absent, and how far back the registry is read."""
    spec = pipeline.spec
    start = spec.first_partition
    if last < max(first, start):
        raise BadInput(
            f"Replay of {spec.name} from {first.key} to {last.key}: expected FROM not later than TO, "
            f"and TO not before schedule.start, {start.key}."
        )
    if spec.window.kind == "expanding":
        return span(start, last), start
    length = spec.window.partitions + spec.window.holdout + spec.data.label_delay_periods
    return span(max(start, first.shift(1 - length)), last), first.shift(-_LOOK_BACK_FACTOR * length)


def replay_home(pipeline: Pipeline, settings: Settings) -> Path:
    """Where replays of ``pipeline`` keep what they have made."""
    return settings.home / "replay" / pipeline.spec.name


def _deliver(pipeline: Pipeline, settings: Settings, partition: Partition) -> tuple[PartitionVersion, Path]:
    # Great Expectations is heavy, and not needed when the registry has everything.
    from include.perennial.steps.snapshot import take_snapshot
    from include.perennial.steps.validate import validate

    store = LocalObjects(replay_home(pipeline, settings) / "store")
    made_from = [pipeline.code_digest, pipeline.spec.model_dump(mode="json", include={"source", "data", "period"})]
    record = f"validated/{partition.key}-{digest(made_from)[:16]}.json"
    if store.exists(record):
        validated = Validated.model_validate_json(store.get_bytes(record))
    else:
        snapshot = take_snapshot(pipeline, partition, store, SettingsConnections(settings), late=False)
        validated = validate(pipeline, snapshot, store)
        store.put_bytes(record, validated.model_dump_json().encode())
    path = store.root / validated.object_key
    version = PartitionVersion(**validated.model_dump(include=_SHARED), md5="", commit="")
    return version, path


_SHARED = {
    "pipeline",
    "key",
    "sha256",
    "n_bytes",
    "rows",
    "rows_quarantined",
    "rows_labelled",
    "snapshot_digest",
    "suite_digest",
}
