"""Watch the champion: measure each scored partition, and ask for a retrain when it is needed.

**What it does.** `ready` waits; `measure` compares the partition with the champion's own training window: columns,
predictions, labels, missing values, new categories, volume, and the performance on labels that have matured;
`decide` lets the policy of `pipeline.yaml` turn the last measurements into at most one question; `retrain` starts
`train` with the evidence as its reason; `alert` tells people; `report` keeps an Evidently page in the object store
and adds the numbers to the champion's MLflow run.

**Roll-back.** With `monitor.rollback` in `pipeline.yaml`, `trial` holds a new champion against the one before on the
same matured rows and rolls it back if it is surely worse; skipped means that it stays.

**When it runs.** After each partition that score has logged; by hand for any partition (`partition` in the form).
`ready` waits in the triggerer until labels are mature, or `monitor.performance.label_wait_periods` are over.

**Why there was no retrain.** `decide` says so, and the ledger keeps every evaluation: nothing out of bounds, or
suppressed, with the reason: not persistent, not the latest partition, a retrain under way, cooldown, budget, the
same data rejected before, the champion has changed or has trained on this partition, the pipeline is frozen.

**Doing it again is safe.** The same numbers are recorded once; a repeat of a run finds its answer; the training run
that was asked for is started once.

**When it fails.** An outage is retried. A message that names a file or a key of `pipeline.yaml` needs a change there.
Clear the failed task: it continues where it was.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, IdentityMapper, PartitionedAssetTimetable, TriggerRule

from include.perennial.spec import PipelineSpec
from perennial_airflow.operators.champion import TrialOperator
from perennial_airflow.operators.monitor import (
    AlertOperator,
    DecideOperator,
    MeasureOperator,
    PartitionReadySensor,
    RetrainOperator,
)
from perennial_airflow.operators.monitor_report import ReportOperator
from perennial_airflow.pods import pod_of
from perennial_dags.common import champion_asset, default_args, partition_param, predictions_asset, start_date


def monitor_dag(spec: PipelineSpec) -> DAG:
    """``<name>.monitor``."""
    with DAG(
        dag_id=f"{spec.name}.monitor",
        description=f"{spec.title}: measure one {spec.period}, and ask for a retrain when it is needed",
        doc_md=__doc__,
        schedule=PartitionedAssetTimetable(assets=predictions_asset(spec), default_partition_mapper=IdentityMapper()),
        start_date=start_date(spec),
        catchup=False,
        # Waiting costs nothing, and a partition must not wait for a place that a later one holds.
        max_active_runs=128,
        dagrun_timeout=_longest_wait(spec) + dt.timedelta(days=1),
        default_args=default_args(spec),
        params={"partition": partition_param(spec)},
        tags=["perennial", spec.name],
    ) as dag:
        ready = PartitionReadySensor(task_id="ready", pipeline=spec.name, poke_interval=30)
        measured = MeasureOperator(
            task_id="measure", pipeline=spec.name, ready=ready.output, executor_config=pod_of("measure")
        )
        decided = DecideOperator(task_id="decide", pipeline=spec.name, measured=measured.output)
        if rule := spec.monitor.rollback:
            trial = TrialOperator(
                task_id="trial",
                pipeline=spec.name,
                rule=rule,
                ready=ready.output,
                outlets=[champion_asset(spec)],
                # Two looks at once would both start from the same champion.
                max_active_tis_per_dag=1,
            )
            # What is decided next is about whoever is champion then; a champion that stays skips its trial.
            decided.trigger_rule = TriggerRule.NONE_FAILED
            measured >> trial >> decided
        RetrainOperator(task_id="retrain", pipeline=spec.name, evaluation=decided.output)
        AlertOperator(task_id="alert", pipeline=spec.name, evaluation=decided.output)
        # After measuring, which calibrates the champion's window if it is new; nothing waits for the drawing.
        measured >> ReportOperator(task_id="report", pipeline=spec.name, ready=ready.output)
    return dag


def _longest_wait(spec: PipelineSpec) -> dt.timedelta:
    periods = spec.data.label_delay_periods + spec.monitor.performance.label_wait_periods
    return periods * spec.period.longest
