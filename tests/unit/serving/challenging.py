"""A version that passed the gate and waits for a person."""

from include.perennial.contracts import Verdict
from include.perennial.stores.ledger import EventKind, Registered
from tests.closed_loop import WEEK, Loop


def challenge(loop: Loop) -> None:
    """Version 4, the model of version 1, challenges the champion with newer data."""
    [event] = [e for e in loop.ledger.events("toy", [EventKind.REGISTERED]) if e.payload["version"] == "1"]
    given = Registered.model_validate(event.payload)
    later = given.model_copy(update={"version": "4", "cutoff": WEEK[6], "verdict": Verdict.PASSED})
    loop.ledger.append("toy", EventKind.REGISTERED, "challenge", later.model_dump(mode="json"), "tests")
