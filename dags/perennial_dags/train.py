"""Train candidates, judge the best one against the champion, and promote it if it earns it.

**What it does.** `plan` chooses the window; `fit` trains each candidate in parallel; `judge` compares the best of them
with the champion on a holdout that neither has seen; `register` and `promote` follow only for what passed.
A rejected candidate is a result: the run is green, `judge` says why, the champion stays.

**Approval.** If the spec says `approval: required`, `approve` waits between `register` and `promote` for a person,
under Required Actions. Approved, the version is promoted if it still holds against the champion then in place;
rejected, or without an answer in time, it stays registered. The ledger keeps who and when. To be asked again, clear
`approve`.

**When it runs.** After every period, once the partition has been ingested; over history with a backfill; by hand with
the form; when drift asks for it. A model of the past never takes the crown.

**By hand.** `partition`: train as of this period. `overrides`: estimator parameters per candidate, for example
`{"logistic_regression": {"C": 0.5}}`. `dry_run`: judge, but register nothing. `force`: promote against the gate;
needs a `reason`, which the ledger keeps.

**Many pipelines.** `fit` and `judge` take slots of the pool that `pool` of `pipeline.yaml` or
`PERENNIAL_TRAINING_POOL` names, so that training leaves room for the light tasks of every pipeline.

**Doing it again is safe.** The same window, spec and code find the decision made before.

**When it fails.** An outage (MLflow, the stores) is retried and never touches the champion. A message that names a
file or a key of `pipeline.yaml` needs a change there. Clear the failed task: it continues where it was.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, Param

from include.perennial.spec import PipelineSpec
from perennial_airflow.notifiers import deadline, on_decision
from perennial_airflow.operators.approval import ApproveOperator
from perennial_airflow.operators.train import (
    FitCandidateOperator,
    JudgeOperator,
    PlanTrainingSensor,
    PromoteOperator,
    RegisterOperator,
)
from perennial_airflow.pods import pod_of
from perennial_dags.common import (
    champion_asset,
    default_args,
    partition_param,
    partitions_asset,
    start_date,
    timetable,
    training_pool,
)


def train_dag(spec: PipelineSpec) -> DAG:
    """``<name>.train``."""
    with DAG(
        dag_id=f"{spec.name}.train",
        description=f"{spec.title}: fit, judge, register and promote",
        doc_md=__doc__,
        schedule=timetable(spec, spec.schedule.train),
        start_date=start_date(spec),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=dt.timedelta(hours=12) + _waits(spec),
        deadline=deadline(spec, _waits(spec)),
        default_args=default_args(spec),
        params=_params(spec),
        tags=["perennial", spec.name],
    ) as dag:
        plan = PlanTrainingSensor(
            task_id="plan",
            pipeline=spec.name,
            poke_interval=60,
            timeout=dt.timedelta(hours=6).total_seconds(),
            inlets=[partitions_asset(spec)],
        )
        fit = FitCandidateOperator.partial(
            task_id="fit",
            pipeline=spec.name,
            plan=plan.output["plan"],
            map_index_template="{{ task.candidate }}",
            pool=training_pool(spec),
            executor_config=pod_of("fit"),
        ).expand(candidate=plan.output)
        # A run whose decision exists already maps over no candidate: its skipped fits must not skip the decision,
        # but a skipped plan must.
        decision = JudgeOperator(
            task_id="judge",
            pipeline=spec.name,
            plan=plan.output["plan"],
            fits=fit.output,
            trigger_rule="none_failed_min_one_success",
            pool=training_pool(spec),
            on_success_callback=on_decision(spec),
            executor_config=pod_of("judge"),
        )
        registration = RegisterOperator(
            task_id="register", pipeline=spec.name, plan=plan.output["plan"], decision=decision.output
        )
        promotion = PromoteOperator(
            task_id="promote",
            pipeline=spec.name,
            plan=plan.output["plan"],
            decision=decision.output,
            registration=registration.output,
            outlets=[champion_asset(spec)],
        )
        if spec.approval:
            approval = ApproveOperator(
                task_id="approve",
                pipeline=spec.name,
                approval=spec.approval,
                plan=plan.output["plan"],
                decision=decision.output,
                registration=registration.output,
            )
            approval >> promotion
    return dag


def _waits(spec: PipelineSpec) -> dt.timedelta:
    """How long a run may wait for a person."""
    return spec.approval.time_limit if spec.approval else dt.timedelta()


def _params(spec: PipelineSpec) -> dict[str, Param]:
    candidates = ", ".join(spec.candidates)
    return {
        "partition": partition_param(spec),
        "reason": Param(
            "", type="string", maxLength=500, title="Reason", description="Why this run; kept in the ledger."
        ),
        "overrides": Param(
            {},
            type="object",
            title="Candidate overrides",
            description=f"Estimator parameters per candidate. Candidates: {candidates}.",
            propertyNames={"enum": list(spec.candidates)},
            additionalProperties={"type": "object"},
        ),
        "force": Param(False, type="boolean", title="Force", description="Promote against the gate. Needs a reason."),
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Fit and judge; register and promote nothing."
        ),
    }
