"""Partitions looked at and mended one by one: objects of the DVC remote, and the copies on this machine."""

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from include.perennial.contracts import PartitionVersion
from include.perennial.digests import file_sha256
from include.perennial.errors import IntegrityError
from include.perennial.stores.datasets.files import PARALLEL, REMOTE, PartitionFiles


class PartitionUpkeep(PartitionFiles):
    """Unlike ``fetch`` it reads the remote whatever copies there are, and tells of every fault."""

    def remote_problems(self, versions: Sequence[PartitionVersion]) -> list[tuple[PartitionVersion, str]]:
        """Versions whose object in the remote is missing or has other bytes, and which of the two.

        Raises:
            Unavailable: the remote does not answer.
        """
        with self._workspace() as folder, self._repo(folder) as repo:
            odb = repo.cloud.get_remote_odb(REMOTE)
            with ThreadPoolExecutor(PARALLEL) as pool:
                problems = list(pool.map(partial(_problem, odb, folder), versions))
        return [(version, problem) for version, problem in zip(versions, problems, strict=True) if problem]

    def has_copy(self, version: PartitionVersion) -> bool:
        """Whether this machine has a copy, intact or not."""
        return self._cached(version.sha256).is_file()

    def has_intact_copy(self, version: PartitionVersion) -> bool:
        """Whether this machine has a copy with the recorded bytes."""
        return self.has_copy(version) and file_sha256(self._cached(version.sha256)) == version.sha256

    def drop_copy(self, version: PartitionVersion) -> None:
        """Remove this machine's copy; it is fetched again when it is needed."""
        self._cached(version.sha256).unlink(missing_ok=True)

    def restore(self, version: PartitionVersion) -> None:
        """Write this machine's intact copy to the remote, over whatever is there.

        Raises:
            IntegrityError: the copy is gone or damaged.
            Unavailable: the remote does not answer.
        """
        if not self.has_intact_copy(version):
            raise IntegrityError(f"Partition {version.key} of {version.pipeline} has no intact copy on this machine.")
        with self._workspace() as folder, self._repo(folder) as repo:
            odb = repo.cloud.get_remote_odb(REMOTE)
            path = odb.oid_to_path(version.md5)
            if odb.fs.exists(path):
                odb.delete(version.md5)
            odb.fs.makedirs(odb.fs.parent(path), exist_ok=True)
            odb.fs.put_file(str(self._cached(version.sha256)), path)


def _problem(odb: Any, folder: Path, version: PartitionVersion) -> str:
    handle, name = tempfile.mkstemp(dir=folder)
    os.close(handle)
    try:
        odb.fs.get_file(odb.oid_to_path(version.md5), name)
    except FileNotFoundError:
        return "no such object"
    got = file_sha256(Path(name))
    return "" if got == version.sha256 else f"sha256 {got}, {Path(name).stat().st_size:,} bytes"
