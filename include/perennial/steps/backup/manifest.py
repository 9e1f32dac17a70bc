"""What a backup holds: written last, so that a backup that was interrupted has none and cannot be restored."""

import datetime as dt
import hashlib
from pathlib import Path

from pydantic import ValidationError

from include.perennial.contracts import Contract, FileRecord
from include.perennial.errors import BadInput, IntegrityError
from include.perennial.folder_records import differences, folder_records
from include.perennial.messages import clipped, first_line
from include.perennial.steps.backup.layout import FOLDERS, PARTS

NAME = "manifest.json"
_CHUNK_BYTES = 1 << 20


class Manifest(Contract):
    """``files`` by their names in the backup; ``heads`` are the ledger's, as ``pipeline:seq:hash``.

    ``artifacts`` is the folder of MLflow's files at the time: without a server MLflow notes it in its database.
    """

    made_at_utc: dt.datetime
    artifacts: str
    heads: tuple[str, ...]
    files: tuple[FileRecord, ...]

    @property
    def n_bytes(self) -> int:
        return sum(file.n_bytes for file in self.files)

    def write(self, folder: Path) -> None:
        (folder / NAME).write_text(self.model_dump_json(indent=1))

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest of the backup in ``folder``, after a look at every file of it.

        Raises:
            BadInput: ``folder`` holds no backup, or one that was interrupted.
            IntegrityError: a file is missing, changed or not in the manifest.
        """
        path = folder / NAME
        if not path.is_file():
            raise BadInput(f"{folder} holds no whole backup: there is no {NAME}, which is written last.")
        try:
            manifest = cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise IntegrityError(f"{path} cannot be read: {first_line(error)}. Use another backup.") from error
        found = [record for record in folder_records(folder) if record.name != NAME]
        problems = differences(manifest.files, found) + [
            f"{file.name} has no place in a backup" for file in manifest.files if not _has_place(file.name)
        ]
        if problems:
            raise IntegrityError(
                f"The backup {folder} is damaged: {clipped('; '.join(problems), 600)}. Use another one."
            )
        return manifest


def copy_file(source: Path, target: Path, name: str) -> FileRecord:
    """Copy a file; the record, under ``name``, is of the bytes that were written, whatever ``source`` becomes.

    Raises:
        FileNotFoundError: there is no ``source``.
    """
    digest = hashlib.sha256()
    with source.open("rb") as reading:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as writing:
            while chunk := reading.read(_CHUNK_BYTES):
                digest.update(chunk)
                writing.write(chunk)
            return FileRecord(name=name, sha256=digest.hexdigest(), n_bytes=writing.tell())


def _has_place(name: str) -> bool:
    part, *rest = name.split("/")
    return part in PARTS and bool(rest) == (part in FOLDERS) and not {"", ".", ".."} & set(rest)
