"""Registers Perennial with Airflow. Kept light: every task and every component imports it."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from perennial_airflow.links import DataDocsLink, DecisionLink, MlflowRunLink
from perennial_airflow.timetable import EndingPartitionTimetable

Message = MutableMapping[str, Any]


async def documents(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The documents app, imported by its first request: Airflow's API modules cost over a second in every task."""
    from perennial_airflow.documents import documents_app

    await documents_app(scope, receive, send)


async def page(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The page "Continuous training", imported by its first request for the same reason."""
    from perennial_airflow.page.app import page_app

    await page_app(scope, receive, send)


class PerennialPlugin(AirflowPlugin):
    """Operator links, the documents behind them, a timetable, and the page in Airflow's navigation."""

    name = "perennial"
    operator_extra_links = [DataDocsLink(), DecisionLink(), MlflowRunLink()]  # noqa: RUF012 - Airflow's declared type
    timetables = [EndingPartitionTimetable]  # noqa: RUF012
    fastapi_apps = [  # noqa: RUF012
        {"app": documents, "url_prefix": "/perennial", "name": "Perennial documents"},
        {"app": page, "url_prefix": "/continuous-training", "name": "Continuous training"},
    ]
    external_views = [  # noqa: RUF012
        {
            "name": "Continuous training",
            "href": "continuous-training/",
            "url_route": "continuous-training",
            "destination": "nav",
            "nav_top_level": True,
            "icon": "continuous-training/static/icon.svg",
        }
    ]
