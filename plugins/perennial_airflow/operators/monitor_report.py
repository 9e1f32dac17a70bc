"""Operator of ``<name>.monitor`` that draws what was measured. Beside the decision, never before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from perennial_airflow import runtime

if TYPE_CHECKING:
    from airflow.sdk import Context


class ReportOperator(BaseOperator):
    """Keep the drift report of a partition and its points on the champion's MLflow run; skipped without signals."""

    template_fields = ("ready",)
    ui_color = "#e6f4ea"

    def __init__(self, *, pipeline: str, ready: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.ready = ready

    def execute(self, context: Context) -> dict[str, Any]:
        from include.perennial.models.model_cache import ModelCache
        from include.perennial.steps.report import report_partition
        from include.perennial.stores.datasets import DataRegistry
        from include.perennial.stores.ledger import Ledger
        from include.perennial.stores.objects import ObjectStore
        from include.perennial.stores.tracking.runs import Tracking

        with runtime.work(context):
            pipeline, settings = runtime.load(self.pipeline)
            tracking = Tracking.open(settings)
            store = ObjectStore.open(settings)
            reported = report_partition(
                pipeline,
                self.ready["key"],
                registry=DataRegistry.open(settings),
                store=store,
                ledger=Ledger.open(settings.ledger_url),
                models=ModelCache.open(settings, tracking.download),
                tracking=tracking,
            )
        if reported is None:
            raise AirflowSkipException("Nothing was measured, so there is nothing to draw.")
        context["ti"].xcom_push("summary", f"Drift report: {store.url(reported.html_key)}")
        return reported.model_dump(mode="json")
