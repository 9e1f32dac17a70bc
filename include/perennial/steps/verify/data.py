"""Every partition that is recorded: now, and for each registered version as it was trained."""

from functools import partial

from include.perennial.contracts import Decision, PartitionVersion
from include.perennial.errors import IntegrityError
from include.perennial.steps.verify.finding import Area, Finding, Found, Stores
from include.perennial.stores.datasets.upkeep import PartitionUpkeep
from include.perennial.stores.ledger import EventKind


def remote(name: str, stores: Stores) -> tuple[int, list[Found]]:
    """Entries of the data registry can be read, and the DVC remote holds exactly their bytes."""
    versions, found = _recorded(name, stores)
    files = PartitionUpkeep(stores.settings)
    for version, problem in files.remote_problems(versions):
        copy = files.has_intact_copy(version)
        finding = Finding(
            pipeline=name,
            area=Area.DATA,
            what="a partition's object in the DVC remote is not what was recorded",
            where=f"partition {version.key}, object {version.md5}",
            expected=f"sha256 {version.sha256}, {version.n_bytes:,} bytes",
            found=problem,
            fix=(
                "`verify --repair` writes this machine's intact copy to the remote."
                if copy
                else "Restore the object from a backup, or ingest the partition again."
            ),
            repairable=copy,
        )
        found.append(Found(finding, partial(files.restore, version) if copy else None))
    return len(versions), found


def copies(name: str, stores: Stores) -> tuple[int, list[Found]]:
    """Copies of partitions on this machine have the recorded bytes."""
    files = PartitionUpkeep(stores.settings)
    there = [one for one in _recorded(name, stores)[0] if files.has_copy(one)]
    found = []
    for version in there:
        if files.has_intact_copy(version):
            continue
        finding = Finding(
            pipeline=name,
            area=Area.DATA_CACHE,
            what="this machine's copy of a partition is damaged",
            where=f"partition {version.key}, copy {version.sha256[:12]}",
            expected=f"sha256 {version.sha256}",
            found="other bytes",
            fix="`verify --repair` removes it; so does the next run that needs it.",
            repairable=True,
        )
        found.append(Found(finding, partial(files.drop_copy, version)))
    return len(there), found


def _recorded(name: str, stores: Stores) -> tuple[list[PartitionVersion], list[Found]]:
    """The distinct versions of partitions at the newest commit and at those that registered versions name."""
    versions: dict[str, PartitionVersion] = {}
    found = []
    for commit in _commits(name, stores):
        try:
            at = stores.data.partitions(name, commit)
        except IntegrityError as error:
            finding = Finding(
                pipeline=name,
                area=Area.DATA,
                what="the data registry cannot be read",
                where=f"commit {commit}",
                expected="a commit whose entries name each partition's digests",
                found=str(error),
                fix="Restore the data registry from a backup or from a clone of it.",
            )
            found.append(Found(finding))
            continue
        versions |= {version.sha256: version for version in at.values()}
    return sorted(versions.values(), key=lambda version: (version.key, version.sha256)), found


def _commits(name: str, stores: Stores) -> list[str]:
    runs = {str(event.payload["run_key"]) for event in stores.ledger.intact_events(name, [EventKind.REGISTERED])}
    judged = [event for event in stores.ledger.intact_events(name, [EventKind.JUDGED]) if event.key in runs]
    used = [Decision.model_validate(event.payload).plan.data_commit for event in judged]
    return list(dict.fromkeys([commit for commit in (*used, stores.data.head()) if commit]))
