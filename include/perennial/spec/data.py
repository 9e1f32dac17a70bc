"""``data``: the columns of a valid partition and what they mean."""

import enum

from pydantic import Field, model_validator

from include.perennial.messages import shown
from include.perennial.spec.fields import Column, Columns, Share, Spec, TimeZone, is_none, refused
from include.perennial.spec.source import Labels

PREDICTION_COLUMNS = ("p", "class", "model_version", "dataset_sha256", "scored_at", "shadow")  # of the prediction log


class ColumnType(enum.StrEnum):
    """Declared type of a delivered column."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    DATE = "date"


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
