"""The strict model of ``pipeline.yaml``: every key, its type and its allowed range.

Reading with file and line numbers is ``spec_reader``'s job; this module says what is valid.
"""

import datetime as dt
import enum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from include.perennial.cron import firing_offset
from include.perennial.messages import shown
from include.perennial.partitions import UTC, Partition, Period
from include.perennial.spec_alerts import Alerts
from include.perennial.spec_approval import ApprovalSection
from include.perennial.spec_candidate import Candidate, ModelFunction, TrustedType, require_searches_fit
from include.perennial.spec_fields import (
    Column,
    Columns,
    Name,
    Share,
    Spec,
    TimeZone,
    distinct,
    is_empty,
    is_none,
    refused,
)
from include.perennial.spec_metrics import (
    COMPARABLE,
    HIGHEST,
    LOWER_IS_BETTER,
    LOWEST,
    METRICS,
    Metric,
    TaskKind,
)
from include.perennial.spec_monitor import Monitor
from include.perennial.spec_source import AnySource, FilesSource, Labels, PythonSource, SqlSource
from include.perennial.spec_task import require_reachable, require_task_fits

EARLIEST_START, LATEST_START = dt.date(1970, 1, 1), dt.date(2199, 12, 31)
PREDICTION_COLUMNS = ("p", "class", "model_version", "dataset_sha256", "scored_at", "shadow")  # of the prediction log

__all__ = [
    "COMPARABLE",
    "HIGHEST",
    "LOWER_IS_BETTER",
    "LOWEST",
    "METRICS",
    "FilesSource",
    "Labels",
    "Metric",
    "PythonSource",
    "SqlSource",
    "TaskKind",
]


