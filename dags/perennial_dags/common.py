"""What all DAGs of a pipeline share."""

from __future__ import annotations

import datetime as dt
import os

from airflow.sdk import Asset, CronPartitionTimetable, Param

from include.perennial.partitions import Period
from include.perennial.spec import PipelineSpec
from perennial_airflow.timetable import EndingPartitionTimetable

# An outage of MLflow, S3 or the ledger may pass: after 10, 20, 40 and 80 s it is tried again, so that two minutes are
# waited out. Bad data fail at once without a retry.
DEFAULT_ARGS = {
    "owner": "perennial",
    "retries": 4,
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


def timetable(
    spec: PipelineSpec, cron: str, periods_before: int = 0
) -> CronPartitionTimetable | EndingPartitionTimetable:
    """Each run is about the period that ended before it, or one ``periods_before`` that; its key says how it begins."""
    offset, form = -1 - periods_before, spec.period.key_format
    if spec.last_partition:
        last_key = spec.last_partition.key
        return EndingPartitionTimetable(cron, last_key=last_key, timezone="UTC", run_offset=offset, key_format=form)
    return CronPartitionTimetable(cron, timezone="UTC", run_offset=offset, key_format=form)


def partition_param(spec: PipelineSpec) -> Param:
    """The field of a form that names a partition."""
    which = "The period, by its beginning" if spec.period is Period.HOUR else "First day of the period"
    return Param(
        None,
        type=["null", "string"],
        pattern=spec.period.key_pattern,
        title="Partition",
        description=f"{which}, {spec.period.key_form.split()[-1]}. "
        "Empty: the run's own partition, else the newest complete one.",
    )


def start_date(spec: PipelineSpec) -> dt.datetime:
    """Start of the first partition a backfill may ask for."""
    return spec.first_partition.start_utc


def partitions_asset(spec: PipelineSpec) -> Asset:
    """The versioned partitions of a pipeline; ingest updates it with the partition key."""
    return Asset(f"{spec.name}_partitions", uri=f"perennial://{spec.name}/partitions")


def predictions_asset(spec: PipelineSpec) -> Asset:
    """The prediction log of a pipeline; score updates it with the partition key."""
    return Asset(f"{spec.name}_predictions", uri=f"perennial://{spec.name}/predictions")


def champion_asset(spec: PipelineSpec) -> Asset:
    """The serving model of a pipeline; train updates it when a promotion succeeds."""
    return Asset(f"{spec.name}_champion", uri=f"perennial://{spec.name}/champion")
