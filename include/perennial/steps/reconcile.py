"""Aliases follow the ledger: ``champion`` and ``challenger`` in MLflow are set to what the ledger says.

Whatever moved an alias (a person, another tool, a process that died half-way, two that
overtook each other), running this again puts it right.
"""

import logging
from dataclasses import dataclass

from include.perennial.errors import Unavailable
from include.perennial.stores.ledger import (
    CONTENDING_KINDS,
    CROWNING_KINDS,
    Champion,
    EventKind,
    Ledger,
    challenger,
)
from include.perennial.stores.tracking.registry import LEDGER_HEAD_TAG, Registry

CHAMPION_ALIAS = "champion"
CHALLENGER_ALIAS = "challenger"
# Set on a version once its alias was seen to follow the ledger event of this seq. Until then
# an alias that still names an earlier champion merely lags; afterwards it was moved.
CROWNED_TAG = "perennial.champion_seq"
_ACTOR = "reconciler"
_ROUNDS = 5

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Wanted:
    """What the ledger says the aliases should name. ``crowned`` are the versions that ever were champion."""

    champion: Champion | None
    challenger: str | None
    crowned: frozenset[str]


def reconcile(pipeline: str, ledger: Ledger, registry: Registry) -> list[str]:
    """Make MLflow's aliases of ``pipeline`` name what the ledger says; returns what was changed or is wrong, in words.

    An alias that somebody moved, removed or left dangling is recorded as ``alias_repaired``;
    one that only lags behind a promotion is not.

    Raises:
        Unavailable: MLflow or the ledger does not answer, or something else keeps moving the aliases.
    """
    done: list[str] = []
    for _ in range(_ROUNDS):
        wanted = _wanted(pipeline, ledger)
        aliases = registry.aliases(pipeline)
        if ledger.champion(pipeline) != wanted.champion:
            continue  # the alias of a newer champion would look like a moved one
        tags = registry.tags(pipeline, wanted.champion.version) if wanted.champion else None
        changed = _align_champion(pipeline, wanted, aliases.get(CHAMPION_ALIAS), tags, ledger, registry)
        changed += _align_challenger(pipeline, wanted, aliases.get(CHALLENGER_ALIAS), registry)
        done += changed
        if not changed:
            return done + _deleted_champion(pipeline, wanted.champion, tags)
        # A slower process may have set its alias after ours: whoever writes one looks again.
    raise Unavailable(f"The aliases of {pipeline} in MLflow moved {_ROUNDS} times while they were set. Retry.")


def _wanted(pipeline: str, ledger: Ledger) -> _Wanted:
    events = ledger.events(pipeline, CONTENDING_KINDS)
    crownings = [event for event in events if event.kind in CROWNING_KINDS]
    next_in_line = challenger(events)
    return _Wanted(
        champion=Champion.of(crownings[-1]) if crownings else None,
        challenger=next_in_line.version if next_in_line else None,
        crowned=frozenset(str(event.payload["version"]) for event in crownings),
    )


def _align_champion(
    pipeline: str, wanted: _Wanted, found: str | None, tags: dict[str, str] | None, ledger: Ledger, registry: Registry
) -> list[str]:
    """Set the alias; ``tags`` are those of the champion's version, None if it has none or was deleted."""
    champion = wanted.champion
    if champion is None or tags is None:
        return _remove_champion_alias(pipeline, champion, found, ledger, registry)
    projected = tags.get(CROWNED_TAG) == str(champion.seq)
    if found == champion.version and projected:
        return []
    lags = not projected and (found is None or found in wanted.crowned)
    if not lags:
        _record_repair(pipeline, found, champion, ledger)
    registry.set_alias(pipeline, CHAMPION_ALIAS, champion.version)
    head = str(ledger.head(pipeline))
    registry.set_tags(pipeline, champion.version, {CROWNED_TAG: str(champion.seq), LEDGER_HEAD_TAG: head})
    return [f"Alias champion of {pipeline} set to version {champion.version} (was {found or 'unset'})."]


def _remove_champion_alias(
    pipeline: str, champion: Champion | None, found: str | None, ledger: Ledger, registry: Registry
) -> list[str]:
    if found is None:
        return []
    _record_repair(pipeline, found, champion, ledger)
    registry.delete_alias(pipeline, CHAMPION_ALIAS)
    return [f"Alias champion of {pipeline} removed (it named version {found})."]


def _deleted_champion(pipeline: str, champion: Champion | None, tags: dict[str, str] | None) -> list[str]:
    if champion is None or tags is not None:
        return []
    return [
        f"Version {champion.version} of {pipeline} is champion in the ledger but was deleted from MLflow: "
        "roll back to another version or train a new one."
    ]


def _record_repair(pipeline: str, found: str | None, champion: Champion | None, ledger: Ledger) -> None:
    head = ledger.head(pipeline)
    payload = {
        "alias": CHAMPION_ALIAS,
        "found": found,
        "champion_version": champion.version if champion else None,
        "champion_seq": champion.seq if champion else None,
    }
    # The head makes the key: two reconcilers that see the same thing record it once.
    ledger.append(pipeline, EventKind.ALIAS_REPAIRED, f"{CHAMPION_ALIAS}/{head.seq}", payload, _ACTOR)
    logger.warning("Alias champion of %s was moved: %s", pipeline, payload)


def _align_challenger(pipeline: str, wanted: _Wanted, found: str | None, registry: Registry) -> list[str]:
    version = wanted.challenger
    if version is not None and not registry.version_exists(pipeline, version):
        version = None
    if found == version:
        return []
    if version is None:
        registry.delete_alias(pipeline, CHALLENGER_ALIAS)
        return [f"Alias challenger of {pipeline} removed (it named version {found})."]
    registry.set_alias(pipeline, CHALLENGER_ALIAS, version)
    return [f"Alias challenger of {pipeline} set to version {version} (was {found or 'unset'})."]
