"""``schedule`` and ``window``: when the DAGs run, and how many partitions they use."""

import datetime as dt
from typing import Literal

from pydantic import Field, model_validator

from include.perennial.partitions import YEARS
from include.perennial.spec.fields import Spec, is_none, refused

EARLIEST_START, LATEST_START = dt.date(YEARS[0], 1, 1), dt.date(YEARS[-1], 12, 31)


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
