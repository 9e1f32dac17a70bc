"""What all DAGs of a pipeline share."""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

from airflow.sdk import Asset, CronPartitionTimetable

from include.perennial.spec import PipelineSpec
from perennial_airflow.timetable import EndingPartitionTimetable

# An outage of MLflow, S3 or the ledger may pass; bad data fail at once without a retry.
DEFAULT_ARGS = {
    "owner": "perennial",
    "retries": 2,
    "retry_delay": dt.timedelta(seconds=10),
    "retry_exponential_backoff": True,
    "max_retry_delay": dt.timedelta(minutes=5),
    "execution_timeout": dt.timedelta(hours=1),
}


def default_args(spec: PipelineSpec) -> dict[str, object]:
    """The one set of default arguments, with the pipeline's owner."""
    return DEFAULT_ARGS | {"owner": spec.owner}


def training_pool(spec: PipelineSpec) -> str:
    """Where the heavy tasks of all pipelines share slots, so that they leave some to the light ones of each."""
    # A task whose pool does not exist is never run, so that a pool is used only where somebody has named one.
    return spec.pool or os.environ.get("PERENNIAL_TRAINING_POOL") or "default_pool"


def timetable(spec: PipelineSpec, cron: str) -> CronPartitionTimetable | EndingPartitionTimetable:
    """Each run is about the period that ended before it; its partition key is that period's first day."""
    options: dict[str, Any] = {"timezone": "UTC", "run_offset": -1, "key_format": "%Y-%m-%d"}
    if spec.schedule.end:
        return EndingPartitionTimetable(cron, last_key=str(spec.schedule.end), **options)
    return CronPartitionTimetable(cron, **options)


def start_date(spec: PipelineSpec) -> dt.datetime:
    """Start of the first partition a backfill may ask for."""
    return dt.datetime.combine(spec.schedule.start, dt.time(), dt.UTC)


def partitions_asset(spec: PipelineSpec) -> Asset:
    """The versioned partitions of a pipeline; ingest updates it with the partition key."""
    return Asset(f"{spec.name}_partitions", uri=f"perennial://{spec.name}/partitions")


def predictions_asset(spec: PipelineSpec) -> Asset:
    """The prediction log of a pipeline; score updates it with the partition key."""
    return Asset(f"{spec.name}_predictions", uri=f"perennial://{spec.name}/predictions")


def champion_asset(spec: PipelineSpec) -> Asset:
    """The serving model of a pipeline; train updates it when a promotion succeeds."""
    return Asset(f"{spec.name}_champion", uri=f"perennial://{spec.name}/champion")
