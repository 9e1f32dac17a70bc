"""What every operator needs from a run: its partition, its trigger, the stores, and errors as Airflow wants them."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowFailException

from include.perennial.contracts import Trigger
from include.perennial.errors import BadInput
from include.perennial.partitions import UTC, Partition, Period
from include.perennial.pipeline_folder import Pipeline, load_pipeline
from include.perennial.run_ids import within
from include.perennial.settings import S3Access, Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

_TRIGGER_OF_RUN_TYPE = {
    "scheduled": Trigger.SCHEDULE,
    "backfill": Trigger.BACKFILL,
    "manual": Trigger.MANUAL,
    "operator_triggered": Trigger.MANUAL,
    "asset_triggered": Trigger.SCHEDULE,
}


def load(name: str) -> tuple[Pipeline, Settings]:
    """The pipeline and the addresses of the stores, read in the task, never at parse time."""
    settings = Settings.from_env()
    return load_pipeline(name, settings.pipelines), settings


def partition_key(context: Context, period: Period) -> str:
    """The partition a run means: the form's field, else the run's own key, else the newest complete partition."""
    asked = (context.get("params") or {}).get("partition")
    key = asked or context["dag_run"].partition_key
    if key:
        return Partition.of_key(key, period).key
    return Partition.containing(dt.datetime.now(UTC), period).shift(-1).key


def trigger(context: Context) -> Trigger:
    """Why this run exists; a run asked for by another DAG says so in its conf."""
    named = (context["dag_run"].conf or {}).get("trigger")
    return Trigger(named) if named else _TRIGGER_OF_RUN_TYPE[context["dag_run"].run_type.value]


def actor(context: Context) -> str:
    """Who or what acts, for the ledger."""
    run = context["dag_run"]
    return f"airflow:{run.triggering_user_name or run.run_type.value}:{run.run_id}"


def run_ids(context: Context) -> dict[str, str]:
    """What the log tells of the run beside every event of the ledger."""
    ti, run = context["ti"], context["dag_run"]
    ids = {"dag_id": ti.dag_id, "run_id": run.run_id, "task_id": ti.task_id, "try": ti.try_number}
    return {name: str(value) for name, value in ids.items()} | {"partition": run.partition_key or ""}


@contextmanager
def work(context: Context) -> Iterator[None]:
    """Times the work for the log. Bad input fails at once, since a retry cannot help; all else keeps its retries."""
    started = time.perf_counter()
    try:
        with within(run_ids(context)):
            yield
    except BadInput as error:
        raise AirflowFailException(str(error)) from None
    finally:
        log.info("work took %.3f s", time.perf_counter() - started)


class AirflowConnections:
    """Airflow connections as ``include`` wants them: a SQLAlchemy URL or S3 credentials."""

    def sql_url(self, conn_id: str) -> str:
        """SQLAlchemy URL of ``conn_id``.

        Raises:
            BadInput: the connection does not exist.
        """
        connection = self._get(conn_id)
        if connection.conn_type == "sqlite":  # Airflow quotes the slashes of the path, and SQLAlchemy takes it as it is
            return f"sqlite:///{connection.schema or connection.host}"
        uri = connection.get_uri()
        # Airflow says postgres://; SQLAlchemy 2.1 wants the driver that requirements.txt installs.
        return uri.replace("postgres://", "postgresql+psycopg2://", 1)

    def s3(self, conn_id: str | None) -> S3Access:
        """S3 access of ``conn_id``; the settings' own access if it is None."""
        if conn_id is None:
            return Settings.from_env().s3
        connection = self._get(conn_id)
        extra: dict[str, Any] = connection.extra_dejson
        return S3Access(
            endpoint_url=extra.get("endpoint_url"),
            access_key_id=connection.login,
            secret_access_key=connection.password,
            region=extra.get("region_name"),
        )

    def _get(self, conn_id: str) -> Any:
        from airflow.sdk.exceptions import AirflowNotFoundException

        try:
            return BaseHook.get_connection(conn_id)
        except AirflowNotFoundException:
            raise BadInput(
                f"Connection {conn_id!r} does not exist in Airflow: create it under Admin, Connections."
            ) from None
