"""Change the champion by hand: roll back, freeze, unfreeze, promote. A dry run unless told otherwise.

**What it does.** `rollback` makes an earlier champion the champion again: `version`, or, if it is empty, the one that
the champion took over from. `freeze` keeps the champion, whatever is trained, until `unfreeze`. `promote` crowns any
registered `version` against the gate. `announce` tells DAGs that wait for the champion asset.

**When it runs.** By hand only. Each action needs a `reason`, which the ledger keeps with your name. With `dry_run`, the
default, `change` says exactly what would happen and changes nothing: read it, then trigger again with it switched off.

**What is checked before a version is crowned.** It is in MLflow, its files have the SHA-256 of the ledger and load, it
scores the newest partition, and it predicts what it predicted before. If not, the task fails and the champion stays.

**After a roll-back.** Training goes on, and a later model may be promoted; the version that was rolled back from comes
back only by `promote`. Freeze the pipeline if the champion should stay.

**Doing it again is safe.** A cleared task finds what it has done and lets MLflow's alias follow.

**When it fails.** The message says what is wrong with the version or the request: trigger again with another one. An
outage of MLflow or a store is retried.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, Param

from include.perennial.spec import PipelineSpec
from perennial_airflow.operators.champion import AnnounceOperator, ChampionOperator
from perennial_dags.common import champion_asset, default_args, start_date

_PARAMS = {
    "action": Param(
        "rollback",
        type="string",
        enum=["rollback", "freeze", "unfreeze", "promote"],
        title="Action",
        description="What to do to the champion.",
    ),
    "version": Param(
        None,
        type=["null", "string"],
        pattern=r"^[1-9]\d{0,8}$",
        title="Version",
        description="MLflow's number. Empty for a roll-back: the one that the champion took over from.",
    ),
    "reason": Param(
        type="string", minLength=1, maxLength=500, title="Reason", description="Why; the ledger keeps it. Required."
    ),
    "dry_run": Param(True, type="boolean", title="Dry run", description="Say what would happen and change nothing."),
}


def champion_dag(spec: PipelineSpec) -> DAG:
    """``<name>.champion``."""
    with DAG(
        dag_id=f"{spec.name}.champion",
        description=f"{spec.title}: roll back, freeze, unfreeze or promote by hand",
        doc_md=__doc__,
        schedule=None,
        start_date=start_date(spec),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=dt.timedelta(hours=2),
        default_args=default_args(spec),
        params=_PARAMS,
        tags=["perennial", spec.name],
    ) as dag:
        change = ChampionOperator(task_id="change", pipeline=spec.name)
        AnnounceOperator(task_id="announce", change=change.output, outlets=[champion_asset(spec)])
    return dag
