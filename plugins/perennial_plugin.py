"""Registers Perennial with Airflow. Kept light: every Airflow component imports it."""

from airflow.plugins_manager import AirflowPlugin

from perennial_airflow.documents import documents_app
from perennial_airflow.links import DataDocsLink, MlflowRunLink


class PerennialPlugin(AirflowPlugin):
    """Operator links, and the documents behind them."""

    name = "perennial"
    operator_extra_links = [DataDocsLink(), MlflowRunLink()]  # noqa: RUF012 - Airflow's declared type
    fastapi_apps = [{"app": documents_app, "url_prefix": "/perennial", "name": "Perennial documents"}]  # noqa: RUF012
