"""One line in the log for every event of the ledger, in logfmt: who, what, and why as a code.

Free text stays in the ledger, which the line names by pipeline and sequence: reasons, sentences and evidence are
written by people or made of delivered data, and a log is read by more people than the ledger.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

from include.perennial.contracts import CheckStatus
from include.perennial.messages import clipped
from include.perennial.run_ids import run_ids
from include.perennial.stores.ledger.events import Event, EventKind

log = logging.getLogger("perennial.ledger")

_PLAIN = re.compile(r"[A-Za-z0-9_.,:+/@\-]+")
_VALUE_LIMIT = 250
_JUDGED = {
    "verdict": "judgement.verdict",
    "partition": "plan.as_of",
    "trigger": "plan.request.trigger",
    "run_key": "plan.run_key",
    "champion": "judgement.champion_version",
}
_EVALUATED = {
    "verdict": "decision.outcome",
    "reason": "decision.reason",
    "trigger": "decision.trigger",
    "partition": "decision.key",
    "champion": "decision.champion_version",
    "training_run_id": "training_run_id",
}
_CROWNED = {
    "forced": "evidence.forced",
    "version": "version",
    "run_key": "run_key",
    "over_seq": "expected_champion_seq",
}
_ANSWERED = {"version": "version", "run_key": "run_key", "asked_in": "asked_in"}
_PARTITION = {"partition": "key", "commit": "commit", "sha256": "sha256", "rows": "rows"}
# Field of the line -> where it stands in the payload.
_FIELDS: dict[EventKind, dict[str, str]] = {
    EventKind.PARTITION_PUBLISHED: _PARTITION,
    EventKind.PARTITION_CHANGED: _PARTITION,
    EventKind.DATA_REFUSED: {"partition": "key", "sha256": "snapshot_digest"},
    EventKind.TRAINING_SKIPPED: {
        "reason": "why.reason",
        "partition": "request.as_of",
        "trigger": "request.trigger",
    },
    EventKind.JUDGED: _JUDGED,
    EventKind.DRY_RUN: _JUDGED,
    EventKind.REJUDGED: {
        "verdict": "judgement.verdict",
        "version": "version",
        "champion": "judgement.champion_version",
    },
    EventKind.REGISTERED: {"verdict": "verdict", "forced": "forced", "version": "version", "run_key": "run_key"},
    EventKind.APPROVED: _ANSWERED,
    EventKind.DECLINED: _ANSWERED,
    EventKind.PROMOTED: _CROWNED,
    EventKind.ROLLED_BACK: _CROWNED,
    EventKind.PROMOTION_REFUSED: {"reason": "promotion.status", "version": "version", "run_key": "run_key"},
    EventKind.MEASURED: {"verdict": "status", "reason": "labels", "partition": "key", "champion": "champion_version"},
    EventKind.TRIGGER_NOT_NEEDED: _EVALUATED,
    EventKind.TRIGGER_ASKED: _EVALUATED,
    EventKind.TRIGGER_SUPPRESSED: _EVALUATED,
}


def tell(event: Event, *, is_new: bool) -> None:
    """Log ``event``; ``is_new`` is False where it was found, such as by a retry of the task that recorded it."""
    if log.isEnabledFor(logging.INFO):
        log.info("%s", line(event, is_new=is_new))


def line(event: Event, *, is_new: bool) -> str:
    """``event`` and the ids of the run under way as logfmt; the same fields in the same order every time."""
    fields = {"ledger": event.kind.value, "pipeline": event.pipeline, "seq": event.seq, "new": is_new}
    told = dict(_told(event))
    ids = run_ids()
    # A run knows its partition; what the event says of its own counts more.
    fields |= {"verdict": event.kind.value} | told | {name: value for name, value in ids.items() if name not in told}
    return " ".join(f"{name}={_shown(value)}" for name, value in fields.items() if value not in (None, ""))


def _told(event: Event) -> Iterator[tuple[str, Any]]:
    for field, path in _FIELDS.get(event.kind, {}).items():
        value: Any = event.payload
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            yield field, value
    if failed := _failed_checks(event):
        yield "reason", ",".join(failed)


def _failed_checks(event: Event) -> list[str]:
    # The event is in the ledger already: whatever is missing here must not look like a failure to record it.
    judgement = event.payload.get("judgement")
    checks = judgement.get("checks", ()) if isinstance(judgement, Mapping) else ()
    return [str(check.get("name")) for check in checks if check.get("status") == CheckStatus.FAILED]


def _shown(value: object) -> str:
    if isinstance(value, bool | int):
        return str(value).lower()
    text = clipped(str(value), _VALUE_LIMIT)
    # JSON's quotes escape quotes, controls and what is not ASCII: no value can end the line or look like a field.
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
