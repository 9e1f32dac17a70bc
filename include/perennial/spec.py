"""The strict model of ``pipeline.yaml``: every key, its type and its allowed range.

Reading with file and line numbers is ``spec_reader``'s job; this module says what is valid.
"""

import datetime as dt
import enum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from include.perennial.partitions import Period

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,47}$")]
Column = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Share = Annotated[float, Field(ge=0, le=1)]


class Spec(BaseModel):
    """Base of every section: unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Metric(enum.StrEnum):
    """Metrics of a binary classifier. Higher is better except where ``LOWER_IS_BETTER`` says so."""

    ROC_AUC = "roc_auc"
    AVERAGE_PRECISION = "average_precision"
    LOG_LOSS = "log_loss"
    BRIER = "brier"
    ACCURACY = "accuracy"
    F1 = "f1"
    LOG_LOSS_SKILL = "log_loss_skill"


LOWER_IS_BETTER = frozenset({Metric.LOG_LOSS, Metric.BRIER})
COMPARABLE = frozenset({Metric.ROC_AUC, Metric.LOG_LOSS, Metric.BRIER})


class FilesSource(Spec):
    """CSV, CSV.gz, Parquet or JSON lines from a folder or an S3 prefix. ``{key}`` in ``path`` is the partition key.

    Without ``{key}`` the file holds all time and each partition takes the rows of its interval.
    """

    kind: Literal["files"]
    path: str = Field(min_length=1, description="path or s3://bucket/prefix; relative paths start at the pipeline folder")
    format: Literal["csv", "parquet", "jsonl"]
    connection: str | None = Field(None, description="Airflow connection with S3 credentials")
    null_values: tuple[str, ...] = ("", "NA")


class SqlSource(Spec):
    """A SELECT with ``:start`` and ``:end`` bound to the partition's UTC bounds; read-only."""

    kind: Literal["sql"]
    connection: str = Field(min_length=1, description="Airflow connection id")
    query: str = Field(min_length=1)


class PythonSource(Spec):
    """``source.py`` in the pipeline folder: ``deliver(partition, folder, **options)`` writes files."""

    kind: Literal["python"]
    options: dict[str, Any] = {}


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


class DataSection(Spec):
    """Columns of a valid partition and what they mean."""

    time: Column
    key: tuple[Column, ...] = Field(min_length=1)
    target: Column
    columns: dict[Column, ColumnType] = Field(min_length=2)
    quarantine_quota: Share = Field(description="share of rows that may be set aside before the task fails")
    label_delay_periods: int = Field(0, ge=0, description="periods until the labels of a partition are known")

    @model_validator(mode="after")
    def _named_columns_exist(self) -> "DataSection":
        for column in (self.time, self.target, *self.key):
            if column not in self.columns:
                raise ValueError(f"column {column!r} is used but not declared under data.columns")
        if self.columns[self.time] is not ColumnType.TIMESTAMP:
            raise ValueError(f"time column {self.time!r} must have type timestamp")
        return self


class Window(Spec):
    """How many partitions train and judge."""

    kind: Literal["sliding", "expanding"] = "sliding"
    partitions: int = Field(ge=2, le=520, description="training partitions; for expanding windows the minimum")
    holdout: int = Field(1, ge=1, le=52, description="newest labelled partitions, kept from the candidate")


class Candidate(Spec):
    """One estimator to try: a scikit-learn class or a function of ``model.py``, with parameters."""

    estimator: str = Field(pattern=r"^[A-Za-z_][\w.]*$", description="dotted path of a class, or model.<function>")
    params: dict[str, Any] = {}


class Compare(Spec):
    """The paired, clustered comparison with the champion on rows neither has seen."""

    metric: Metric
    policy: Literal["non_inferior", "superior"] = "non_inferior"
    margin: float = Field(ge=0, description="how much worse the candidate may truly be, in units of the metric")
    cluster: tuple[Column, ...] = Field(min_length=1, description="columns whose values share luck; resampled together")
    resamples: int = Field(1000, ge=200, le=20000)
    confidence: float = Field(0.95, gt=0.5, lt=1)

    @model_validator(mode="after")
    def _metric_is_comparable(self) -> "Compare":
        if self.metric not in COMPARABLE:
            raise ValueError(f"metric {self.metric} cannot be compared: allowed {', '.join(sorted(COMPARABLE))}")
        return self


class Slices(Spec):
    """Groups that must not get much worse even when the average does not."""

    columns: tuple[Column, ...] = Field(min_length=1)
    min_rows: int = Field(ge=1)
    max_regression: float = Field(ge=0, description="largest drop of the compared metric in a slice, beyond its interval")


class Behaviour(Spec):
    """What a model file may cost."""

    max_ms_per_1000_rows: float = Field(gt=0)
    max_megabytes: float = Field(gt=0)


class Plausibility(Spec):
    """Too good to be true is a leak until shown otherwise."""

    max_roc_auc: Share
    max_single_feature_auc: Share


class Gate(Spec):
    """All of it must hold. An empty gate is refused."""

    min_rows: int = Field(ge=1)
    min_positives: int = Field(ge=1)
    floors: dict[Metric, float] = Field(min_length=1)
    ceilings: dict[Metric, float] = {}
    first_floors: dict[Metric, float] = Field(min_length=1, description="floors of the first model, which has no champion to beat")
    compare: Compare
    slices: Slices | None = None
    max_calibration_error: Share | None = None
    behaviour: Behaviour
    plausibility: Plausibility


class PipelineSpec(Spec):
    """The whole of ``pipeline.yaml``."""

    name: Name
    title: str = Field(min_length=1, max_length=80)
    description: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    task: Literal["binary"] = "binary"
    period: Period
    schedule: Schedule
    source: Annotated[FilesSource | SqlSource | PythonSource, Field(discriminator="kind")]
    data: DataSection
    window: Window
    features: str = Field("features.Features", pattern=r"^features\.[A-Za-z_]\w*$")
    candidates: dict[Name, Candidate] = Field(min_length=1)
    selection_metric: Metric = Metric.LOG_LOSS
    gate: Gate
    refit: bool = True
    seed: int = Field(0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _columns_of_the_gate_exist(self) -> "PipelineSpec":
        used = [("gate.compare.cluster", self.gate.compare.cluster)]
        if self.gate.slices:
            used.append(("gate.slices.columns", self.gate.slices.columns))
        for where, columns in used:
            for column in columns:
                if column not in self.data.columns:
                    raise ValueError(f"{where}: column {column!r} is not declared under data.columns")
        return self