class ColumnType(enum.StrEnum):
    """Declared type of a delivered column."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    DATE = "date"


class Schedule(Spec):
    """When the DAGs run. Each run is about the period that ended before it."""

    ingest: str = Field(description="cron expression, UTC")
    train: str = Field(description="cron expression, UTC; the same period, later")
    start: dt.date = Field(description="first partition a backfill may ask for")
    end: dt.date | None = Field(
        None, exclude_if=is_none, description="last partition of data that do not grow; nothing is scheduled after it"
    )

    @model_validator(mode="after")
    def _start_is_plausible(self) -> "Schedule":
        if not EARLIEST_START <= self.start <= LATEST_START:
            raise refused(f"is {self.start}: expected a day from {EARLIEST_START} to {LATEST_START}", ("start",))
        if self.end and not self.start <= self.end <= LATEST_START:
            raise refused(f"is {self.end}: expected a day from {self.start}, schedule.start, on", ("end",))
        return self


class DataSection(Spec):
    """Columns of a valid partition and what they mean."""

    time: Column
    key: Columns
    target: Column
    columns: dict[Column, ColumnType] = Field(min_length=2)
    timezone: TimeZone | None = Field(
        None,
        exclude_if=is_none,
        description="IANA name of the zone in which moments without one are, such as Europe/Berlin. Default: UTC. "
        "Partitions begin in UTC whatever it says",
    )
    quarantine_quota: Share = Field(description="share of rows that may be set aside before the task fails")
    label_delay_periods: int = Field(0, ge=0, le=520, description="periods until the labels of a partition are known")
    labels: Labels | None = Field(None, exclude_if=is_none)
    weight: Column | None = Field(
        None, exclude_if=is_none, description="column of sample weights, told to the fit and never a feature"
    )

    @model_validator(mode="after")
    def _named_columns_exist(self) -> "DataSection":
        self.require_declared((self.time,), ("time",))
        self.require_declared((self.target,), ("target",))
        self.require_declared(self.key, ("key",))
        self._require_type(self.time, "time", ColumnType.TIMESTAMP)
        self._require_labels_can_be_joined()
        if self.target in self.key:
            raise refused(f"holds the target {shown(self.target)}: a row is named before its label is known", ("key",))
        if taken := [name for name in (self.time, *self.key) if name in PREDICTION_COLUMNS]:
            text = f"{shown(taken[0])} is a column of the prediction log: expected another name for the time or a key"
            raise refused(text, ("columns",))
        self._require_weight()
        return self

    @property
    def label_key(self) -> tuple[str, ...]:
        """Columns by which labels of another source are joined."""
        return (self.labels.key if self.labels else None) or self.key

    @property
    def delivered(self) -> dict[str, ColumnType]:
        """The columns of the source: all, but for a target that another source delivers."""
        return {name: kind for name, kind in self.columns.items() if self.labels is None or name != self.target}

    @property
    def zone(self) -> str:
        """Name of the zone in which moments without one are."""
        return self.timezone or "UTC"

    @property
    def withheld(self) -> tuple[str, ...]:
        """Columns that no model sees."""
        return (self.target,) if self.weight is None else (self.target, self.weight)

    def _require_weight(self) -> None:
        if self.weight is None:
            return
        self.require_declared((self.weight,), ("weight",))
        self._require_type(self.weight, "weight", ColumnType.FLOAT, ColumnType.INTEGER)
        if self.weight in (self.target, *self.key):
            raise refused(f"is {shown(self.weight)}: expected a column that is neither target nor key", ("weight",))

    def require_declared(self, columns: tuple[str, ...], at: tuple[str, ...]) -> None:
        """Refuse the first of ``columns`` that ``data.columns`` does not declare; ``at`` is where they stand."""
        for column in columns:
            if column not in self.columns:
                text = f"names column {shown(column)}, which is not declared under data.columns"
                raise refused(text, at, column, self.columns)

    def _require_labels_can_be_joined(self) -> None:
        if self.labels is None:
            return
        self.require_declared(self.label_key, ("labels", "key"))
        if self.target in self.label_key:
            text = f"holds the target {shown(self.target)}: expected columns that both sources have"
            raise refused(text, ("labels", "key"))
        if not self.label_delay_periods:
            text = "is 0: expected 1 or more, since data.labels says that labels come later than their rows"
            raise refused(text, ("label_delay_periods",) if "label_delay_periods" in self.model_fields_set else ())

    def _require_type(self, column: str, at: str, *allowed: ColumnType) -> None:
        declared = self.columns[column]
        if declared not in allowed:
            text = f"names column {shown(column)}, declared as {declared}: expected {' or '.join(allowed)}"
            raise refused(text, (at,))


class Window(Spec):
    """How many partitions train and judge."""

    kind: Literal["sliding", "expanding"] = "sliding"
    partitions: int = Field(ge=2, le=520, description="training partitions; for expanding windows the minimum")
    holdout: int = Field(1, ge=1, le=52, description="newest labelled partitions, kept from the candidate")

    @model_validator(mode="after")
    def _trains_on_at_least_what_it_holds_out(self) -> "Window":
        if self.holdout > self.partitions:
            raise refused(f"is {self.holdout}: expected at most window.partitions, {self.partitions}", ("holdout",))
        return self


class Compare(Spec):
    """The paired, clustered comparison with the champion on rows neither has seen."""

    metric: Metric
    policy: Literal["non_inferior", "superior"] = "non_inferior"
    margin: float = Field(ge=0, description="how much worse the candidate may truly be, in units of the metric")
    cluster: Columns = Field(description="columns whose values share luck; resampled together")
    resamples: int = Field(1000, ge=200, le=20000)
    confidence: float = Field(0.95, gt=0.5, lt=1)


class Slices(Spec):
    """Groups that must not get much worse even when the average does not."""

    columns: Columns
    min_rows: int = Field(ge=1)
    max_regression: float = Field(
        ge=0, description="largest drop of the compared metric in a slice, beyond its interval"
    )


class Behaviour(Spec):
    """What a model file may cost."""

    max_ms_per_1000_rows: float = Field(gt=0)
    max_megabytes: float = Field(gt=0)


class Plausibility(Spec):
    """Too good to be true is a leak until shown otherwise."""

    max_roc_auc: float | None = Field(None, gt=0.5, le=1, exclude_if=is_none)
    max_single_feature_auc: float | None = Field(None, gt=0.5, le=1, exclude_if=is_none)
    max_r2: float | None = Field(None, gt=0, le=1, exclude_if=is_none, description="regression: largest R²")
    max_single_feature_correlation: float | None = Field(
        None, gt=0, le=1, exclude_if=is_none, description="regression: rank correlation of one feature with the target"
    )


class Gate(Spec):
    """All of it must hold. An empty gate is refused."""

    min_rows: int = Field(ge=1)
    min_positives: int | None = Field(None, ge=1, exclude_if=is_none, description="binary: rows of class 1")
    min_class_rows: int | None = Field(
        None, ge=1, exclude_if=is_none, description="multiclass: rows of the rarest class"
    )
    floors: dict[Metric, float] = Field(min_length=1)
    ceilings: dict[Metric, float] = Field(default_factory=dict)
    first_floors: dict[Metric, float] = Field(
        min_length=1, description="floors of the first model, which has no champion to beat"
    )
    compare: Compare
    slices: Slices | None = None
    max_calibration_error: Share | None = None
    behaviour: Behaviour
    plausibility: Plausibility

    @model_validator(mode="after")
    def _thresholds_can_be_met(self) -> "Gate":
        _require_range(self.floors, "floors", LOWER_IS_BETTER)
        _require_range(self.first_floors, "first_floors", LOWER_IS_BETTER)
        _require_range(self.ceilings, "ceilings", frozenset(Metric) - LOWER_IS_BETTER)
        require_reachable(self)
        return self


def _require_range(thresholds: dict[Metric, float], at: str, other_way: frozenset[Metric]) -> None:
    for metric, value in thresholds.items():
        if metric in other_way:
            better, section = ("lower", "ceilings") if metric in LOWER_IS_BETTER else ("higher", "floors")
            text = f"is not a threshold of this kind: {metric} is better when {better}, set it under gate.{section}"
            raise refused(text, (at, metric))
        if not LOWEST[metric] <= value <= HIGHEST[metric]:
            text = f"is {value}: expected a number in [{LOWEST[metric]:g}, {HIGHEST[metric]:g}], the range of {metric}"
            raise refused(text, (at, metric))


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
