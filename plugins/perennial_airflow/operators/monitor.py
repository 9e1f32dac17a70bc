"""Operators of ``<name>.monitor``: ready -> measure -> decide -> retrain, and alert beside it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import BaseOperator, BaseSensorOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from include.perennial.partitions import UTC
from perennial_airflow import runtime
from perennial_airflow.lineage import Data, Traced
from perennial_airflow.triggers.partition_ready import PartitionReadyTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.perennial.monitor.measurement import Measurement

_UNFINISHED = ["queued", "running"]
_REASON_LIMIT = 500


class PartitionReadySensor(BaseSensorOperator):
    """Wait until the partition is scored, its labels are mature and those before it are measured, or no longer.

    What is ready at once never leaves the worker; the rest waits in the triggerer, however long its labels take.
    """

    ui_color = "#e8f0fe"

    def __init__(self, *, pipeline: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline

    def execute(self, context: Context) -> dict[str, Any]:
        from include.perennial.steps.readiness import readiness
        from include.perennial.stores.ledger import Ledger
        from include.perennial.stores.objects import ObjectStore

        since = dt.datetime.now(UTC)
        with runtime.work(context):
            pipeline, settings = runtime.load(self.pipeline)
            key = runtime.partition_key(context, pipeline.spec.period)
            ledger = Ledger.open(settings.ledger_url)
            found = readiness(pipeline, key, ledger, ObjectStore.open(settings), waiting_since_utc=since)
        self.log.info("%s", found.sentence)
        if not found.is_ready:
            trigger = PartitionReadyTrigger(
                pipeline=self.pipeline,
                key=key,
                waiting_since_utc=since.isoformat(),
                poke_interval_s=self.poke_interval,
            )
            self.defer(trigger=trigger, method_name="execute_complete")
        return found.model_dump(mode="json")

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """What the triggerer found; only an error that waiting cannot mend fails the task."""
        if "error" in event:
            raise AirflowFailException(event["error"])
        return event


class MeasureOperator(Traced, BaseOperator):
    """Measure the partition under the champion that scored it; the ledger keeps the numbers.

    Returns the measurement's key in the ledger, and one sentence.
    """

    template_fields = ("ready",)
    ui_color = "#e6f4ea"

    def __init__(self, *, pipeline: str, ready: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.ready = ready

    def execute(self, context: Context) -> dict[str, Any]:
        from include.perennial.models.model_cache import ModelCache
        from include.perennial.steps.decide import record_measurement
        from include.perennial.steps.measure import measure_partition
        from include.perennial.stores.datasets import DataRegistry
        from include.perennial.stores.ledger import Ledger
        from include.perennial.stores.objects import ObjectStore
        from include.perennial.stores.tracking.runs import Tracking

        with runtime.work(context):
            pipeline, settings = runtime.load(self.pipeline)
            ledger = Ledger.open(settings.ledger_url)
            measured = measure_partition(
                pipeline,
                self.ready["key"],
                registry=DataRegistry.open(settings),
                store=ObjectStore.open(settings),
                ledger=ledger,
                models=ModelCache.open(settings, Tracking.open(settings).download),
            )
            recorded = record_measurement(measured.measurement, ledger, runtime.actor(context))
        self._trace(measured.measurement, recorded)
        self.log.info("%s", measured.measurement.sentence)
        context["ti"].xcom_push("summary", measured.measurement.sentence)
        return {"recorded": recorded, "sentence": measured.measurement.sentence}

    def _trace(self, measurement: Measurement, recorded: str) -> None:
        key, sha256 = measurement.key, measurement.dataset_sha256
        champion = measurement.champion_version
        self.trace(
            read=[
                Data(self.pipeline, "partitions", None, {key: sha256 or ""}),
                Data(self.pipeline, "predictions", None, {key: ""}),
                *([Data(self.pipeline, "champion", champion)] if champion else []),
            ],
            wrote=[Data(self.pipeline, "measurements", recorded)],
        )


class DecideOperator(Traced, BaseOperator):
    """Put the measurement to the policy. Whatever it answers is recorded; the task is green."""

    template_fields = ("measured",)
    ui_color = "#fef7e0"

    def __init__(self, *, pipeline: str, measured: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.measured = measured

    def execute(self, context: Context) -> dict[str, Any]:
        from include.perennial.steps.decide import decide_partition, recorded_measurement
        from include.perennial.stores.ledger import Ledger

        with runtime.work(context):
            pipeline, settings = runtime.load(self.pipeline)
            ledger = Ledger.open(settings.ledger_url)
            evaluation = decide_partition(
                recorded_measurement(self.pipeline, self.measured["recorded"], ledger),
                pipeline,
                ledger,
                evaluation=context["dag_run"].run_id,
                training_runs=lambda: context["ti"].get_dr_count(dag_id=f"{self.pipeline}.train", states=_UNFINISHED),
                actor=runtime.actor(context),
            )
        decision = evaluation.decision
        self.trace(
            read=[Data(self.pipeline, "measurements", self.measured["recorded"])],
            decision={
                "verdict": decision.outcome,
                "reason": decision.reason,
                "trigger": decision.trigger,
                "champion_version": decision.champion_version,
                "training_run_id": evaluation.training_run_id,
            },
        )
        self.log.info("%s: %s", evaluation.decision.outcome, evaluation.decision.sentence)
        context["ti"].xcom_push("summary", evaluation.decision.sentence)
        return evaluation.model_dump(mode="json")


class RetrainOperator(TriggerDagRunOperator):
    """Make sure that the training run exists which the ledger says was asked for; skipped if none was.

    Its run id follows from the ledger, so that a repeat finds the run and starts no second one.
    """

    template_fields = ("evaluation",)
    ui_color = "#fce8e6"

    def __init__(self, *, pipeline: str, evaluation: Any, **kwargs: Any) -> None:
        super().__init__(trigger_dag_id=f"{pipeline}.train", logical_date=None, skip_when_already_exists=True, **kwargs)
        self.pipeline = pipeline
        self.evaluation = evaluation

    def execute(self, context: Context) -> None:
        from include.perennial.messages import clipped
        from include.perennial.steps.decide import Evaluation

        evaluation = Evaluation.model_validate(self.evaluation)
        decision = evaluation.decision
        if evaluation.training_run_id is None or decision.trigger is None:
            raise AirflowSkipException(decision.sentence)
        evidence = decision.evidence.model_dump(mode="json") if decision.evidence else {}
        self.trigger_run_id = evaluation.training_run_id
        self.conf = {
            "partition": decision.as_of,
            "trigger": decision.trigger.value,
            "reason": clipped(decision.sentence, _REASON_LIMIT),
            "evidence": evidence,
        }
        self.note = clipped(decision.sentence, _REASON_LIMIT)
        super().execute(context)


class AlertOperator(BaseOperator):
    """Tell people of drift or bad performance, where the spec names a channel; skipped if there is nothing to tell."""

    template_fields = ("evaluation",)
    ui_color = "#f3e8fd"

    def __init__(self, *, pipeline: str, evaluation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.evaluation = evaluation

    def execute(self, context: Context) -> dict[str, Any]:
        from include.perennial.alerts import alert_of_evaluation
        from include.perennial.steps.decide import Evaluation
        from perennial_airflow.notifiers import send

        pipeline, _ = runtime.load(self.pipeline)
        alert = alert_of_evaluation(Evaluation.model_validate(self.evaluation).decision)
        if alert is None or not pipeline.spec.alerts.wants(alert.kind):
            raise AirflowSkipException("Nothing that anybody wants to be told of.")
        return {"title": alert.title, "channels": send(alert, pipeline.spec.alerts)}
