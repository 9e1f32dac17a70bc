"""Which policies a replay compares. All train until there is a first champion; what follows differs."""

import re
from dataclasses import dataclass, replace
from typing import Literal

from include.perennial.errors import BadInput
from include.perennial.messages import did_you_mean, shown
from include.perennial.pipeline_folder import Pipeline

Signal = Literal["drift", "performance"]
_SCHEDULE = re.compile(r"schedule(?:/([1-9]\d?))?", re.ASCII)
_SIGNALS: tuple[Signal, ...] = ("drift", "performance")
DEFAULT_NAMES = ("never", "schedule", "drift", "performance", "drift+performance")


@dataclass(frozen=True)
class ReplayPolicy:
    """``every`` is the number of periods from one scheduled retrain to the next; ``ask_on`` what the monitor asks on.

    ``never`` has neither.
    """

    name: str
    every: int | None = None
    ask_on: tuple[Signal, ...] = ()

    @property
    def is_watching(self) -> bool:
        """Whether each partition is measured and the monitor's policy is asked."""
        return bool(self.ask_on)

    def is_due(self, periods_since_first: int) -> bool:
        """Whether the schedule retrains, so many periods after the first champion's training."""
        return self.every is not None and periods_since_first % self.every == 0

    def applied(self, pipeline: Pipeline) -> Pipeline:
        """``pipeline`` with the monitor asking on ``ask_on`` only; all other settings are the spec's."""
        policy = pipeline.spec.monitor.policy.model_copy(update={"ask_on": self.ask_on})
        monitor = pipeline.spec.monitor.model_copy(update={"policy": policy})
        return replace(pipeline, spec=pipeline.spec.model_copy(update={"monitor": monitor}))


def parse_policy(name: str) -> ReplayPolicy:
    """The policy ``name``: ``never``, or any of schedule, schedule/<n> (each n-th period), drift, performance.

    Several are joined by ``+``.

    Raises:
        BadInput: there is no such policy.
    """
    if name == "never":
        return ReplayPolicy(name)
    parts = name.split("+")
    asked = tuple(signal for signal in _SIGNALS if signal in parts)
    schedules = [match for part in parts if (match := _SCHEDULE.fullmatch(part))]
    if len(asked) + len(schedules) != len(parts) or len(schedules) > 1:
        raise BadInput(
            f"Policy {shown(name)} does not exist{did_you_mean(name, DEFAULT_NAMES)}: expected never, or any of "
            "schedule, schedule/<n> for each n-th period, drift and performance, joined by + such as schedule/4+drift."
        )
    return ReplayPolicy(name, every=int(schedules[0][1] or 1) if schedules else None, ask_on=asked)
