"""Make a backup while the loop goes on."""

import datetime as dt
from pathlib import Path

from include.perennial.contracts import Contract, FileRecord
from include.perennial.digests import file_sha256
from include.perennial.errors import BadInput, Unavailable
from include.perennial.messages import clipped, first_line
from include.perennial.settings import Settings
from include.perennial.steps.backup.layout import ARTIFACTS, FOLDERS, LEDGER, MLFLOW, REGISTRY, Layout
from include.perennial.steps.backup.manifest import Manifest, copy_file
from include.perennial.stores.datasets.bundle import write_bundle
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.sqlite_files import copy_database, without_writers

_UNFINISHED = ".unfinished-"


class Saved(Contract):
    """What was saved. ``problems`` are those of the ledger's chain: the copy has them too."""

    folder: str
    files: int
    n_bytes: int
    heads: tuple[str, ...]
    gone: tuple[str, ...]
    problems: tuple[str, ...]
    sentence: str


def save(settings: Settings, folder: Path) -> Saved:
    """Copy everything that is recorded into ``folder``, which is made or empty. Tasks may run meanwhile.

    Writers to the ledger wait while the two databases are copied. A file that somebody removes meanwhile, which only
    `retain` and unfinished writes do, is listed in ``gone``.

    Raises:
        BadInput: ``folder`` holds something or is inside of what it would copy, a part is not on this machine, or
            there is no ledger.
        Unavailable: something cannot be read or written, or changed while it was read.
    """
    layout = Layout.of(settings)
    for name in (LEDGER, MLFLOW):
        if not layout.paths[name].is_file():
            raise BadInput(f"There is no {name} at {layout.paths[name]}: check PERENNIAL_HOME.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} holds something already: name a new or empty folder for the backup.")
    if inside := [str(layout.paths[name]) for name in FOLDERS if folder.resolve().is_relative_to(layout.paths[name])]:
        raise BadInput(f"{folder} is inside of {inside[0]}, which it would copy: name a folder elsewhere.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # It holds whatever the stores hold.
        folder.chmod(0o700)
        return _save(layout, folder)
    except OSError as error:
        raise Unavailable(f"The backup in {folder} failed: {first_line(error)}. It has no manifest.") from error


def _save(layout: Layout, folder: Path) -> Saved:
    started = dt.datetime.now(dt.timezone.utc)
    with without_writers(layout.paths[LEDGER]):
        for name in (LEDGER, MLFLOW):
            copy_database(layout.paths[name], folder / name)
    ledger = Ledger.open(f"sqlite:///{folder / LEDGER}")
    problems = tuple(ledger.verify())
    heads = tuple(str(ledger.head(pipeline)) for pipeline in ledger.pipelines())
    single = [LEDGER, MLFLOW]
    if write_bundle(layout.paths[REGISTRY], folder / REGISTRY):
        single.append(REGISTRY)
    records, gone = [_record(folder, name) for name in single], []
    for name in FOLDERS:
        copied, vanished = _copy_folder(layout.paths[name], folder, name)
        records += copied
        gone += vanished
    files = tuple(sorted(records, key=lambda record: record.name))
    manifest = Manifest(made_at_utc=started, artifacts=str(layout.paths[ARTIFACTS]), heads=heads, files=files)
    manifest.write(folder)
    sentence = f"Saved {len(files):,} files, {manifest.n_bytes / 1e6:,.1f} MB, of {started:%Y-%m-%d %H:%M} UTC."
    if gone:
        sentence += f" {len(gone)} were removed while it ran: {clipped(', '.join(gone), 300)}."
    if problems:
        sentence += f" The ledger is not whole: {clipped('; '.join(problems), 300)}."
    return Saved(
        folder=str(folder),
        files=len(files),
        n_bytes=manifest.n_bytes,
        heads=heads,
        gone=tuple(gone),
        problems=problems,
        sentence=sentence,
    )


def _record(folder: Path, name: str) -> FileRecord:
    return FileRecord(name=name, sha256=file_sha256(folder / name), n_bytes=(folder / name).stat().st_size)


def _copy_folder(source: Path, backup: Path, name: str) -> tuple[list[FileRecord], list[str]]:
    """Records of the files of ``source``, copied below ``name``, and the names of those removed meanwhile."""
    records, gone = [], []
    for path in sorted(path for path in source.rglob("*") if path.is_file() and not path.name.startswith(_UNFINISHED)):
        inside = f"{name}/{path.relative_to(source).as_posix()}"
        try:
            records.append(copy_file(path, backup / inside, inside))
        except FileNotFoundError:
            gone.append(inside)
    return records, gone
