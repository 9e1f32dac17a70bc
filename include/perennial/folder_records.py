"""What a folder holds, by content: the record against which the same files are checked later."""

from collections.abc import Sequence
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


def differences(recorded: Sequence[FileRecord], found: Sequence[FileRecord]) -> list[str]:
    """What is wrong with the files ``found`` where ``recorded`` are expected, a few words for each file."""
    expected = {record.name: record.sha256 for record in recorded}
    there = {record.name: record.sha256 for record in found}
    problems = [f"{name} is missing" for name in sorted(expected.keys() - there.keys())]
    problems += [f"{name} is not in the record" for name in sorted(there.keys() - expected.keys())]
    return problems + [
        f"{name} has sha256 {there[name][:12]} instead of {expected[name][:12]}"
        for name in sorted(expected.keys() & there.keys())
        if expected[name] != there[name]
    ]
