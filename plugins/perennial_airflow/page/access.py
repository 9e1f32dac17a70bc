"""Who may see a pipeline: those who may see its training DAG."""

from __future__ import annotations

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
from airflow.models.dag import DagModel


def may_see(pipeline: str, user: BaseUser) -> bool:
    """Whether ``user`` may read the DAG ``<pipeline>.train``."""
    dag_id = f"{pipeline}.train"
    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    return get_auth_manager().is_authorized_dag(method="GET", details=details, user=user)
