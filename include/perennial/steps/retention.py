"""Retention: which objects of old partitions nobody needs any more, and their removal. A dry run unless told otherwise.

Removed are raw deliveries, copies of partitions, quarantines, data docs, cards and drift reports. What the ledger
rests on stays: the data registry with its DVC remote, MLflow, the prediction log and the recorded predictions.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from include.perennial.contracts import Contract, Decision
from include.perennial.errors import BadInput, IntegrityError
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.stores.ledger import CROWNING_KINDS, Event, EventKind, Ledger, challenger
from include.perennial.stores.ledger.reigns import CONTENDING_KINDS
from include.perennial.stores.objects import ObjectStore

AREAS = ("snapshots", "partitions", "quarantine", "late", "docs", "monitor")
_KINDS = CONTENDING_KINDS | {EventKind.JUDGED, EventKind.PARTITION_PUBLISHED}
_SHORT = 16  # characters of a digest that names of objects carry

logger = logging.getLogger(__name__)


class Retention(Contract):
    """What was removed, or would be if this were no dry run: ``removed`` counts objects by area.

    ``kept_versions`` are the model versions whose data, cards and reports stay whatever their age.
    """

    pipeline: str
    keep_from: str
    dry_run: bool
    kept_versions: tuple[str, ...]
    removed: dict[str, int]
    sentence: str


@dataclass(frozen=True)
class Needed:
    """What stays whatever its age: model versions by number, and the digests, as names carry them, of their data."""

    versions: frozenset[str]
    digests: frozenset[str]


def retain(
    pipeline: Pipeline,
    keep_from: str,
    *,
    ledger: Ledger,
    store: ObjectStore,
    previous_champions: int = 3,
    dry_run: bool = True,
) -> Retention:
    """Remove what is older than partition ``keep_from`` and what no needed version rests on.

    Needed are the champion, ``previous_champions`` before it, and every version that may still take the crown. May
    be repeated, and completed after a kill.

    Raises:
        BadInput: ``keep_from`` is no partition key, or ``previous_champions`` is negative.
        IntegrityError: the ledger does not say what a needed version was trained on; nothing was removed.
        Unavailable: the object store or the ledger does not answer.
    """
    name, oldest = pipeline.spec.name, Partition.of_key(keep_from, pipeline.spec.period).key
    if previous_champions < 0:
        raise BadInput(f"previous_champions is {previous_champions}: expected 0 or more.")
    needed = needed_by(ledger.events(name, _KINDS), previous_champions)
    keys = [key for area in AREAS for key in store.list(f"{area}/{name}/")]
    old = [key for key in keys if is_removable(key, oldest, needed)]
    for key in [] if dry_run else old:
        store.remove(key)
    counts = dict(Counter(key.partition("/")[0] for key in old))
    done = "would be removed" if dry_run else "were removed"
    versions = tuple(sorted(needed.versions, key=lambda version: (len(version), version)))
    sentence = (
        f"{len(old):,} of {len(keys):,} objects of {name} from before {oldest} {done}; versions "
        f"{', '.join(versions) or 'none'} keep all they rest on."
    )
    logger.info("%s", sentence)
    return Retention(
        pipeline=name, keep_from=oldest, dry_run=dry_run, kept_versions=versions, removed=counts, sentence=sentence
    )


def needed_by(events: Iterable[Event], previous_champions: int) -> Needed:
    """What the champion, the ``previous_champions`` before it and the versions in waiting rest on.

    ``events`` of a pipeline are given oldest first.

    Raises:
        IntegrityError: there is no decision about one of them.
    """
    events = list(events)
    run_keys = {
        str(event.payload["version"]): str(event.payload["run_key"])
        for event in events
        if event.kind in CONTENDING_KINDS
    }
    crowned = [event for event in events if event.kind in CROWNING_KINDS]
    champions = list(dict.fromkeys(str(event.payload["version"]) for event in reversed(crowned)))
    versions = set(champions[: previous_champions + 1])
    last = crowned[-1].seq if crowned else 0
    # Whoever was registered since may wait for an approval, or be crowned by hand.
    versions |= {str(e.payload["version"]) for e in events if e.kind is EventKind.REGISTERED and e.seq > last}
    if shadow := challenger([event for event in events if event.kind in CONTENDING_KINDS]):
        versions.add(shadow.version)
    decisions = {event.key: event for event in events if event.kind is EventKind.JUDGED}
    data = {sha256 for version in versions for sha256 in _trained_on(version, run_keys[version], decisions)}
    snapshots = {str(e.payload["snapshot_digest"]) for e in _published(events) if e.payload["sha256"] in data}
    return Needed(frozenset(versions), frozenset(one[:_SHORT] for one in data | snapshots))


def is_removable(key: str, keep_from: str, needed: Needed) -> bool:
    """Whether the object ``key`` is of a partition before ``keep_from`` and rests on nothing that is needed.

    An object whose name is not understood stays.
    """
    area, _, folder, *rest = key.split("/")
    name = rest[0].partition(".")[0] if rest else ""
    if area == "monitor":
        return folder[:1] == "v" and folder[1:] not in needed.versions and _is_before(name, keep_from)
    if not _is_before(folder, keep_from):
        return False
    if area == "late":
        return True
    kind, _, last = name.rpartition("-")
    if kind == "model-card":
        return last.removeprefix("v") not in needed.versions
    return kind in ("", "data-card", "profile") and _is_digest(last) and last[:_SHORT] not in needed.digests


def _published(events: list[Event]) -> list[Event]:
    return [event for event in events if event.kind is EventKind.PARTITION_PUBLISHED]


def _trained_on(version: str, run_key: str, decisions: dict[str, Event]) -> set[str]:
    if run_key not in decisions:
        raise IntegrityError(
            f"The ledger has no decision {run_key}, so what version {version} was trained on is unknown: nothing was "
            "removed. Restore the ledger from a backup."
        )
    plan = Decision.model_validate(decisions[run_key].payload).plan
    return {ref.sha256 for ref in (*plan.train, *plan.holdout)}


def _is_before(key: str, keep_from: str) -> bool:
    # Keys are days, so that their order is that of time; anything else is no partition.
    return len(key) == len(keep_from) and key[:4].isdecimal() and key < keep_from


def _is_digest(text: str) -> bool:
    return len(text) >= _SHORT and all(character in "0123456789abcdef" for character in text)
