"""Freeze: the champion stays, whatever is trained, until somebody unfreezes it."""

from include.perennial.steps.champion.change import Action, ChampionChange, change_of, checked_reason, said
from include.perennial.stores.ledger import FREEZING_KINDS, EventKind, Ledger

_CONSEQUENCE = {
    EventKind.FROZEN: "nothing is promoted or rolled back, while training, scoring and monitoring go on",
    EventKind.UNFROZEN: "the champion may change again",
}


def freeze(name: str, ledger: Ledger, *, reason: str, actor: str, dry_run: bool = True) -> ChampionChange:
    """Keep the champion of pipeline ``name``; nothing happens if it is frozen already.

    Raises:
        BadInput: no reason was given.
    """
    return _set(name, ledger, Action.FREEZE, EventKind.FROZEN, reason, actor, dry_run)


def unfreeze(name: str, ledger: Ledger, *, reason: str, actor: str, dry_run: bool = True) -> ChampionChange:
    """Let the champion of pipeline ``name`` change again; nothing happens if it is not frozen.

    Raises:
        BadInput: no reason was given.
    """
    return _set(name, ledger, Action.UNFREEZE, EventKind.UNFROZEN, reason, actor, dry_run)


def _set(
    name: str, ledger: Ledger, action: Action, wanted: EventKind, reason: str, actor: str, dry_run: bool
) -> ChampionChange:
    reason, champion = checked_reason(reason), ledger.champion(name)
    events = ledger.events(name, FREEZING_KINDS)
    last = events[-1] if events else None
    if (last.kind if last else EventKind.UNFROZEN) is wanted:
        since = f" since {last.at_utc:%Y-%m-%d %H:%M} UTC ({said(last)})" if last else ""
        return change_of(action, name, champion, f"{name} is {wanted} already{since}.", dry_run=dry_run)
    who = f"champion version {champion.version}" if champion else "no champion"
    if dry_run:
        sentence = f"Dry run: this would {action} {name} with {who}: {_CONSEQUENCE[wanted]}. Nothing was changed."
        return change_of(action, name, champion, sentence, dry_run=True)
    # Of two at once one is recorded: the key is the state that both have seen.
    key = str(last.seq if last else 0)
    payload = {"reason": reason, "champion_version": champion.version if champion else None}
    ledger.append(name, wanted, key, payload, actor)
    sentence = f"{name} is {wanted} with {who} ({reason}): {_CONSEQUENCE[wanted]}."
    return change_of(action, name, champion, sentence, dry_run=False)
