"""What a check finds: steps done, problems with their place and remedy, and a cost."""

import enum

from include.perennial.contracts import Contract


class Step(enum.StrEnum):
    """The parts of a check, in order."""

    SPEC = "spec"
    SOURCE = "source"
    EXPECTATIONS = "expectations"
    FEATURES = "features"
    FIT = "fit"
    GATE = "gate"


class Level(enum.StrEnum):
    """``ERROR``: a run would fail or reject; ``WARNING``: the sample alone does not prove it."""

    ERROR = "error"
    WARNING = "warning"


class Problem(Contract):
    """What is wrong, where, and what to do. ``line`` counts from 1."""

    step: Step
    level: Level
    file: str
    line: int
    text: str
    remedy: str


class Done(Contract):
    """A step that came to an end: how long it took and what was seen."""

    step: Step
    seconds: float
    sentence: str


class Cost(Contract):
    """Estimated seconds of one core. Airflow's own work and the start of processes are not in it.

    ``ingest_s`` and ``score_s`` are of one partition, ``train_s`` of one training run over the whole window
    (every candidate once, the winner twice more).
    """

    ingest_s: float
    train_s: float
    score_s: float
    runs_per_week: float
    week_s: float


class CheckReport(Contract):
    """The whole of a check."""

    pipeline: str
    steps: tuple[Done, ...]
    problems: tuple[Problem, ...]
    cost: Cost | None

    @property
    def is_ready(self) -> bool:
        """Whether nothing was found that would make a run fail."""
        return not any(problem.level is Level.ERROR for problem in self.problems)

    @property
    def sentence(self) -> str:
        """The outcome in one line."""
        errors = sum(problem.level is Level.ERROR for problem in self.problems)
        warnings = len(self.problems) - errors
        counted = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in ((errors, "error"), (warnings, "warning")) if n]
        outcome = "is ready to run" if self.is_ready else "is not ready"
        return f"{self.pipeline} {outcome}" + (f": {', '.join(counted)}." if counted else ".")
