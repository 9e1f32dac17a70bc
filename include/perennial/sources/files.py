"""Deliveries that lie as files in a folder or under an S3 prefix."""

import shutil
from pathlib import Path

from include.perennial.errors import DataError
from include.perennial.messages import data_error, shown
from include.perennial.partitions import Partition
from include.perennial.s3 import SCHEME, S3Folder
from include.perennial.settings import S3Access
from include.perennial.sources.reading import ENDINGS
from include.perennial.spec import FilesSource

SIDECAR = ".sha256"


def deliver(source: FilesSource, partition: Partition, base: Path, target: Path, s3: S3Access) -> None:
    """Copy the partition's files, and their ``.sha256`` sidecars, into ``target``.

    ``path`` names one file, or a folder of which every file of the format is taken, but not its
    subfolders and not names that start with ``_`` or ``.`` (markers and unfinished files).

    Raises:
        DataError: there is nothing, or a file changed while it was copied.
        Unavailable: S3 does not answer.
    """
    path = source.path.replace("{key}", partition.key)
    copied = _from_s3(path, source, target, s3) if path.startswith(SCHEME) else _from_disk(base / path, source, target)
    if not copied:
        raise data_error(
            where=f"partition {partition.key}, source.path {shown(path, 200)}",
            got="no file",
            allowed=f"a file, or a folder with files ending in {' or '.join(ENDINGS[source.format])}",
            fix="deliver the file, or correct source.path in pipeline.yaml; then run the partition again",
        )


def _from_disk(path: Path, source: FilesSource, target: Path) -> int:
    folder = path if path.is_dir() else path.parent
    names = [entry.name for entry in folder.iterdir() if entry.is_file()] if folder.is_dir() else []
    wanted = _wanted(names, source) if path.is_dir() else [name for name in names if name == path.name]
    for name in (*wanted, *_sidecars(wanted, names)):
        _copy_unchanging(folder / name, target / name)
    return len(wanted)


def _from_s3(url: str, source: FilesSource, target: Path, access: S3Access) -> int:
    parent, _, last = url.rstrip("/").rpartition("/")
    if parent + "/" == SCHEME:
        parent, last = url.rstrip("/"), ""
    siblings = S3Folder.open(parent, access)
    folder, names = siblings, siblings.keys(last, deep=False)
    wanted = [name for name in names if last and name == last]
    if not wanted:
        folder = S3Folder.open(url, access)
        names = folder.keys(deep=False)
        wanted = _wanted(names, source)
    for name in (*wanted, *_sidecars(wanted, names)):
        with (target / name).open("wb") as file:
            folder.get(name, file)
    return len(wanted)


def _wanted(names: list[str], source: FilesSource) -> list[str]:
    endings = ENDINGS[source.format]
    return sorted(n for n in names if n.lower().removesuffix(".gz").endswith(endings) and n[0] not in "_.")


def _sidecars(wanted: list[str], names: list[str]) -> list[str]:
    return [name + SIDECAR for name in wanted if name + SIDECAR in names]


def _copy_unchanging(path: Path, target: Path) -> None:
    try:
        before = path.stat()
        shutil.copyfile(path, target)
        after = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Check that it exists and may be read.") from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise data_error(
            where=shown(str(path), 200),
            got="a file that changed while it was read",
            allowed="a file that is complete",
            fix="let the source write under another name and rename when done; then run the partition again",
        )
