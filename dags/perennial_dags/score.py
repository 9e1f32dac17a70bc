"""Score each new partition with the champion of its time.

**What it does.** `score` predicts every row of the partition and appends the predictions to the prediction log, one
Parquet file per partition and model version. Where the spec says `score.shadow: true`, the challenger scores beside
the champion; nobody acts on what it says.

**When it runs.** After each partition that ingest publishes, one run per partition; by hand for any partition
(`partition` in the form, for example `2013-06-03`).

**Which champion.** The one of the partition's time: the newest model that became champion without having seen the
partition or anything later. A backfilled week is scored with the model that was champion then. If there was none,
the task is skipped and says so.

**Doing it again is safe.** The same data and champion find what is logged. A partition that came again with other
rows is scored again.

**When it fails.** MLflow may be down: a model that this machine has used before is loaded from a verified copy. A
message about expectations or columns needs a change in the pipeline's folder; then clear the task.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, IdentityMapper, Param, PartitionedAssetTimetable

from include.perennial.spec import PipelineSpec
from perennial_airflow.operators.score import ScoreOperator
from perennial_airflow.pods import pod_of
from perennial_dags.common import default_args, partition_param, partitions_asset, predictions_asset, start_date

CHAMPION_AS_OF_PARAM = Param(
    None,
    type=["null", "string"],
    format="date-time",
    title="Champion as of",
    description="A moment with a time zone: use the champion that the ledger named then. Empty: as it stands now.",
)


def score_dag(spec: PipelineSpec) -> DAG:
    """``<name>.score``."""
    with DAG(
        dag_id=f"{spec.name}.score",
        description=f"{spec.title}: score one {spec.period} with its champion",
        doc_md=__doc__,
        schedule=PartitionedAssetTimetable(assets=partitions_asset(spec), default_partition_mapper=IdentityMapper()),
        start_date=start_date(spec),
        catchup=False,
        max_active_runs=4,
        dagrun_timeout=dt.timedelta(hours=3),
        default_args=default_args(spec),
        params={"partition": partition_param(spec), "champion_as_of": CHAMPION_AS_OF_PARAM},
        tags=["perennial", spec.name],
    ) as dag:
        ScoreOperator(
            task_id="score",
            pipeline=spec.name,
            outlets=[predictions_asset(spec)],
            executor_config=pod_of("score"),
        )
    return dag
