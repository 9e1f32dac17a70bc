"""The data registry as the rest of the project sees it: publish, look up, fetch."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from include.perennial.contracts import PartitionRef, PartitionVersion, Validated
from include.perennial.errors import IntegrityError, Unavailable
from include.perennial.settings import Settings
from include.perennial.stores.datasets.commits import Commits
from include.perennial.stores.datasets.entry import SUFFIX, folder_of, parse, path_of
from include.perennial.stores.datasets.files import PartitionFiles

_ATTEMPTS = 40
_LONGEST_PAUSE_S = 0.5
_MARKER = ".dvc/config"
_JITTER = random.SystemRandom()


@dataclass(frozen=True)
class DataRegistry:
    """Versions of every partition. Any number of processes may publish and read at once."""

    commits: Commits
    files: PartitionFiles

    @classmethod
    def open(cls, settings: Settings) -> "DataRegistry":
        """The registry of ``settings``; created by the first ``publish``, if it is a path.

        Raises:
            BadInput: ``settings.data_registry`` is neither a bare repository nor a usable Git URL.
        """
        return cls(Commits(settings.data_registry, settings.home), PartitionFiles(settings))

    def publish(self, validated: Validated, parquet: Path) -> PartitionVersion:
        """Record the file at ``parquet`` as the newest version of its partition.

        The bytes are in the remote before a commit names them, so a process that is killed
        leaves nothing half published, and a retry finds or completes the version. With the
        bytes of the newest version no commit is made: that version is returned, ``changed=False``.
        ``commit`` is the one that brought these bytes, ``previous_sha256`` what they replaced.

        Raises:
            IntegrityError: the file is not the one that was validated.
            Unavailable: the remote or the registry does not answer, or too many others publish.
        """
        path = path_of(validated.pipeline, validated.key)
        text = self.files.store(validated, parquet)
        landed, refusal = "", ""
        for attempt in range(_ATTEMPTS):
            head = self.commits.head()
            current = self._at(head, path, validated)
            if current and current.sha256 == validated.sha256:
                return self._newest(validated, head, landed)
            landed = self.commits.write(head, self._files(head, path, text), _message(validated))
            refusal = self.commits.land(landed, head)
            if not refusal:
                version = parse(text, validated.pipeline, validated.key, landed)
                previous = current.sha256 if current else None
                return version.model_copy(update={"changed": True, "previous_sha256": previous})
            time.sleep(_JITTER.uniform(0, min(_LONGEST_PAUSE_S, 0.02 * 2**attempt)))
        raise Unavailable(
            f"Partition {validated.key} of {validated.pipeline} could not be committed to the data registry "
            f"{self.commits.address} in {_ATTEMPTS} attempts; the last one: {refusal}. Retry later."
        )

    def head(self) -> str:
        """Commit of the newest dataset version, ``""`` before the first.

        Raises:
            Unavailable: the registry does not answer.
        """
        return self.commits.head()

    def partitions(self, pipeline: str, commit: str | None = None) -> dict[str, PartitionVersion]:
        """All partitions of ``pipeline`` at ``commit`` (default: the newest), by key, oldest first.

        Raises:
            IntegrityError: there is no such commit, or an entry in it cannot be read.
            Unavailable: the registry does not answer.
        """
        at = self.head() if commit is None else commit
        if not at:
            return {}
        texts = self.commits.read_folder(at, folder_of(pipeline))
        keys = {Path(path).name.removesuffix(SUFFIX): text for path, text in texts.items() if path.endswith(SUFFIX)}
        return {key: parse(keys[key], pipeline, key, at) for key in sorted(keys)}

    def find(self, pipeline: str, key: str) -> PartitionVersion | None:
        """The newest version of one partition, or None; unlike ``partitions`` it reads no other.

        Raises:
            IntegrityError: its entry cannot be read.
            Unavailable: the registry does not answer.
        """
        head, path = self.head(), path_of(pipeline, key)
        text = self.commits.read(head, [path]).get(path) if head else None
        return None if text is None else parse(text, pipeline, key, head)

    def history(self, pipeline: str, key: str, commit: str | None = None) -> list[PartitionVersion]:
        """Versions of one partition up to ``commit`` (default: the newest), oldest first.

        Each has the commit that brought it and, but for the first, ``previous_sha256``.

        Raises:
            IntegrityError: there is no such commit, or an entry cannot be read.
            Unavailable: the registry does not answer.
        """
        at = self.head() if commit is None else commit
        path = path_of(pipeline, key)
        versions: list[PartitionVersion] = []
        for each in self.commits.touching(at, path) if at else []:
            previous = versions[-1].sha256 if versions else None
            for text in self.commits.read(each, [path]).values():
                version = parse(text, pipeline, key, each)
                if version.sha256 != previous:
                    versions.append(version.model_copy(update={"previous_sha256": previous}))
        return versions

    def fetch(self, pipeline: str, refs: Sequence[PartitionRef], commit: str) -> list[Path]:
        """Local Parquet files of ``refs``, in their order: exactly the recorded bytes, hashed just now, read-only.

        Raises:
            IntegrityError: ``commit`` does not have such a partition with such bytes, or the
                remote lost or changed them.
            Unavailable: the remote or the registry does not answer.
        """
        paths = {ref.key: path_of(pipeline, ref.key) for ref in refs}
        texts = self.commits.read(commit, list(paths.values()))
        return self.files.fetch([_recorded(texts.get(paths[ref.key]), pipeline, ref, commit) for ref in refs])

    def _at(self, head: str, path: str, validated: Validated) -> PartitionVersion | None:
        text = self.commits.read(head, [path]).get(path) if head else None
        return parse(text, validated.pipeline, validated.key, head) if text is not None else None

    def _newest(self, validated: Validated, head: str, landed: str) -> PartitionVersion:
        version = self.history(validated.pipeline, validated.key, head)[-1]
        # A push whose reply was lost has landed all the same.
        return version.model_copy(update={"changed": version.commit == landed})

    def _files(self, head: str, path: str, text: str) -> dict[str, str]:
        is_new = not head or not self.commits.read(head, [_MARKER])
        return (self.files.first_files() if is_new else {}) | {path: text}


def _message(validated: Validated) -> str:
    return (
        f"{validated.pipeline} {validated.key}: {validated.rows} rows, {validated.rows_quarantined} quarantined\n\n"
        f"sha256: {validated.sha256}\nsnapshot: {validated.snapshot_digest}\nsuite: {validated.suite_digest}\n"
    )


def _recorded(text: str | None, pipeline: str, ref: PartitionRef, commit: str) -> PartitionVersion:
    where = f"Partition {ref.key} of {pipeline} at commit {commit[:12]} of the data registry"
    if text is None:
        raise IntegrityError(f"{where} does not exist. Plan the training run again.")
    version = parse(text, pipeline, ref.key, commit)
    if version.sha256 != ref.sha256:
        raise IntegrityError(
            f"{where} is not what was asked for: sha256 {version.sha256}, expected {ref.sha256}. "
            "Plan the training run again."
        )
    return version
