"""Operators of ``<name>.ingest``: snapshot -> validate -> version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from include.perennial.contracts import Snapshot, Validated
from include.perennial.errors import DataError
from include.perennial.partitions import Partition
from perennial_airflow import runtime
from perennial_airflow.lineage import Data, Traced
from perennial_airflow.links import DataDocsLink

if TYPE_CHECKING:
    from airflow.sdk import Context


class SnapshotOperator(Traced, BaseOperator):
    """Fetch the partition's delivery and store it unchanged, with a manifest."""

    ui_color = "#e8f0fe"

    def __init__(self, *, pipeline: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline

    def execute(self, context: Context) -> dict[str, Any]:
        from include.perennial.steps.snapshot import take_snapshot
        from include.perennial.stores.objects import ObjectStore

        with runtime.work(context):
            pipeline, settings = runtime.load(self.pipeline)
            key = runtime.partition_key(context, pipeline.spec.period)
            partition = Partition.of_key(key, pipeline.spec.period)
            store = ObjectStore.open(settings)
            snapshot = take_snapshot(pipeline, partition, store, runtime.AirflowConnections())
        self.trace(wrote=[_delivered(snapshot)])
        self.log.info("%s", snapshot)
        return snapshot.model_dump(mode="json")


class ValidateOperator(Traced, BaseOperator):
    """Run the pipeline's Great Expectations suite; quarantine rows, refuse batches."""

    template_fields = ("snapshot",)
    operator_extra_links = (DataDocsLink(),)
    ui_color = "#e6f4ea"

    def __init__(self, *, pipeline: str, snapshot: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.snapshot = snapshot

    def execute(self, context: Context) -> dict[str, Any]:
        from include.perennial.steps.refuse import refuse
        from include.perennial.steps.validate import validate
        from include.perennial.stores.ledger import Ledger
        from include.perennial.stores.objects import ObjectStore

        with runtime.work(context):
            pipeline, settings = runtime.load(self.pipeline)
            snapshot = Snapshot.model_validate(self.snapshot)
            try:
                validated = validate(pipeline, snapshot, ObjectStore.open(settings))
            except DataError as error:
                refuse(snapshot, error, Ledger.open(settings.ledger_url))
                raise
        self.trace(read=[_delivered(snapshot)], wrote=[_checked(validated)])
        context["ti"].xcom_push("data_docs", validated.docs_key)
        return validated.model_dump(mode="json")


class VersionOperator(Traced, BaseOperator):
    """Commit the partition to the data registry (DVC), tell the ledger, and write its data card."""

    template_fields = ("validated",)
    ui_color = "#fef7e0"

    def __init__(self, *, pipeline: str, validated: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.validated = validated

    def execute(self, context: Context) -> dict[str, Any]:
        from include.perennial.steps.describe_partition import describe_partition
        from include.perennial.steps.version import publish_partition
        from include.perennial.stores.datasets import DataRegistry
        from include.perennial.stores.ledger import Ledger
        from include.perennial.stores.objects import ObjectStore

        with runtime.work(context):
            pipeline, settings = runtime.load(self.pipeline)
            validated = Validated.model_validate(self.validated)
            store, ledger = ObjectStore.open(settings), Ledger.open(settings.ledger_url)
            version = publish_partition(validated, store, DataRegistry.open(settings), ledger)
            card = describe_partition(pipeline, validated, version, ledger=ledger, store=store)
        key = {version.key: version.sha256}
        published = Data(self.pipeline, "partitions", version.commit, key, version.rows, version.n_bytes)
        self.trace(read=[_checked(validated)], wrote=[published])
        context["ti"].xcom_push("data_card", card.html)
        for asset in self.outlets:
            event = context["outlet_events"][asset]
            event.add_partitions(version.key)  # a run by hand names its partition in the form, not in the run
            event.extra = {"sha256": version.sha256, "commit": version.commit}
        return version.model_dump(mode="json")


def _delivered(snapshot: Snapshot) -> Data:
    return Data(snapshot.pipeline, "snapshots", snapshot.digest, {snapshot.key: snapshot.digest}, snapshot.rows)


def _checked(validated: Validated) -> Data:
    key = {validated.key: validated.sha256}
    return Data(validated.pipeline, "validated", validated.sha256, key, validated.rows, validated.n_bytes)
