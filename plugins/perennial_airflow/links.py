"""Buttons in the task view. ``get_link`` reads an XCom of the task; it never opens a store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink
from airflow.sdk.bases.xcom import BaseXCom

if TYPE_CHECKING:
    from airflow.models.taskinstancekey import TaskInstanceKey


def base_url() -> str:
    """Address of Airflow's API server as a browser sees it."""
    return os.environ.get("PERENNIAL_AIRFLOW_URL", "").rstrip("/")


class DataDocsLink(BaseOperatorLink):
    """The validation report of a partition, served behind Airflow's login."""

    name = "Data docs"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        key = BaseXCom.get_value(ti_key=ti_key, key="data_docs")
        if not key:
            return ""
        _, _, partition, name = key.split("/")
        return f"{base_url()}/perennial/documents/{quote(ti_key.dag_id)}/{quote(partition)}/{quote(name)}"


class MlflowRunLink(BaseOperatorLink):
    """The MLflow run of a fit or a decision."""

    name = "MLflow run"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        return BaseXCom.get_value(ti_key=ti_key, key="mlflow_run_url") or ""


class DecisionLink(BaseOperatorLink):
    """The decision page of a training run: why it ran, what the gate saw, what became of it."""

    name = "Decision"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        plan = BaseXCom.get_one(key="plan", task_id="plan", dag_id=ti_key.dag_id, run_id=ti_key.run_id, map_index=-1)
        # The ledger keeps a dry run under a key that only it knows.
        if not plan or plan["request"]["dry_run"]:
            return ""
        # Airflow shows what follows its page's own route in the frame below its navigation.
        page = f"{base_url()}/plugin/continuous-training/continuous-training"
        return f"{page}/decisions/{quote(plan['pipeline'])}/{quote(plan['run_key'])}"


def run_url(dag_id: str, run_id: str) -> str:
    """Address of a DAG run in Airflow's pages."""
    return f"{base_url()}/dags/{quote(dag_id)}/runs/{quote(run_id)}"
