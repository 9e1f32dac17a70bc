"""``gate``: what a candidate must show before it is registered."""

from typing import Literal

from pydantic import Field, model_validator

from include.perennial.spec.fields import Columns, Share, Spec, is_none, refused
from include.perennial.spec.metrics import HIGHEST, LOWER_IS_BETTER, LOWEST, Metric
from include.perennial.spec.task import require_reachable


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
