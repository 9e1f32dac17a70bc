"""Registers Perennial with Airflow. Kept light: every task and every component imports it."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from perennial_airflow.links import DataDocsLink, MlflowRunLink

Message = MutableMapping[str, Any]


async def documents(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The documents app, imported by its first request: Airflow's API modules cost over a second in every task."""
    from perennial_airflow.documents import documents_app

    await documents_app(scope, receive, send)


class PerennialPlugin(AirflowPlugin):
    """Operator links, and the documents behind them."""

    name = "perennial"
    operator_extra_links = [DataDocsLink(), MlflowRunLink()]  # noqa: RUF012 - Airflow's declared type
    fastapi_apps = [{"app": documents, "url_prefix": "/perennial", "name": "Perennial documents"}]  # noqa: RUF012
