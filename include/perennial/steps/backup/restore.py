"""Put a backup into an empty home, on this machine or another."""

import os
import shutil
import uuid
from pathlib import Path

from include.perennial.contracts import Contract
from include.perennial.errors import BadInput, IntegrityError, Unavailable
from include.perennial.messages import first_line
from include.perennial.settings import Settings
from include.perennial.steps.backup.layout import ARTIFACTS, LEDGER, MLFLOW, PARTS, REGISTRY, Layout
from include.perennial.steps.backup.manifest import Manifest, copy_file
from include.perennial.stores.datasets.bundle import read_bundle
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.tracking.moved import rename_artifacts


class Restored(Contract):
    """What was, or in a dry run would be, restored."""

    home: str
    files: int
    n_bytes: int
    heads: tuple[str, ...]
    dry_run: bool
    sentence: str


def restore(settings: Settings, folder: Path, *, dry_run: bool = True) -> Restored:
    """Put the backup in ``folder`` where ``settings`` have their stores, which must not be there yet.

    Every file's SHA-256 is checked before anything is written, and again as it is written. The ledger comes last:
    a restore that was interrupted has none.

    Raises:
        BadInput: ``folder`` is no backup, or there is something where it would go.
        IntegrityError: the backup is damaged.
        Unavailable: something cannot be written.
    """
    layout = Layout.of(settings)
    taken = [str(path) for path in layout.paths.values() if _is_taken(path)]
    if taken:
        raise BadInput(
            f"There is something already at {', '.join(taken)}; nothing is ever overwritten. Name an empty home in "
            "PERENNIAL_HOME, or move these away and stop what uses them."
        )
    manifest = Manifest.read(folder)
    if not dry_run:
        try:
            _restore(manifest, layout, folder)
        except OSError as error:
            raise Unavailable(f"The restore failed: {first_line(error)}. Remove what it has written.") from error
    does = "Dry run: this would restore" if dry_run else "Restored"
    return Restored(
        home=str(settings.home),
        files=len(manifest.files),
        n_bytes=manifest.n_bytes,
        heads=manifest.heads,
        dry_run=dry_run,
        sentence=(
            f"{does} {len(manifest.files):,} files, {manifest.n_bytes / 1e6:,.1f} MB, of "
            f"{manifest.made_at_utc:%Y-%m-%d %H:%M} UTC to {settings.home}."
        ),
    )


def _restore(manifest: Manifest, layout: Layout, folder: Path) -> None:
    # Beside its place, so that each part appears there at once and whole.
    suffix = f".restoring-{uuid.uuid4().hex[:8]}"
    staged = {part: path.with_name(path.name + suffix) for part, path in layout.paths.items()}
    try:
        for record in manifest.files:
            part, _, inside = record.name.partition("/")
            target = staged[part] / inside if inside else staged[part]
            if part == REGISTRY:
                read_bundle(folder / record.name, target)
            elif copy_file(folder / record.name, target, record.name) != record:
                raise IntegrityError(f"{record.name} changed while it was restored. Check the disk, and try again.")
        rename_artifacts(staged[MLFLOW], manifest.artifacts, str(layout.paths[ARTIFACTS]))
        _check_heads(staged[LEDGER], manifest)
        for part in reversed(PARTS):
            if staged[part].exists():
                _place(staged[part], layout.paths[part])
    finally:
        for path in staged.values():
            _remove(path)


def _check_heads(ledger_path: Path, manifest: Manifest) -> None:
    ledger = Ledger.open(f"sqlite:///{ledger_path}")
    heads = tuple(str(ledger.head(pipeline)) for pipeline in ledger.pipelines())
    if heads != manifest.heads:
        raise IntegrityError(f"The ledger ends at {heads}, the manifest has {manifest.heads}. Use another backup.")


def _is_taken(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.exists()


def _place(staged: Path, target: Path) -> None:
    if target.is_dir():
        target.rmdir()
    os.rename(staged, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
