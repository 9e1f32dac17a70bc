"""Step 1: keep a delivery exactly as it came, under the digest of its bytes.

The manifest is written last: a snapshot without one is unfinished and does not exist for anyone.
Nothing here judges what the files hold; the next step does, on these very bytes.
"""

import datetime as dt
import json
import logging
import re
import tempfile
from pathlib import Path

from include.perennial.contracts import FileRecord, Snapshot
from include.perennial.digests import canonical_json, digest, file_sha256
from include.perennial.errors import DataError, IntegrityError
from include.perennial.messages import data_error, shown
from include.perennial.partitions import UTC, Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.sources import Connections, deliver, deliver_labels
from include.perennial.sources.files import SIDECAR
from include.perennial.sources.reading import peek
from include.perennial.spec import PythonSource
from include.perennial.steps.delivered import LABELS, LATE, fetch_late
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.snapshot_folder import MANIFEST, snapshot_prefix

log = logging.getLogger(__name__)

Looks = dict[str, tuple[int | None, tuple[str, ...]]]
_SHA256SUM = re.compile(r"([0-9a-fA-F]{64})\b")


def take_snapshot(
    pipeline: Pipeline,
    partition: Partition,
    store: ObjectStore,
    connections: Connections,
    *,
    late: bool = True,
    now_utc: dt.datetime | None = None,
) -> Snapshot:
    """Deliver the partition and store it under ``snapshots/<pipeline>/<key>/<digest>/``.

    With it the rows that other deliveries have brought for the partition (unless ``late`` is False), and its labels,
    if they come from a source of their own and are due. The same bytes are the same snapshot, whoever delivers them
    and however often; ``new`` is then False.

    Raises:
        DataError: there is no delivery, no delivery of labels that are due, or a file is not what its ``.sha256``
            sidecar says.
        Unavailable: the source or the object store does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="perennial-") as name:
        folder = Path(name)
        deliver(pipeline, partition, folder, connections)
        if late:
            fetch_late(pipeline.spec.name, partition.key, store, folder)
        if pipeline.spec.data.labels and (now_utc or dt.datetime.now(UTC)) >= pipeline.spec.labels_due_utc(partition):
            deliver_labels(pipeline, partition, folder / LABELS, connections)
        return store_snapshot(pipeline, partition, folder, store)


def store_snapshot(pipeline: Pipeline, partition: Partition, folder: Path, store: ObjectStore) -> Snapshot:
    """Keep all files of ``folder`` as a snapshot of the partition; see ``take_snapshot``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    verified = [_verified(path) for path in files if path.name.endswith(SIDECAR)]
    records = tuple(_record(path, folder) for path in files if not path.name.endswith(SIDECAR))
    looks = {record.name: peek(folder / record.name) for record in records}
    snapshot = _describe(pipeline, partition, records, looks)
    manifest = f"{snapshot.prefix}/{MANIFEST}"
    if store.exists(manifest):
        log.info("Partition %s: the delivery %s is already stored", partition.key, snapshot.digest[:16])
        return snapshot.model_copy(update={"new": False})
    for record in records:
        store.put_file(f"{snapshot.prefix}/{record.name}", folder / record.name)
    store.put_bytes(manifest, _manifest(pipeline, snapshot, looks, verified))
    log.info("Partition %s: stored %d files as %s", partition.key, len(records), snapshot.prefix)
    return snapshot


def fetch_snapshot(snapshot: Snapshot, store: ObjectStore, folder: Path) -> None:
    """Write the snapshot's files into ``folder``, each verified against its recorded digest.

    Raises:
        IntegrityError: a file is missing from the store, or its bytes have changed.
    """
    for record in snapshot.files:
        store.get_file(f"{snapshot.prefix}/{record.name}", folder / record.name, sha256=record.sha256)


def load_snapshot(prefix: str, store: ObjectStore) -> Snapshot:
    """The snapshot stored under ``prefix``, from its manifest.

    Raises:
        IntegrityError: there is no manifest, or it is not of a snapshot under this prefix.
    """
    content = json.loads(store.get_bytes(f"{prefix}/{MANIFEST}"))
    snapshot = Snapshot.model_validate({**content["snapshot"], "new": False})
    if snapshot.prefix != prefix or snapshot.digest != _digest(snapshot.files):
        raise IntegrityError(f"The manifest under {shown(prefix, 200)} is of another snapshot: restore it.")
    return snapshot


def _describe(pipeline: Pipeline, partition: Partition, records: tuple[FileRecord, ...], looks: Looks) -> Snapshot:
    looks = {name: look for name, look in looks.items() if not name.startswith((f"{LATE}/", f"{LABELS}/"))}
    # The files of a Python source are different tables: their rows do not add up.
    one_table = len(looks) == 1 or not isinstance(pipeline.spec.source, PythonSource)
    counts = [rows for rows, _ in looks.values() if rows is not None]
    sha256 = _digest(records)
    return Snapshot(
        pipeline=pipeline.spec.name,
        key=partition.key,
        digest=sha256,
        prefix=snapshot_prefix(pipeline.spec.name, partition.key, sha256),
        files=records,
        rows=sum(counts) if one_table and len(counts) == len(looks) else None,
        columns=next(iter(looks.values()), (None, ()))[1] if one_table else (),
        new=True,
    )


def _digest(records: tuple[FileRecord, ...]) -> str:
    return digest([[record.name, record.sha256] for record in records])


def _record(path: Path, folder: Path) -> FileRecord:
    name = path.relative_to(folder).as_posix()
    if name == MANIFEST or path.is_symlink():
        raise DataError(f"Delivered file {shown(name)} cannot be kept: expected a regular file not named {MANIFEST}.")
    return FileRecord(name=name, sha256=file_sha256(path), n_bytes=path.stat().st_size)


def _verified(sidecar: Path) -> str:
    """Check the file beside a ``.sha256`` sidecar (``sha256sum``'s form): a cut-off text file parses without a word."""
    path = sidecar.with_name(sidecar.name.removesuffix(SIDECAR))
    match = _SHA256SUM.match(sidecar.read_text(errors="replace").lstrip("\ufeff\\"))
    if not match or not path.is_file():
        raise data_error(
            where=shown(sidecar.name),
            got="no SHA-256 in it" if path.is_file() else "no file beside it",
            allowed="64 hexadecimal digits, and the file that they are of",
            fix="write it with sha256sum when the file is complete",
        )
    if (found := file_sha256(path)) != match[1].lower():
        raise data_error(
            where=shown(path.name),
            got=f"sha256 {found} ({path.stat().st_size} bytes)",
            allowed=f"sha256 {match[1].lower()}, as {shown(sidecar.name)} says",
            fix="the file was cut off or changed on its way: deliver it again, whole",
        )
    return path.name


def _manifest(pipeline: Pipeline, snapshot: Snapshot, looks: Looks, verified: list[str]) -> bytes:
    """The snapshot, and beside it what is true of this delivery only and stays out of the digest."""
    content = {
        "snapshot": snapshot.model_dump(mode="json", exclude={"new"}),
        "tables": {name: {"rows": rows, "columns": list(columns)} for name, (rows, columns) in looks.items()},
        "source": pipeline.spec.source.model_dump(mode="json"),
        "verified_by_sidecar": verified,
        "delivered_at_utc": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
    }
    return canonical_json(content).encode()
