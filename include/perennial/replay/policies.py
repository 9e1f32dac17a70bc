"""Which policies a replay compares. All train until there is a first champion; what follows differs."""

import re
from dataclasses import dataclass, replace
from typing import Literal

from include.perennial.errors import BadInput
from include.perennial.messages import did_you_mean, shown
from include.perennial.pipeline_folder import Pipeline

AskOn = tuple[Literal["drift", "performance"], ...]
_SCHEDULE = re.compile(r"schedule(?:/([1-9]\d?))?", re.ASCII)
_ASKING: dict[str, AskOn] = {
    "drift": ("drift",),
    "performance": ("performance",),
    "drift+performance": ("drift", "performance"),
}
DEFAULT_NAMES = ("never", "schedule", *_ASKING)


@dataclass(frozen=True)
class ReplayPolicy:
    """``every`` is the number of periods from one scheduled retrain to the next; ``ask_on`` what the monitor asks on.

    ``never`` has neither.
    """

    name: str
    every: int | None = None
    ask_on: AskOn = ()

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
    """The policy ``name``: never, schedule, schedule/<n> (each n-th period), drift, performance, drift+performance.

    Raises:
        BadInput: there is no such policy.
    """
    if name == "never":
        return ReplayPolicy(name)
    if match := _SCHEDULE.fullmatch(name):
        return ReplayPolicy(name, every=int(match[1] or 1))
    if name in _ASKING:
        return ReplayPolicy(name, ask_on=_ASKING[name])
    raise BadInput(
        f"Policy {shown(name)} does not exist{did_you_mean(name, DEFAULT_NAMES)}: "
        f"expected {', '.join(DEFAULT_NAMES)}, or schedule/4 for each fourth period."
    )
