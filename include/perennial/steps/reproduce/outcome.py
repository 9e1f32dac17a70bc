"""What came of rebuilding a version."""

import enum
from collections.abc import Sequence

from include.perennial.contracts import Contract


class Outcome(enum.StrEnum):
    """How a reproduction ended. ``altered``: rebuilt, but what is stored is no longer what was recorded."""

    IDENTICAL = "identical"
    DIFFERENT = "different"
    ALTERED = "altered"
    FAILED = "failed"


class Compared(Contract):
    """One thing that was compared; ``difference`` is the largest absolute one, where it is a number."""

    name: str
    recorded: str | float
    rebuilt: str | float
    identical: bool
    difference: float | None = None


class Reproduction(Contract):
    """What came of rebuilding a version.

    ``problems`` say what is stored otherwise than recorded, or why it could not be rebuilt; ``notes`` what a reader
    should know of the code and the environment that it was rebuilt with.
    """

    pipeline: str
    version: str
    run_key: str
    code_commit: str
    data_commit: str
    outcome: Outcome
    sentence: str
    compared: tuple[Compared, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def outcome_of(compared: Sequence[Compared], problems: Sequence[str], *, failed: bool) -> Outcome:
    """How it ended; ``failed`` says that there is nothing to compare."""
    if failed:
        return Outcome.FAILED
    if problems:
        return Outcome.ALTERED
    return Outcome.IDENTICAL if all(one.identical for one in compared) else Outcome.DIFFERENT


def sentence_of(
    name: str, version: str, outcome: Outcome, compared: Sequence[Compared], problems: Sequence[str]
) -> str:
    """The outcome for a person, in one sentence and the problems."""
    who = f"Version {version} of {name}"
    if outcome is Outcome.FAILED:
        return f"{who} could not be rebuilt. {problems[-1]}"
    different = [one for one in compared if not one.identical]
    numbers = ", ".join(
        f"{one.name} by {one.difference:.3g}" if one.difference is not None else one.name for one in different
    )
    same = "identical: file, predictions and metrics" if not different else f"different: {numbers}"
    if outcome is Outcome.ALTERED:
        return f"{who} was rebuilt, {same}; but what is stored was altered. {' '.join(problems)}"
    return f"{who} was rebuilt, {same}."
