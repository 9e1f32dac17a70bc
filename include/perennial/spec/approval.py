"""The ``approval:`` section: whether a person stands between the gate and the promotion, and for how long.

``approval: required`` takes the defaults below; a mapping changes them. Without the section nobody is asked.
"""

import datetime as dt
import enum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from include.perennial.spec.fields import Spec, refused
from include.perennial.spec.words import found

REQUIRED = "required"


class DefaultAnswer(enum.StrEnum):
    """What silence means when the time is up."""

    REJECT = "reject"
    APPROVE = "approve"


class Approval(Spec):
    """A version that passed the gate waits for a person's answer before it may take the crown."""

    time_limit_hours: float = Field(
        default=72.0,
        gt=0,
        le=24 * 90,
        description="how long the question stays open; the next training waits for it",
    )
    default: DefaultAnswer = Field(
        default=DefaultAnswer.REJECT, description="the answer if nobody gave one in time: reject or approve"
    )

    @property
    def time_limit(self) -> dt.timedelta:
        """How long the question stays open."""
        return dt.timedelta(hours=self.time_limit_hours)


def _required_takes_the_defaults(given: Any) -> Any:
    if isinstance(given, dict):
        return given
    if given == REQUIRED:
        return {}
    # Nothing, or a value that was meant otherwise, must not read as "nobody is asked".
    text = f"is {found(given)}: expected {REQUIRED}, or a mapping of {', '.join(Approval.model_fields)}"
    raise refused(text, (), str(given), (REQUIRED,))


ApprovalSection = Annotated[Approval | None, BeforeValidator(_required_takes_the_defaults)]
