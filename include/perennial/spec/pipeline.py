"""The whole of ``pipeline.yaml``, and what its sections owe each other."""

import datetime as dt
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from include.perennial.cron import firing_offset
from include.perennial.messages import shown
from include.perennial.partitions import UTC, Partition, Period
from include.perennial.spec.alerts import Alerts
from include.perennial.spec.approval import ApprovalSection
from include.perennial.spec.candidate import Candidate, ModelFunction, TrustedType, require_searches_fit
from include.perennial.spec.data import DataSection
from include.perennial.spec.fields import Name, Spec, distinct, is_empty, is_none, refused
from include.perennial.spec.gate import Gate
from include.perennial.spec.metrics import METRICS, Metric, TaskKind
from include.perennial.spec.monitor import Monitor
from include.perennial.spec.schedule import Schedule, Window
from include.perennial.spec.source import AnySource, SqlSource
from include.perennial.spec.task import require_task_fits


class Score(Spec):
    """How new partitions are scored."""

    shadow: bool = Field(default=False, description="score with the challenger too, beside the champion")


class PipelineSpec(Spec):
    """The whole of ``pipeline.yaml``."""

    name: Name
    title: str = Field(min_length=1, max_length=80)
    description: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    task: TaskKind = TaskKind.BINARY
    classes: Annotated[tuple[str | int, ...], AfterValidator(distinct)] | None = Field(
        None, exclude_if=is_none, description="multiclass: every value of the target, in the order of the predictions"
    )
    period: Period
    schedule: Schedule
    source: AnySource
    data: DataSection
    window: Window
    features: str = Field("features.Features", pattern=r"^features\.[A-Za-z_]\w*$")
    candidates: dict[Name, Candidate] = Field(min_length=1)
    weights: ModelFunction | None = Field(
        None, exclude_if=is_none, description="model.<function> of rows and labels that gives their sample weights"
    )
    trusted_types: Annotated[tuple[TrustedType, ...], AfterValidator(distinct)] = Field(
        (), exclude_if=is_empty, description="types that a stored model may hold beyond those that are always trusted"
    )
    selection_metric: Metric = Metric.LOG_LOSS
    gate: Gate
    approval: ApprovalSection = None
    score: Score = Score()
    monitor: Monitor = Monitor()
    alerts: Alerts = Alerts()
    pool: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        exclude_if=is_none,
        description="Airflow pool of the tasks that fit and judge; default: PERENNIAL_TRAINING_POOL, else default_pool",
    )
    refit: bool = True
    seed: int = Field(0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _schedule_fits_the_period(self) -> "PipelineSpec":
        self._require_first_day(self.schedule.start, "start")
        if self.schedule.end:
            self._require_first_day(self.schedule.end, "end")
        ingest, train = (self._firing_offset(at) for at in ("ingest", "train"))
        if train <= ingest:
            text = f"is {shown(self.schedule.train)}: expected later in the {self.period} than schedule.ingest"
            raise refused(f"{text}, {shown(self.schedule.ingest)}, whose data it trains on", ("schedule", "train"))
        return self

    @model_validator(mode="after")
    def _query_is_bound(self) -> "PipelineSpec":
        if isinstance(self.source, SqlSource):
            self.source.require_bound(("source",))
        if self.data.labels and isinstance(self.data.labels.source, SqlSource):
            self.data.labels.source.require_bound(("data", "labels", "source"))
        return self

    @model_validator(mode="after")
    def _task_fits(self) -> "PipelineSpec":
        require_task_fits(self)
        return self

    @model_validator(mode="after")
    def _columns_of_the_gate_exist(self) -> "PipelineSpec":
        self.data.require_declared(self.gate.compare.cluster, ("gate", "compare", "cluster"))
        if self.gate.slices:
            self.data.require_declared(self.gate.slices.columns, ("gate", "slices", "columns"))
        return self

    @model_validator(mode="after")
    def _columns_of_the_monitor_exist(self) -> "PipelineSpec":
        self.data.require_declared(self.monitor.drift.shown_only, ("monitor", "drift", "shown_only"))
        return self

    @property
    def first_partition(self) -> Partition:
        """The partition in which ``schedule.start`` lies; of hours, the first one of that day."""
        return Partition.containing(dt.datetime.combine(self.schedule.start, dt.time(), UTC), self.period)

    @property
    def last_partition(self) -> Partition | None:
        """The partition in which ``schedule.end`` lies, if the schedule ends; of hours, the last one of that day."""
        if self.schedule.end is None:
            return None
        return Partition.containing(dt.datetime.combine(self.schedule.end, dt.time(23), UTC), self.period)

    def labels_due_utc(self, partition: Partition) -> dt.datetime:
        """When the labels of ``partition`` are known."""
        return partition.shift(self.data.label_delay_periods).end_utc

    @model_validator(mode="after")
    def _searches_and_weights_fit(self) -> "PipelineSpec":
        require_searches_fit(self.candidates, self.window.partitions, METRICS[self.task])
        weight, slices = self.data.weight, self.gate.slices.columns if self.gate.slices else ()
        if weight is not None and self.weights is not None:
            raise refused(f"is set beside data.weight, {shown(weight)}: expected one of the two", ("weights",))
        if weight in (*self.gate.compare.cluster, *slices):
            text = f"is {shown(weight or '')}, which gate.compare.cluster or gate.slices names: a model never sees it"
            raise refused(text, ("data", "weight"))
        return self

    def _require_first_day(self, day: dt.date, at: str) -> None:
        first_day = Partition.containing(dt.datetime.combine(day, dt.time(), UTC), self.period).start_utc.date()
        if first_day != day:
            text = f"is {day}: expected the first day of a {self.period}, such as {first_day}"
            raise refused(text, ("schedule", at))

    def _firing_offset(self, at: str) -> dt.timedelta:
        expression = getattr(self.schedule, at)
        try:
            return firing_offset(expression, self.period)
        except ValueError as error:
            raise refused(f"is {shown(expression)}: expected {error}", ("schedule", at)) from None
