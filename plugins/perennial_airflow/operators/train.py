"""Operators of ``<name>.train``: plan -> fit (mapped) -> judge -> register (-> approve) -> promote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowSkipException

from include.perennial.contracts import CandidateFit, Decision, Registration, TrainingPlan, TrainingRequest, Trigger
from perennial_airflow import runtime
from perennial_airflow.lineage import Data, Traced, partitions
from perennial_airflow.links import DecisionLink, MlflowRunLink

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.perennial.steps.plan import NotReady
    from include.perennial.stores.ledger import Ledger


class PlanTrainingSensor(BaseSensorOperator):
    """Choose the window and wait, between checks off the worker, until its newest partition has arrived.

    Returns the candidates to fit and pushes the plan under the key ``plan``.

    Only a scheduled run waits: a person or a backfill asks for what is there, and is told at once if it is not.
    """

    ui_color = "#e8f0fe"

    def __init__(self, *, pipeline: str, **kwargs: Any) -> None:
        super().__init__(mode="reschedule", soft_fail=False, **kwargs)
        self.pipeline = pipeline

    def poke(self, context: Context) -> PokeReturnValue:
        from include.perennial.steps.plan import NotReady, NotReadyReason, plan_training
        from include.perennial.stores.datasets import DataRegistry
        from include.perennial.stores.ledger import Ledger

        with runtime.work(context):
            pipeline, settings = runtime.load(self.pipeline)
            request = _request(self.pipeline, runtime.partition_key(context, pipeline.spec.period), context)
            planned = plan_training(request, pipeline, DataRegistry.open(settings))
            if not isinstance(planned, NotReady):
                context["ti"].xcom_push("plan", planned.model_dump(mode="json"))
                return PokeReturnValue(True, _candidates_to_fit(planned, Ledger.open(settings.ledger_url)))
            if planned.reason is NotReadyReason.NOT_ARRIVED and request.trigger is Trigger.SCHEDULE:
                self.log.info("%s Checking again in %s s.", planned.sentence, self.poke_interval)
                return PokeReturnValue(False)
            _record_skip(Ledger.open(settings.ledger_url), request, planned, runtime.actor(context))
        raise AirflowSkipException(planned.sentence)


class FitCandidateOperator(Traced, BaseOperator):
    """Fit one candidate and measure it on the selection partition."""

    template_fields = ("plan", "candidate")
    operator_extra_links = (MlflowRunLink(),)
    ui_color = "#e6f4ea"

    def __init__(self, *, pipeline: str, plan: Any, candidate: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.plan = plan
        self.candidate = candidate

    def execute(self, context: Context) -> dict[str, Any]:
        from include.perennial.steps.fit import fit_candidate
        from include.perennial.stores.datasets import DataRegistry
        from include.perennial.stores.tracking.runs import Tracking

        with runtime.work(context):
            pipeline, settings = runtime.load(self.pipeline)
            tracking = Tracking.open(settings)
            plan = TrainingPlan.model_validate(self.plan)
            fit = fit_candidate(plan, self.candidate, pipeline, DataRegistry.open(settings), tracking)
        trained = partitions(self.pipeline, plan.data_commit, plan.train)
        self.trace(read=[trained], wrote=[Data(self.pipeline, "candidates", fit.mlflow_run_id)])
        context["ti"].xcom_push("mlflow_run_url", tracking.run_url(plan.pipeline, fit.mlflow_run_id))
        return fit.model_dump(mode="json")


class JudgeOperator(Traced, BaseOperator):
    """Evaluate the winner against the champion on unseen rows. A rejection is a result, not a failure."""

    template_fields = ("plan", "fits")
    operator_extra_links = (DecisionLink(), MlflowRunLink())
    ui_color = "#fef7e0"

    def __init__(self, *, pipeline: str, plan: Any, fits: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.plan = plan
        self.fits = fits

    def execute(self, context: Context) -> dict[str, Any]:
        from include.perennial.decision_report import decision_markdown
        from include.perennial.steps.judge import judge

        with runtime.work(context):
            stores = _Stores(self.pipeline)
            plan = TrainingPlan.model_validate(self.plan)
            fits = [CandidateFit.model_validate(fit) for fit in self.fits or ()]
            decision = judge(
                plan,
                fits,
                stores.pipeline,
                registry=stores.data,
                store=stores.objects,
                tracking=stores.tracking,
                ledger=stores.ledger,
            )
        self._trace(plan, decision)
        self.log.info("\n%s", decision_markdown(decision))
        context["ti"].xcom_push("mlflow_run_url", stores.tracking.run_url(plan.pipeline, decision.mlflow_run_id))
        context["ti"].xcom_push("summary", decision.judgement.sentence)
        return decision.model_dump(mode="json")

    def _trace(self, plan: TrainingPlan, decision: Decision) -> None:
        judgement = decision.judgement
        against = [Data(self.pipeline, "champion", judgement.champion_version)] if judgement.champion_version else []
        self.trace(
            read=[partitions(self.pipeline, plan.data_commit, (*plan.train, *plan.holdout)), *against],
            wrote=[Data(self.pipeline, "candidates", decision.mlflow_run_id)],
            decision={
                "verdict": judgement.verdict,
                "run_key": plan.run_key,
                "candidate": decision.winner,
                "champion_version": judgement.champion_version,
                "spec_digest": plan.spec_digest,
                "code_digest": plan.code_digest,
            },
        )


class RegisterOperator(Traced, BaseOperator):
    """Register what passed; skip what did not."""

    template_fields = ("plan", "decision")
    ui_color = "#f3e8fd"

    def __init__(self, *, pipeline: str, plan: Any, decision: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.plan = plan
        self.decision = decision

    def execute(self, context: Context) -> dict[str, Any]:
        from include.perennial.steps.register import register

        request = TrainingPlan.model_validate(self.plan).request
        decision = Decision.model_validate(self.decision)
        if request.dry_run:
            raise AirflowSkipException(f"Dry run, nothing registered. {decision.judgement.sentence}")
        with runtime.work(context):
            stores = _Stores(self.pipeline)
            registration = register(decision, stores.ledger, stores.models, forced=request.force)
        if registration is None:
            raise AirflowSkipException(f"Not registered. {decision.judgement.sentence}")
        self.trace(
            read=[Data(self.pipeline, "candidates", decision.mlflow_run_id)],
            wrote=[Data(self.pipeline, "models", registration.version)],
        )
        return registration.model_dump(mode="json")


class PromoteOperator(Traced, BaseOperator):
    """Crown the registered version in one ledger transaction; MLflow's alias follows.

    A new champion is copied to this machine, so that it can score while MLflow is down. The version's model card is
    written last, whatever became of it.
    """

    template_fields = ("plan", "decision", "registration")
    operator_extra_links = (DecisionLink(),)
    ui_color = "#fce8e6"

    def __init__(self, *, pipeline: str, plan: Any, decision: Any, registration: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.plan = plan
        self.decision = decision
        self.registration = registration

    def execute(self, context: Context) -> dict[str, Any]:
        from include.perennial.models.model_cache import ModelCache
        from include.perennial.steps.describe_version import describe_version
        from include.perennial.steps.judge import rejudge
        from include.perennial.steps.promote import promote

        with runtime.work(context):
            stores = _Stores(self.pipeline)
            request = TrainingPlan.model_validate(self.plan).request
            registration = Registration.model_validate(self.registration)
            decision = Decision.model_validate(self.decision)
            promotion = promote(
                registration,
                decision,
                stores.ledger,
                stores.models,
                lambda decision, champion: rejudge(
                    decision,
                    champion,
                    stores.pipeline,
                    store=stores.objects,
                    registry=stores.data,
                    tracking=stores.tracking,
                    ledger=stores.ledger,
                ),
                force=request.force,
                reason=request.reason,
                unapproved=_missing_approval(stores, registration, context),
                actor=runtime.actor(context),
            )
            if promotion.champion_version == registration.version:
                ModelCache.open(stores.settings, stores.tracking.download).keep(registration.model)
            card = describe_version(
                registration,
                decision,
                stores.pipeline,
                ledger=stores.ledger,
                store=stores.objects,
                tracking=stores.tracking,
            )
        crowned = promotion.champion_version == registration.version
        self.trace(
            read=[Data(self.pipeline, "models", registration.version)],
            wrote=[Data(self.pipeline, "champion", registration.version)] if crowned else [],
            decision={"verdict": promotion.status, "version": registration.version, "seq": promotion.champion_seq},
        )
        self.log.info("%s", promotion.sentence)
        context["ti"].xcom_push("model_card", card.html)
        context["ti"].xcom_push("summary", promotion.sentence)
        return promotion.model_dump(mode="json")


class _Stores:
    """Every store a training task may need, opened inside the task."""

    def __init__(self, name: str) -> None:
        from include.perennial.stores.datasets import DataRegistry
        from include.perennial.stores.ledger import Ledger
        from include.perennial.stores.objects import ObjectStore
        from include.perennial.stores.tracking.registry import Registry
        from include.perennial.stores.tracking.runs import Tracking

        self.pipeline, settings = runtime.load(name)
        self.settings = settings
        self.data = DataRegistry.open(settings)
        self.objects = ObjectStore.open(settings)
        self.ledger = Ledger.open(settings.ledger_url)
        self.tracking = Tracking.open(settings)
        self.models = Registry.open(settings)


def _missing_approval(stores: _Stores, registration: Registration, context: Context) -> str | None:
    from include.perennial.steps.approve import missing_approval

    if stores.pipeline.spec.approval is None:
        return None
    return missing_approval(registration, context["dag_run"].run_id, stores.ledger)


def _request(name: str, as_of: str, context: Context) -> TrainingRequest:
    from perennial_airflow.links import run_url

    params = context.get("params") or {}
    conf = context["dag_run"].conf or {}
    return TrainingRequest(
        pipeline=name,
        as_of=as_of,
        trigger=runtime.trigger(context),
        reason=params.get("reason") or "",
        overrides=params.get("overrides") or {},
        force=bool(params.get("force")),
        dry_run=bool(params.get("dry_run")),
        run_url=run_url(context["dag_run"].dag_id, context["dag_run"].run_id),
        requested_by=context["dag_run"].triggering_user_name,
        evidence=conf.get("evidence") or {},
    )


def _candidates_to_fit(plan: TrainingPlan, ledger: Ledger) -> list[str]:
    """What has been judged before needs no fits: the decision is read from the ledger."""
    from include.perennial.stores.ledger import EventKind

    judged = not plan.request.dry_run and ledger.find(plan.pipeline, EventKind.JUDGED, plan.run_key)
    return [] if judged else list(plan.candidates)


def _record_skip(ledger: Ledger, request: TrainingRequest, missing: NotReady, actor: str) -> None:
    from include.perennial.stores.ledger import EventKind

    payload = {"request": request.model_dump(mode="json"), "why": missing.model_dump(mode="json")}
    ledger.append(request.pipeline, EventKind.TRAINING_SKIPPED, actor, payload, actor=actor)
