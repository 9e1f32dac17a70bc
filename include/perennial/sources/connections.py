"""How a source learns addresses and secrets, which never stand in a pipeline folder."""

from dataclasses import dataclass
from typing import Protocol

from include.perennial.errors import BadInput
from include.perennial.messages import shown
from include.perennial.settings import S3Access, Settings


class Connections(Protocol):
    """Looks up a connection by the id that ``pipeline.yaml`` names. Under Airflow: Airflow's connections."""

    def sql_url(self, conn_id: str) -> str:
        """The SQLAlchemy URL, password included."""

    def s3(self, conn_id: str | None) -> S3Access:
        """Access to S3; ``None`` asks for the deployment's own."""


@dataclass(frozen=True)
class SettingsConnections:
    """Connections of a process without Airflow: the deployment's own S3, and SQL URLs given by id."""

    settings: Settings
    sql_urls: tuple[tuple[str, str], ...] = ()

    def sql_url(self, conn_id: str) -> str:
        """The URL given for ``conn_id``.

        Raises:
            BadInput: none was given.
        """
        for name, url in self.sql_urls:
            if name == conn_id:
                return url
        raise BadInput(
            f"SQL connection {shown(conn_id)} is not known outside Airflow: define it there, or pass its URL."
        )

    def s3(self, conn_id: str | None) -> S3Access:
        """The deployment's access to S3.

        Raises:
            BadInput: a named connection was asked for.
        """
        if conn_id is None:
            return self.settings.s3
        raise BadInput(f"S3 connection {shown(conn_id)} is not known outside Airflow: define it there, or name none.")
