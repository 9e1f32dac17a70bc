"""DVC side of the data registry: bytes into and out of the remote, and a cache of verified partitions.

DVC works in a folder of its own per operation, with its configuration in memory: no lock or state
is shared between processes, and credentials are neither written to disk nor given as arguments.
"""

import importlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from configobj import ConfigObj
from dvc.exceptions import DvcException
from dvc.repo import Repo

from include.perennial.contracts import PartitionVersion, Validated
from include.perennial.digests import file_sha256
from include.perennial.errors import IntegrityError, Unavailable
from include.perennial.settings import S3Access, Settings
from include.perennial.stores.datasets.entry import meta_of, path_of
from include.perennial.stores.datasets.lock import exclusive

os.environ.setdefault("DVC_NO_ANALYTICS", "true")
# DVC imports these at its first operation, 0.5 s in all; imported here, a fork server pays for them once.
_IMPORTED_LATE_BY_DVC = (
    "dvc.data_cloud",
    "dvc.lock",
    "dvc.repo.graph",
    "dvc.repo.index",
    "dvc.repo.plots",
    "dvc.repo.stage",
    "dvc.repo.worktree",
    "dvc.scm",
    "dvc_data.index.push",
    "flatten_dict",
    "networkx",
    "rich.status",
    "ruamel.yaml",
)
for _module in _IMPORTED_LATE_BY_DVC:
    importlib.import_module(_module)

logger = logging.getLogger(__name__)

REMOTE = "storage"
_QUIET = {"remote": REMOTE, "analytics": False, "check_update": False, "autostage": False}
_CONNECT_TIMEOUT_S = 10
_READ_TIMEOUT_S = 60
PARALLEL = 8
_ABANDONED_S = 24 * 3600


