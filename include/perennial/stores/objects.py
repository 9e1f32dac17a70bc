"""The object store: snapshots, quarantine, reports and work files, in a local folder or on S3.

Keys are ``/``-separated and relative. A write is atomic: a reader sees the old bytes, the new
bytes or nothing. Whoever knows an object's SHA-256 passes it when reading, and gets exactly those
bytes or an error.
"""

import contextlib
import io
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from include.perennial.contracts import FileRecord
from include.perennial.digests import bytes_sha256, file_sha256
from include.perennial.errors import BadInput, IntegrityError, Unavailable
from include.perennial.messages import first_line, shown
from include.perennial.s3 import SCHEME, S3Folder
from include.perennial.settings import Settings

_UNFINISHED = ".unfinished-"
Keys = list[str]


class ObjectStore(ABC):
    """Immutable-by-convention bytes under keys.

    Every method raises ``BadInput`` for a key that is not a plain relative path and
    ``Unavailable`` if the store does not answer.
    """

    @staticmethod
    def open(settings: Settings) -> "ObjectStore":
        """The store at ``settings.store_url``: a folder, or ``s3://bucket/prefix``."""
        if settings.store_url.startswith(SCHEME):
            return S3Objects(S3Folder.open(settings.store_url, settings.s3))
        return LocalObjects(Path(settings.store_url))

    def put_file(self, key: str, path: Path) -> FileRecord:
        """Store the file at ``path``; the record is named ``key``."""
        record = FileRecord(name=_checked(key), sha256=file_sha256(path), n_bytes=path.stat().st_size)
        with path.open("rb") as stream:
            self._put(key, stream)
        return record

    def put_bytes(self, key: str, data: bytes) -> FileRecord:
        """Store ``data``; the record is named ``key``."""
        record = FileRecord(name=_checked(key), sha256=bytes_sha256(data), n_bytes=len(data))
        self._put(key, io.BytesIO(data))
        return record

    def get_file(self, key: str, target: Path, sha256: str | None = None) -> Path:
        """Write the object to ``target``, which appears only when whole and, if ``sha256`` is given, verified.

        Raises:
            IntegrityError: there is no such object, or its bytes are not those of ``sha256``.
        """
        _checked(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        with _written_whole(target) as stream:
            self._fetch(key, stream)
            stream.flush()
            self._verify(key, file_sha256(Path(stream.name)) if sha256 else None, sha256)
        return target

    def get_bytes(self, key: str, sha256: str | None = None) -> bytes:
        """The object's bytes.

        Raises:
            IntegrityError: there is no such object, or its bytes are not those of ``sha256``.
        """
        _checked(key)
        stream = io.BytesIO()
        self._fetch(key, stream)
        self._verify(key, bytes_sha256(stream.getvalue()), sha256)
        return stream.getvalue()

    def _fetch(self, key: str, stream: IO[bytes]) -> None:
        try:
            self._get(key, stream)
        except FileNotFoundError:
            raise IntegrityError(
                f"Object {self.url(key)} is recorded but not stored. Restore it from a backup, or repeat its step."
            ) from None

    def _verify(self, key: str, got: str | None, sha256: str | None) -> None:
        if sha256 is not None and got != sha256:
            raise IntegrityError(
                f"Object {self.url(key)} is not what was recorded: sha256 {got}, expected {sha256}. "
                "It was changed or damaged; restore it from a backup, or repeat its step."
            )

    @abstractmethod
    def _put(self, key: str, stream: IO[bytes]) -> None: ...

    @abstractmethod
    def _get(self, key: str, stream: IO[bytes]) -> None: ...

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Whether there is an object named ``key``."""

    @abstractmethod
    def remove(self, key: str) -> None:
        """Remove the object named ``key``; nothing happens if there is none."""

    @abstractmethod
    def url(self, key: str) -> str:
        """Where a person finds the object: ``file://`` or ``s3://``."""

    @abstractmethod
    def list(self, prefix: str) -> Keys:
        """Keys that start with ``prefix``, sorted."""


class LocalObjects(ObjectStore):
    """Objects as files under one folder."""

    def __init__(self, root: Path):
        self.root = root.resolve()

    def _put(self, key: str, stream: IO[bytes]) -> None:
        path = self.root / key
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with _written_whole(path) as target:
                shutil.copyfileobj(stream, target)

    def _get(self, key: str, stream: IO[bytes]) -> None:
        with _translated(self.root / key), (self.root / key).open("rb") as source:
            shutil.copyfileobj(source, stream)

    def exists(self, key: str) -> bool:
        return (self.root / _checked(key)).is_file()

    def remove(self, key: str) -> None:
        path = self.root / _checked(key)
        with _translated(path):
            path.unlink(missing_ok=True)

    def url(self, key: str) -> str:
        return (self.root / _checked(key)).as_uri()

    def list(self, prefix: str) -> Keys:
        if prefix:
            _checked(prefix.removesuffix("/"))
        # Walk only the folder that the prefix names: the store grows with every partition.
        folder = self.root / prefix.rpartition("/")[0]
        files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(_UNFINISHED))
        keys = (path.relative_to(self.root).as_posix() for path in files)
        return sorted(key for key in keys if key.startswith(prefix))


class S3Objects(ObjectStore):
    """Objects on S3, or on anything that speaks its protocol."""

    def __init__(self, folder: S3Folder):
        self.folder = folder

    def _put(self, key: str, stream: IO[bytes]) -> None:
        self.folder.put(key, stream)

    def _get(self, key: str, stream: IO[bytes]) -> None:
        self.folder.get(key, stream)

    def exists(self, key: str) -> bool:
        return self.folder.exists(_checked(key))

    def remove(self, key: str) -> None:
        self.folder.remove(_checked(key))

    def url(self, key: str) -> str:
        return self.folder.url(_checked(key))

    def list(self, prefix: str) -> Keys:
        return self.folder.keys(prefix)


def _checked(key: str) -> str:
    parts = key.split("/")
    if not all(parts) or {".", ".."} & set(parts) or "\\" in key or not key.isprintable() or len(key) > 1000:
        raise BadInput(f"Object key {shown(key)} is invalid: expected a relative path like snapshots/name/file.csv.")
    return key


@contextlib.contextmanager
def _written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A stream, ``name`` its path for now, whose bytes become ``path`` only if the block ends without an error."""
    with tempfile.NamedTemporaryFile(prefix=_UNFINISHED, dir=path.parent, delete=False) as stream:
        try:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            os.replace(stream.name, path)
        except BaseException:
            Path(stream.name).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unavailable(f"Object store: {path} cannot be reached: {first_line(error)}. Retry later.") from error
