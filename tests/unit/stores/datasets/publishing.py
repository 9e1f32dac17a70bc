"""Partitions to publish, and processes that publish them at once or die while they do."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.perennial.contracts import PartitionRef, PartitionVersion, Validated
from include.perennial.digests import bytes_sha256
from include.perennial.settings import Settings
from include.perennial.stores.datasets import DataRegistry

PIPELINE = "flights"
_SPAWNER = multiprocessing.get_context("forkserver")
_SPAWNER.set_forkserver_preload(["include.perennial.stores.datasets"])
_STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "subprocess.Popen", "sqlite3.connect"}
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Delivery:
    """One partition to publish: its file and what validation said of it."""

    validated: Validated
    path: Path

    @property
    def ref(self) -> PartitionRef:
        return PartitionRef(key=self.validated.key, sha256=self.validated.sha256, rows=self.validated.rows)

    def publish(self, settings: Settings) -> PartitionVersion:
        return DataRegistry.open(settings).publish(self.validated, self.path)


def delivery(folder: Path, key: str, content: bytes, **changes: Any) -> Delivery:
    """A file with ``content`` that passes for the partition ``key``."""
    validated = Validated(
        pipeline=PIPELINE,
        key=key,
        snapshot_digest="a" * 64,
        object_key=f"validated/{PIPELINE}/{key}.parquet",
        sha256=bytes_sha256(content),
        n_bytes=len(content),
        rows=6000,
        rows_quarantined=3,
        quarantine_key=None,
        quarantine_reasons={},
        docs_key=None,
        suite_digest="b" * 64,
        columns={"late": "bool"},
    )
    path = folder / f"{key}-{validated.sha256[:8]}.parquet"
    path.write_bytes(content)
    return Delivery(validated.model_copy(update=changes), path)


def publish_at_once(settings: Settings, deliveries: Iterable[Delivery]) -> list[int]:
    """Publish each delivery in a process of its own, all starting together; their exit codes."""
    todo = list(deliveries)
    start = _SPAWNER.Barrier(len(todo))
    processes = [_SPAWNER.Process(target=_publish_together, args=(start, settings, each)) for each in todo]
    for process in processes:
        process.start()
    for process in processes:
        process.join(_TIMEOUT_S)
    return [process.exitcode for process in processes]


def publish_and_die(settings: Settings, each: Delivery, at_step: int) -> int:
    """Publish in a process that kills itself at its ``at_step``-th file or process operation; the exit code."""
    process = _SPAWNER.Process(target=_publish_until, args=(settings, each, at_step))
    process.start()
    process.join(_TIMEOUT_S)
    return process.exitcode


def steps_of_publishing(settings: Settings, each: Delivery) -> list[str]:
    """Names of the operations of one publish, in their order; network connections included."""
    seen = _SPAWNER.SimpleQueue()
    process = _SPAWNER.Process(target=_publish_and_tell, args=(settings, each, seen))
    process.start()
    steps = seen.get()
    process.join(_TIMEOUT_S)
    return steps


def _publish_together(start: Any, settings: Settings, each: Delivery) -> None:
    start.wait(_TIMEOUT_S)
    each.publish(settings)


def _publish_until(settings: Settings, each: Delivery, at_step: int) -> None:
    left = at_step

    def hook(event: str, _: tuple[Any, ...]) -> None:
        nonlocal left
        if event in _STEPS:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    each.publish(settings)


def _publish_and_tell(settings: Settings, each: Delivery, seen: Any) -> None:
    steps: list[str] = []
    watched = _STEPS | {"socket.connect"}
    sys.addaudithook(lambda event, _: steps.append(event) if event in watched else None)
    each.publish(settings)
    seen.put(list(steps))
