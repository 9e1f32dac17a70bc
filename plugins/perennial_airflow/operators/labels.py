"""The sensor of ``<name>.labels``; what follows it are the operators of ingest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowSkipException

from include.perennial.contracts import Trigger
from include.perennial.partitions import Partition
from perennial_airflow import runtime

if TYPE_CHECKING:
    from airflow.sdk import Context


class LabelsSensor(BaseSensorOperator):
    """Wait, between checks off the worker, until labels of the partition have come; returns the snapshot with them.

    Only a scheduled run waits: a person asks for what is there, and is told at once if there is nothing.
    """

    ui_color = "#e8f0fe"

    def __init__(self, *, pipeline: str, **kwargs: Any) -> None:
        super().__init__(mode="reschedule", soft_fail=False, **kwargs)
        self.pipeline = pipeline

    def poke(self, context: Context) -> PokeReturnValue:
        from include.perennial.steps.labels import NoLabels, take_labels
        from include.perennial.stores.datasets import DataRegistry
        from include.perennial.stores.objects import ObjectStore

        with runtime.work(context):
            pipeline, settings = runtime.load(self.pipeline)
            found = take_labels(
                pipeline,
                Partition.of_key(runtime.partition_key(context, pipeline.spec.period), pipeline.spec.period),
                registry=DataRegistry.open(settings),
                store=ObjectStore.open(settings),
                connections=runtime.AirflowConnections(),
            )
        if not isinstance(found, NoLabels):
            return PokeReturnValue(True, found.model_dump(mode="json"))
        if runtime.trigger(context) is not Trigger.SCHEDULE:
            raise AirflowSkipException(found.sentence)
        self.log.info("%s Checking again in %s s.", found.sentence, self.poke_interval)
        return PokeReturnValue(False)
