"""The operator of ``<name>.score``."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from perennial_airflow import runtime
from perennial_airflow.lineage import Data, Traced

if TYPE_CHECKING:
    from airflow.sdk import Context


class ScoreOperator(Traced, BaseOperator):
    """Score the run's partition with the champion of its time. Skipped, with the reason, if it had none.

    The outlets are told the partition that was scored, which a run by hand may have named in its form.
    """

    ui_color = "#e6f4ea"

    def __init__(self, *, pipeline: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline

    def execute(self, context: Context) -> dict[str, Any]:
        from include.perennial.models.model_cache import ModelCache
        from include.perennial.steps.score import score_partition
        from include.perennial.stores.datasets import DataRegistry
        from include.perennial.stores.ledger import Ledger
        from include.perennial.stores.objects import ObjectStore
        from include.perennial.stores.tracking.runs import Tracking

        with runtime.work(context):
            pipeline, settings = runtime.load(self.pipeline)
            scored = score_partition(
                pipeline,
                runtime.partition_key(context, pipeline.spec.period),
                registry=DataRegistry.open(settings),
                store=ObjectStore.open(settings),
                ledger=Ledger.open(settings.ledger_url),
                models=ModelCache.open(settings, Tracking.open(settings).download),
                champion_as_of=_moment((context.get("params") or {}).get("champion_as_of")),
            )
        context["ti"].xcom_push("summary", scored.sentence)
        if scored.champion is None:
            raise AirflowSkipException(scored.sentence)
        champion, file = scored.champion, scored.champion.file
        self.trace(
            read=[
                Data(self.pipeline, "partitions", scored.dataset_commit, {scored.key: scored.dataset_sha256}),
                Data(self.pipeline, "champion", champion.version),
            ],
            wrote=[
                Data(self.pipeline, "predictions", file.sha256, {scored.key: file.sha256}, champion.rows, file.n_bytes)
            ],
        )
        for asset in self.outlets:
            event = context["outlet_events"][asset]
            event.add_partitions(scored.key)
            event.extra = {"version": scored.champion.version, "dataset_sha256": scored.dataset_sha256}
        return scored.model_dump(mode="json")


def _moment(text: str | None) -> dt.datetime | None:
    """The form's moment; its schema has seen to it that there is a time zone."""
    return dt.datetime.fromisoformat(text) if text else None
