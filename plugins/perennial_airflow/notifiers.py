"""Alerts on their way: Airflow's SMTP and HTTP notifiers, told what to say. Credentials stay in connections.

Notifiers render their fields as templates when they are called. A message holds names and values from delivered
data, which must never be rendered, so ``notify`` is called directly.
"""

from __future__ import annotations

import datetime as dt
import html
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow.sdk import AsyncCallback, BaseNotifier, DeadlineAlert, DeadlineReference

from include.perennial.alerts import Alert, alert_of_decision, alert_of_missed_schedule, alert_of_refused_data
from include.perennial.contracts import Decision
from include.perennial.spec import PipelineSpec
from include.perennial.spec.alerts import AlertKind, Alerts

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)
_TASK_CALLBACK = Callable[["Context"], None]


def send(alert: Alert, alerts: Alerts) -> int:
    """Send ``alert`` to whom it concerns; returns to how many channels.

    Raises:
        Exception: whatever the first channel that fails raises; the others are tried all the same.
    """
    if not alerts.wants(alert.kind):
        return 0
    failures = [failure for channel in _channels(alert, alerts) if (failure := _failure(channel))]
    if failures:
        raise failures[0]
    return (alerts.email is not None) + (alerts.webhook is not None)


async def missed_schedule(hours: float, alerts: dict[str, Any], context: dict[str, Any] | None = None) -> None:
    """What a deadline calls in the triggerer."""
    run = (context or {}).get("dag_run") or {}
    alert = alert_of_missed_schedule(str(run.get("dag_id", "a DAG")), str(run.get("dag_run_id", "unknown")), hours)
    log.warning("%s: %s", alert.title, alert.text)
    for channel in _channels(alert, Alerts.model_validate_json(alerts["json"])):
        await channel.async_notify({})


def deadline(spec: PipelineSpec, waits: dt.timedelta = dt.timedelta()) -> DeadlineAlert | None:
    """The deadline of a scheduled DAG, if anybody wants to hear of it; ``waits`` for a person make no run late."""
    if not spec.alerts.wants(AlertKind.MISSED_SCHEDULE):
        return None
    interval = dt.timedelta(hours=spec.alerts.late_after_hours) + waits
    hours = interval / dt.timedelta(hours=1)
    arguments = {"hours": hours, "alerts": {"json": spec.alerts.model_dump_json()}}
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=interval,
        callback=AsyncCallback(missed_schedule, kwargs=arguments),
    )


def on_refused_data(spec: PipelineSpec) -> list[_TASK_CALLBACK]:
    """For ``on_failure_callback`` of ``validate``: the delivery is wrong, or the quarantine over its quota."""

    def tell(context: Context) -> None:
        key = context["dag_run"].partition_key or (context.get("params") or {}).get("partition") or "by hand"
        send(alert_of_refused_data(spec.name, str(key), str(context.get("exception") or "see the log")), spec.alerts)

    return [tell] if spec.alerts.wants(AlertKind.DATA_REFUSED) else []


def on_decision(spec: PipelineSpec) -> list[_TASK_CALLBACK]:
    """For ``on_success_callback`` of ``judge``: a retrain that the monitor asked for was rejected."""

    def tell(context: Context) -> None:
        decided = context["ti"].xcom_pull(task_ids=context["ti"].task_id)
        alert = alert_of_decision(Decision.model_validate(decided)) if decided else None
        if alert:
            send(alert, spec.alerts)

    return [tell] if spec.alerts.wants(AlertKind.REJECTED_RETRAIN) else []


def _channels(alert: Alert, alerts: Alerts) -> list[BaseNotifier]:
    channels: list[BaseNotifier] = []
    if alerts.email:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        body = f"<p>{html.escape(alert.message)}</p>".replace("\n", "<br>")
        channels.append(
            SmtpNotifier(
                to=list(alerts.email.to), subject=alert.title, html_content=body, smtp_conn_id=alerts.email.connection
            )
        )
    if alerts.webhook:
        from airflow.providers.http.notifications.http import HttpNotifier

        channels.append(
            HttpNotifier(
                http_conn_id=alerts.webhook.connection,
                endpoint=alerts.webhook.endpoint,
                json={"text": f"{alert.title}\n{alert.message}"},
            )
        )
    return channels


def _failure(channel: BaseNotifier) -> Exception | None:
    try:
        channel.notify({})
    except Exception as error:  # noqa: BLE001 - one dead channel must not silence the other; the caller raises it
        log.warning("%s failed: %s", type(channel).__name__, error)
        return error
    return None
