"""The ledger's hash chain, and MLflow's versions and aliases against what the ledger says."""

from functools import partial

from include.perennial.contracts import Registration
from include.perennial.errors import BadInput
from include.perennial.steps.reconcile import CHALLENGER_ALIAS, CHAMPION_ALIAS, reconcile
from include.perennial.steps.verify.finding import Area, Finding, Found, Stores
from include.perennial.stores.ledger import (
    CONTENDING_KINDS,
    CROWNING_KINDS,
    Anchor,
    EventKind,
    Registered,
    challenger,
)
from include.perennial.stores.tracking.registry import LEDGER_HEAD_TAG

_RESTORE = "Restore the ledger from a backup; nothing repairs it, so that nothing can cover up."


def chain(name: str, stores: Stores) -> tuple[int, list[Found]]:
    """Each event is as it was written, after the one before."""
    found = [_broken(name, Area.LEDGER, problem) for problem in stores.ledger.verify(name)]
    return stores.ledger.head(name).seq, found


def end(name: str, stores: Stores) -> tuple[int, list[Found]]:
    """No event was cut off: the heads that MLflow's versions have kept are still in the chain."""
    anchors, found = _anchors(name, stores)
    cut = set(stores.ledger.verify(name, anchors)) - set(stores.ledger.verify(name))
    return len(anchors), found + [_broken(name, Area.LEDGER_END, problem) for problem in sorted(cut)]


def _broken(name: str, area: Area, problem: str) -> Found:
    where, _, what = problem.partition(": ")
    finding = Finding(
        pipeline=name,
        area=area,
        what="the ledger's hash chain is broken",
        where=where,
        expected="each event as it was written, after the one before",
        found=what,
        fix=_RESTORE,
    )
    return Found(finding)


def versions(name: str, stores: Stores) -> tuple[int, list[Found]]:
    """Every registered version is in MLflow."""
    registered = registrations(name, stores)
    current = stores.ledger.intact_events(name, CROWNING_KINDS)
    champion = str(current[-1].payload["version"]) if current else None
    found = []
    for one in registered:
        if stores.registry.version_exists(name, one.version):
            continue
        fix = "It cannot be registered again under its number: train again, or go on without it."
        if one.version == champion:
            fix = "It is the champion: roll back to another version, or train a new one."
        finding = Finding(
            pipeline=name,
            area=Area.VERSIONS,
            what="a registered version was deleted from MLflow",
            where=f"version {one.version} (run {one.run_key})",
            expected="the version that the ledger has registered",
            found="no such version",
            fix=fix,
        )
        found.append(Found(finding))
    return len(registered), found


def aliases(name: str, stores: Stores) -> tuple[int, list[Found]]:
    """The aliases ``champion`` and ``challenger`` name what the ledger says."""
    events = stores.ledger.intact_events(name, CONTENDING_KINDS)
    crownings = [event for event in events if event.kind in CROWNING_KINDS]
    next_in_line = challenger(events)
    wanted = {
        CHAMPION_ALIAS: str(crownings[-1].payload["version"]) if crownings else None,
        CHALLENGER_ALIAS: next_in_line.version if next_in_line else None,
    }
    # No alias can name what is not there; the deleted version is a finding of its own.
    wanted = {
        alias: version if version and stores.registry.version_exists(name, version) else None
        for alias, version in wanted.items()
    }
    there = stores.registry.aliases(name)
    whole = not stores.ledger.verify(name)
    found = []
    for alias, version in wanted.items():
        if there.get(alias) == version:
            continue
        finding = Finding(
            pipeline=name,
            area=Area.ALIASES,
            what="an alias in MLflow does not name what the ledger says",
            where=f"alias {alias}",
            expected=f"version {version}" if version else "unset",
            found=f"version {there[alias]}" if alias in there else "unset",
            fix="`verify --repair`, or the next training run." if whole else f"First the ledger. {_RESTORE}",
            repairable=whole,
        )
        # A ledger that was tampered with must not decide who is champion.
        found.append(Found(finding, partial(reconcile, name, stores.ledger, stores.registry) if whole else None))
    return len(wanted), found


def registrations(name: str, stores: Stores) -> list[Registration]:
    """The registered versions that count: of a run that was registered anew, the newest."""
    events = stores.ledger.intact_events(name, [EventKind.REGISTERED])
    by_run = {str(event.payload["run_key"]): Registered.model_validate(event.payload).registration for event in events}
    return list(by_run.values())


def _anchors(name: str, stores: Stores) -> tuple[list[Anchor], list[Found]]:
    anchors, found = [], []
    for version, text in sorted(stores.registry.tag_values(name, LEDGER_HEAD_TAG).items()):
        try:
            anchors.append(Anchor.parse(text))
        except BadInput as error:
            finding = Finding(
                pipeline=name,
                area=Area.LEDGER_END,
                what="a version's tag does not hold a ledger head",
                where=f"tag {LEDGER_HEAD_TAG} of version {version}",
                expected="pipeline:seq:sha256",
                found=str(error),
                fix="Somebody edited the tag in MLflow: remove it.",
            )
            found.append(Found(finding))
    return anchors, found
