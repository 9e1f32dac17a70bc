"""The ``monitor:`` section: what is measured of each scored partition, and when a retrain may be asked for.

Every value has a default, so that a spec without the section is valid. No threshold of drift stands here:
they are calibrated on the champion's own training window to ``false_alarms_per_quarter``.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from include.perennial.spec.fields import Column, Share, Spec, distinct, refused


class Drift(Spec):
    """Which rows and columns are compared with the champion's training window."""

    sample_rows: int = Field(
        default=2000, ge=200, le=100_000, description="rows compared of each partition, drawn by seed"
    )
    min_rows: int = Field(default=500, ge=20, description="a partition with fewer rows is not measured")
    min_importance: Share = Field(
        default=0.03,
        description="share of the model's importance below which a column's drift is shown and asks for nothing",
    )
    shown_only: Annotated[tuple[Column, ...], AfterValidator(distinct)] = Field(
        default=(), description="columns whose drift is shown and asks for nothing, whatever their importance"
    )

    @model_validator(mode="after")
    def _a_sample_is_enough_to_measure(self) -> "Drift":
        if self.min_rows > self.sample_rows:
            raise refused(f"is {self.min_rows}: expected at most sample_rows, {self.sample_rows}", ("min_rows",))
        return self


class Performance(Spec):
    """How matured labels are used. The metric, its clusters and its slices are those of the gate."""

    min_rows: int = Field(default=500, ge=20, description="fewer labelled rows say nothing about a partition")
    label_wait_periods: int = Field(
        default=1,
        ge=0,
        le=52,
        description="periods to wait beyond data.label_delay_periods before measuring without labels",
    )


class Policy(Spec):
    """When measurements become a retrain. Periods are partitions of the pipeline."""

    ask_on: Annotated[tuple[Literal["drift", "performance"], ...], AfterValidator(distinct)] = Field(
        default=("drift", "performance"),
        description="drift, performance, both, or none: then nothing is ever asked for",
    )
    violations: int = Field(
        default=2, ge=1, le=52, description="partitions that must have violated, the latest among them"
    )
    of_last: int = Field(default=3, ge=1, le=52, description="... of this many of the newest partitions")
    cooldown_periods: int = Field(
        default=2, ge=0, le=52, description="partitions after a retrain in which none is asked for"
    )
    max_per_week: int = Field(default=1, ge=1, le=100, description="retrains asked for in seven days")
    max_per_month: int = Field(default=2, ge=1, le=400, description="retrains asked for in thirty days")

    @model_validator(mode="after")
    def _can_be_reached(self) -> "Policy":
        if self.violations > self.of_last:
            raise refused(f"is {self.violations}: expected at most of_last, {self.of_last}", ("violations",))
        return self


class Rollback(Spec):
    """A champion on trial: its first partitions are held against what the one before would have said of them."""

    trial_periods: int = Field(
        default=4, ge=1, le=52, description="partitions after the crowning in which it may be rolled back"
    )


class Monitor(Spec):
    """Measure, then decide: ``drift`` and ``performance`` say what is measured, ``policy`` what follows.

    ``rollback`` is off unless given; ``rollback: {}`` takes its defaults.
    """

    false_alarms_per_quarter: float = Field(
        default=1.0,
        gt=0,
        le=10,
        description="partitions in a quarter that may violate by chance, over all signals together",
    )
    drift: Drift = Drift()
    performance: Performance = Performance()
    policy: Policy = Policy()
    rollback: Rollback | None = None
