"""What a folder holds, by content: the record against which the same files are checked later."""

from pathlib import Path

from include.perennial.contracts import FileRecord
from include.perennial.digests import file_sha256


def folder_records(folder: Path) -> tuple[FileRecord, ...]:
    """Name, SHA-256 and size in bytes of every file under ``folder``, sorted by name."""
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    return tuple(
        FileRecord(name=name, sha256=file_sha256(path), n_bytes=path.stat().st_size)
        for name, path in sorted(paths.items())
    )
