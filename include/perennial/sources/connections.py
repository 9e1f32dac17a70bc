"""How a source learns addresses and secrets, which never stand in a pipeline folder."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from include.perennial.errors import BadInput
from include.perennial.messages import shown
from include.perennial.settings import S3Access, Settings, connection_variable


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


@dataclass(frozen=True)
class EnvironmentConnections:
    """Connections of a command outside Airflow: ``AIRFLOW_CONN_<ID>`` as Airflow reads them, in the form of a URL."""

    settings: Settings
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def sql_url(self, conn_id: str) -> str:
        """The URL in ``AIRFLOW_CONN_<ID>``.

        Raises:
            BadInput: the variable is not set, or holds no URL.
        """
        name = connection_variable(conn_id)
        url = self.environ.get(name, "")
        if "://" not in url or url.lstrip().startswith("{"):
            got = "is not set" if not url else "holds no URL"
            raise BadInput(
                f"SQL connection {shown(conn_id)}: outside Airflow it is read from {name}, which {got}. "
                f"To fix: set {name} to the database's URL, such as postgresql+psycopg2://user:password@host/db."
            )
        return url.replace("postgres://", "postgresql+psycopg2://", 1)

    def s3(self, conn_id: str | None) -> S3Access:
        """The deployment's access to S3, whatever connection is named: Airflow's own are not known here."""
        return self.settings.s3
