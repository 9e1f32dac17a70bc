"""The ``alerts:`` section: who is told of what, through which Airflow connection."""

import enum
from typing import Annotated

from pydantic import AfterValidator, Field

from include.perennial.spec.fields import Spec, distinct, refused

_Connection = Annotated[str, Field(min_length=1, max_length=200, description="Airflow connection id")]


class AlertKind(enum.StrEnum):
    """What people can be told of."""

    DRIFT = "drift"
    PERFORMANCE = "performance"
    REJECTED_RETRAIN = "rejected_retrain"
    ROLLED_BACK = "rolled_back"
    DATA_REFUSED = "data_refused"
    MISSED_SCHEDULE = "missed_schedule"


def _addresses(names: tuple[str, ...]) -> tuple[str, ...]:
    for n, name in enumerate(distinct(names)):
        if "@" not in name or any(character.isspace() or character in ",;<>" for character in name):
            raise refused("is no mail address: expected name@example.com", (n,))
    return names


class Email(Spec):
    """Mail through an SMTP connection of Airflow, which also holds the sender's address."""

    connection: _Connection = "smtp_default"
    to: Annotated[tuple[str, ...], Field(min_length=1, max_length=50), AfterValidator(_addresses)]


class Webhook(Spec):
    """``{"text": …}`` posted through an HTTP connection of Airflow: what Slack, Mattermost and Teams understand."""

    connection: _Connection
    endpoint: str = Field(default="", max_length=500, description="path below the connection's host")


class Alerts(Spec):
    """Nobody is told anything unless ``email`` or ``webhook`` is given."""

    email: Email | None = None
    webhook: Webhook | None = None
    about: Annotated[tuple[AlertKind, ...], AfterValidator(distinct)] = Field(
        default=tuple(AlertKind), description=", ".join(AlertKind)
    )
    late_after_hours: float = Field(
        default=6.0, gt=0, le=24 * 31, description="a run of ingest or train that takes longer has missed its schedule"
    )

    def wants(self, kind: AlertKind) -> bool:
        """Whether anybody is told of ``kind``."""
        return kind in self.about and (self.email is not None or self.webhook is not None)
