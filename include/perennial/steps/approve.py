"""Approve: a person's answer between gate and promotion, where the spec asks for one.

How the question is put and answered is Airflow's business. Here stand when it is put, what it says, and how the
answer is recorded. What follows is up to ``promote``, which asks the ledger: a task that was only marked as done has
approved nothing.
"""

import datetime as dt

from include.perennial.contracts import Contract, Decision, Registration, Verdict
from include.perennial.decision_report import decision_markdown
from include.perennial.digests import digest
from include.perennial.markdown import text
from include.perennial.messages import ascii_controls_escaped, clipped
from include.perennial.spec.approval import Approval, DefaultAnswer
from include.perennial.stores.ledger import Event, EventKind, Ledger
from include.perennial.stores.ledger.events import Answered

_NAME_LIMIT = 100


class Response(Contract):
    """What Airflow says was answered: ``by`` is the user it knows, None when the time ran out."""

    approve: bool
    by: str | None
    at_utc: dt.datetime
    timed_out: bool


class Question(Contract):
    """What a person is asked; ``body`` is Markdown in which delivered names and values are escaped."""

    subject: str
    body: str


def reason_not_to_ask(
    registration: Registration, decision: Decision, asked_in: str, ledger: Ledger, *, forced: bool = False
) -> str | None:
    """Why nobody needs to be asked in run ``asked_in``; None if somebody must be.

    A version that ``promote`` refuses whatever is answered, or that was approved in this run before, asks nobody.

    Raises:
        Unavailable: the ledger does not answer.
    """
    name, version = registration.pipeline, registration.version
    champion = ledger.champion(name)
    if champion is not None and champion.run_key == registration.run_key:
        return f"Version {version} is champion already: there is nothing to approve."
    if decision.judgement.verdict is not Verdict.PASSED and not forced:
        return f"Version {version} cannot be promoted, there is nothing to approve. {decision.judgement.sentence}"
    if ledger.is_frozen(name):
        return f"{name} is frozen: there is nothing to approve."
    if approval := approval_of(registration, asked_in, ledger):
        return Answered.model_validate(approval.payload).sentence
    return None


def question(registration: Registration, decision: Decision, approval: Approval, *, reason: str = "") -> Question:
    """What a person is asked about ``registration``; ``reason`` is why somebody forces it against the gate."""
    version, name = registration.version, registration.pipeline
    champion = decision.judgement.champion_version
    over = f"in place of version {champion}" if champion else "as the first champion"
    silence = {
        DefaultAnswer.REJECT: "it stays registered and is not promoted",
        DefaultAnswer.APPROVE: "it counts as approved",
    }
    lines = [
        f"**Approve**: version {text(version)} of {text(name)} is promoted {over}; if the champion changes before "
        "that, it is judged against the new one first.",
        "**Reject**: it stays registered, and the champion stays.",
        f"Without an answer within {approval.time_limit_hours:g} hours {silence[approval.default]}.",
        *([f"Forced against the gate: {text(reason)}"] if reason else []),
        decision_markdown(decision),
    ]
    return Question(subject=f"Promote version {version} of {name}?", body="\n\n".join(lines))


def record_answer(
    registration: Registration, response: Response, approval: Approval, asked_in: str, ledger: Ledger
) -> Event:
    """Add the answer to the ledger; an approval given in this run before is returned as it stands.

    Only a person approves, or silence where the spec says so; anything else declines.

    Raises:
        Unavailable: the ledger does not answer.
    """
    version, by = registration.version, response.by
    by_default = response.timed_out and approval.default is DefaultAnswer.APPROVE
    approved = response.approve and (by is not None or by_default)
    who = _shown(by) if by is not None else "nobody"
    verb = "approved" if approved else "declined"
    given = f"{verb} by {who}" if by is not None else f"{verb}: nobody answered in time"
    answered = Answered(
        run_key=registration.run_key,
        version=version,
        by=by,
        at_utc=response.at_utc,
        asked_in=asked_in,
        sentence=f"Version {version} was {given}, {response.at_utc:%Y-%m-%d %H:%M} UTC.",
    )
    key = _key(registration, asked_in)
    # Whoever was declined may be asked about again, by clearing the task; each of the answers is kept.
    kind, key = (EventKind.APPROVED, key) if approved else (EventKind.DECLINED, f"{key}/{response.at_utc.isoformat()}")
    return ledger.append(registration.pipeline, kind, key, answered.model_dump(mode="json"), f"airflow:{who}")


def approval_of(registration: Registration, asked_in: str, ledger: Ledger) -> Event | None:
    """The approval of this version that was given in run ``asked_in``."""
    return ledger.find(registration.pipeline, EventKind.APPROVED, _key(registration, asked_in))


def missing_approval(registration: Registration, asked_in: str, ledger: Ledger) -> str | None:
    """Why the version may not be promoted in run ``asked_in``; None if it was approved there."""
    if approval_of(registration, asked_in, ledger):
        return None
    answers = ledger.events(registration.pipeline, [EventKind.DECLINED])
    prefix = _key(registration, asked_in)
    declined = [Answered.model_validate(event.payload) for event in answers if event.key.startswith(prefix)]
    if declined:
        return declined[-1].sentence
    return f"Version {registration.version} needs a person's approval, and the ledger has none of this run."


def _key(registration: Registration, asked_in: str) -> str:
    # Run ids may be as long as a key may be.
    return f"{registration.run_key}/{registration.version}/{digest(asked_in)[:16]}"


def _shown(name: str) -> str:
    return clipped(ascii_controls_escaped(name), _NAME_LIMIT) or "a user without a name"
