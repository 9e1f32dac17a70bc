"""Fetch, check and version the data of one partition.

**What it does.** `snapshot` stores the delivery unchanged; `validate` runs the pipeline's Great Expectations
suite, sets bad rows aside with their reason, and fails if the batch as a whole is wrong or too many rows are bad;
`version` commits the partition to the data registry (DVC) and announces it.

**When it runs.** After every period, for the period before; over history with a backfill; by hand for any partition
(`partition` in the form, for example `2013-06-03`).

**Doing it again is safe.** The same bytes change nothing. Other bytes for an old partition make a new dataset version;
the old one stays.

**When it fails.** `validate` names the expectation, the column, what was observed and what was expected; the data docs
button shows all of it. Fix the source or the expectation and clear the task. The quarantined rows are kept.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, Param

from include.perennial.spec import PipelineSpec
from perennial_airflow.notifiers import deadline, on_refused_data
from perennial_airflow.operators.ingest import SnapshotOperator, ValidateOperator, VersionOperator
from perennial_dags.common import default_args, partitions_asset, start_date, timetable

PARTITION_PARAM = Param(
    None,
    type=["null", "string"],
    pattern=r"^\d{4}-\d{2}-\d{2}$",
    title="Partition",
    description="First day of the period, YYYY-MM-DD. Empty: the run's own partition, else the newest complete one.",
)


def ingest_dag(spec: PipelineSpec) -> DAG:
    """``<name>.ingest``."""
    with DAG(
        dag_id=f"{spec.name}.ingest",
        description=f"{spec.title}: fetch, check and version one {spec.period}",
        doc_md=__doc__,
        schedule=timetable(spec, spec.schedule.ingest),
        start_date=start_date(spec),
        catchup=False,
        max_active_runs=8,
        dagrun_timeout=dt.timedelta(hours=3),
        deadline=deadline(spec),
        default_args=default_args(spec),
        params={"partition": PARTITION_PARAM},
        tags=["perennial", spec.name],
    ) as dag:
        snapshot = SnapshotOperator(task_id="snapshot", pipeline=spec.name)
        validated = ValidateOperator(
            task_id="validate",
            pipeline=spec.name,
            snapshot=snapshot.output,
            on_failure_callback=on_refused_data(spec),
        )
        VersionOperator(
            task_id="version", pipeline=spec.name, validated=validated.output, outlets=[partitions_asset(spec)]
        )
    return dag
