"""Join the labels of one partition to its rows, once they are known.

**What it does.** `labels` asks the source under `data.labels` in `pipeline.yaml` and puts what it has beside the stored
delivery of the partition; `validate` joins both by key and checks the result with all expectations; `version` commits
it as a new dataset version. Score, monitor and train go on from there.

**When it runs.** After every period, for the partition whose labels are due: `data.label_delay_periods` before the
newest one. If they have not come it waits, for up to `monitor.performance.label_wait_periods`. By hand for any
partition (`partition` in the form): whatever has come is joined, or the run is skipped.

**Rows without a label.** They stay, are scored, and counted on the data card. No model is trained or judged on them.

**Doing it again is safe.** The same labels change nothing. Others, which came later, make a new dataset version.

**When it fails.** `labels` says what the source answered last; deliver the labels and clear the task.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG

from include.perennial.spec import PipelineSpec
from perennial_airflow.notifiers import on_refused_data
from perennial_airflow.operators.ingest import ValidateOperator, VersionOperator
from perennial_airflow.operators.labels import LabelsSensor
from perennial_dags.common import default_args, partition_param, partitions_asset, start_date, timetable


def labels_dag(spec: PipelineSpec) -> DAG:
    """``<name>.labels``, for a pipeline whose labels come from a source of their own."""
    wait = max(1, spec.monitor.performance.label_wait_periods) * spec.period.longest
    with DAG(
        dag_id=f"{spec.name}.labels",
        description=f"{spec.title}: join the labels of one {spec.period} once they are due",
        doc_md=__doc__,
        schedule=timetable(spec, spec.schedule.ingest, spec.data.label_delay_periods),
        start_date=start_date(spec),
        catchup=False,
        max_active_runs=8,
        dagrun_timeout=wait + dt.timedelta(hours=3),
        default_args=default_args(spec),
        params={"partition": partition_param(spec)},
        tags=["perennial", spec.name],
    ) as dag:
        joined = LabelsSensor(
            task_id="labels",
            pipeline=spec.name,
            poke_interval=300,
            timeout=wait.total_seconds(),
            execution_timeout=wait,
        )
        validated = ValidateOperator(
            task_id="validate",
            pipeline=spec.name,
            snapshot=joined.output,
            on_failure_callback=on_refused_data(spec),
        )
        VersionOperator(
            task_id="version", pipeline=spec.name, validated=validated.output, outlets=[partitions_asset(spec)]
        )
    return dag