class PartitionFiles:
    """Partition files in the DVC remote, and copies of them under ``home``."""

    def __init__(self, settings: Settings) -> None:
        self.remote = _absolute(settings.dvc_remote)
        self._s3 = settings.s3
        self._workspaces = settings.home / "workspaces"
        self._locks = settings.home / "locks"
        self._cache = settings.home / "cache" / "partitions"

    def first_files(self) -> dict[str, str]:
        """What a registry starts with, text by path, so that ``git clone`` and ``dvc pull`` work in it."""
        config = ConfigObj({"core": _QUIET, f'remote "{REMOTE}"': {"url": self.remote, "verify": True}})
        return {
            ".dvc/config": "\n".join(config.write()) + "\n",
            ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
            ".gitignore": "*.parquet\n",
        }

    def store(self, validated: Validated, parquet: Path) -> str:
        """Put the file at ``parquet`` into the remote unless it is there; the text of its ``.dvc`` file.

        Raises:
            IntegrityError: the file is not the one that was validated, or the remote does not keep it.
            Unavailable: the remote does not answer.
        """
        with self._workspace() as folder, self._repo(folder) as repo:
            entry = folder / path_of(validated.pipeline, validated.key)
            copy = entry.with_suffix("")
            copy.parent.mkdir()
            shutil.copyfile(parquet, copy)
            _verify(copy, validated, parquet)
            (stage,) = repo.add(str(copy))
            stage.meta = meta_of(validated)
            stage.dump()
            self._push(repo, entry, stage.outs[0].hash_info.value, copy.stat().st_size)
            self._keep(copy, validated.sha256)
            return entry.read_text()

    def fetch(self, versions: Sequence[PartitionVersion]) -> list[Path]:
        """Read-only local files of ``versions``, in their order, each hashed just now.

        Raises:
            IntegrityError: the remote lacks one, or holds other bytes.
            Unavailable: the remote does not answer.
        """
        missing = [version for version in versions if not self._is_intact(version)]
        if missing:
            with self._workspace() as folder, self._repo(folder) as repo:
                odb = repo.cloud.get_remote_odb(REMOTE)
                with ThreadPoolExecutor(PARALLEL) as pool:
                    list(pool.map(partial(self._download, odb, folder), missing))
        return [self._cached(version.sha256) for version in versions]

    def _push(self, repo: Repo, entry: Path, md5: str, n_bytes: int) -> None:
        # DVC tries a reflink first, which empties an object that another process has just written
        # and committed; and it takes any object of the right name for the right one.
        with exclusive(self._locks / f"push-{md5[:2]}"):
            for _ in range(2):
                repo.push(targets=[str(entry)])
                odb = repo.cloud.get_remote_odb(REMOTE)
                if odb.fs.size(odb.oid_to_path(md5)) == n_bytes:
                    return
                odb.delete(md5)
        raise IntegrityError(
            f"The DVC remote {self.remote} does not keep what is written to it: object {md5} of "
            f"{entry.parent.name}/{entry.name} has not its {n_bytes} bytes. Check the storage."
        )

    def _download(self, odb: Any, folder: Path, version: PartitionVersion) -> None:
        handle, name = tempfile.mkstemp(dir=folder)
        os.close(handle)
        where = f"Partition {version.key} of {version.pipeline} (data registry commit {version.commit[:12]})"
        path = odb.oid_to_path(version.md5)
        remedy = f"Remove {odb.fs.unstrip_protocol(path)} if it is there, and ingest the partition again."
        try:
            odb.fs.get_file(path, name)
        except FileNotFoundError:
            raise IntegrityError(f"{where} is missing from the DVC remote: no object {version.md5}. {remedy}") from None
        got = file_sha256(Path(name))
        if got != version.sha256:
            raise IntegrityError(
                f"{where} is corrupt in the DVC remote: sha256 is {got}, recorded {version.sha256}. {remedy}"
            )
        self._keep(Path(name), version.sha256)

    def _cached(self, sha256: str) -> Path:
        return self._cache / f"{sha256}.parquet"

    def _keep(self, path: Path, sha256: str) -> None:
        self._cache.mkdir(parents=True, exist_ok=True)
        path.chmod(0o444)
        os.replace(path, self._cached(sha256))

    def _is_intact(self, version: PartitionVersion) -> bool:
        path = self._cached(version.sha256)
        if not path.is_file():
            return False
        if file_sha256(path) == version.sha256:
            return True
        logger.warning("Cached partition %s of %s is corrupt: fetching it again", version.key, version.pipeline)
        path.unlink(missing_ok=True)
        return False

    @contextmanager
    def _workspace(self) -> Iterator[Path]:
        self._workspaces.mkdir(parents=True, exist_ok=True)
        self._sweep()
        with tempfile.TemporaryDirectory(dir=self._workspaces, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def _sweep(self) -> None:
        for left in self._workspaces.iterdir():
            with suppress(FileNotFoundError):  # another process sweeps it at this moment
                if time.time() - left.stat().st_mtime > _ABANDONED_S:
                    shutil.rmtree(left)

    @contextmanager
    def _repo(self, folder: Path) -> Iterator[Repo]:
        (folder / Repo.DVC_DIR).mkdir()
        try:
            with Repo(str(folder), config=self._config(folder)) as repo:
                yield repo
        except (OSError, DvcException, BotoCoreError, ClientError) as error:
            raise Unavailable(
                f"The DVC remote {self.remote} cannot be used: {type(error).__name__}: "
                f"{' '.join(str(error).split())[:300]}. Check PERENNIAL_DVC_REMOTE, its credentials and the disk; "
                "then retry."
            ) from error

    def _config(self, folder: Path) -> dict[str, Any]:
        private = folder / Repo.DVC_DIR
        return {
            "core": {**_QUIET, "no_scm": True, "site_cache_dir": str(private / "site")},
            "cache": {"dir": str(private / "cache"), "type": "copy"},
            "remote": {REMOTE: {"url": self.remote, "verify": True, **_access(self.remote, self._s3)}},
        }


def _absolute(remote: str) -> str:
    return remote if "://" in remote else str(Path(remote).resolve())


def _access(remote: str, s3: S3Access) -> dict[str, Any]:
    if not remote.startswith("s3://"):
        return {}
    given = {
        "endpointurl": s3.endpoint_url,
        "access_key_id": s3.access_key_id,
        "secret_access_key": s3.secret_access_key,
        "region": s3.region,
    }
    limits = {"connect_timeout": _CONNECT_TIMEOUT_S, "read_timeout": _READ_TIMEOUT_S}
    return {name: value for name, value in given.items() if value is not None} | limits


def _verify(copy: Path, validated: Validated, source: Path) -> None:
    got = file_sha256(copy)
    if got != validated.sha256:
        raise IntegrityError(
            f"Partition {validated.key} of {validated.pipeline} is not the file that was validated: {source} has "
            f"sha256 {got}, validated was {validated.sha256}. Run the ingest of this partition again."
        )
