"""What a replay records: one tick per partition and policy."""

from pydantic import Field

from include.perennial.contracts import Contract, Trigger, Verdict
from include.perennial.monitor.decision import TriggerDecision
from include.perennial.spec import Metric

Interval = tuple[float, float]
OF_TWO_CLASSES = (Metric.ROC_AUC, Metric.LOG_LOSS, Metric.BRIER)
SHOWN = (*OF_TWO_CLASSES, Metric.RMSE, Metric.MAE, Metric.MEAN_POISSON_DEVIANCE, Metric.ACCURACY)
"""Metrics of a champion on a partition that a replay keeps, as far as its task has them."""
ALARMS = frozenset({Trigger.DRIFT, Trigger.PERFORMANCE})


class Hindsight(Contract):
    """Whether a retrain paid: the improvement of its model over the champion then in place, on later partitions.

    In the gate's compared metric, positive where the new model is better, with the gate's clustered interval.
    """

    partitions: tuple[str, ...]
    improvement: float
    interval: Interval | None

    @property
    def paid(self) -> bool:
        """Whether the new model is surely the better one."""
        return self.interval is not None and self.interval[0] > 0


class Training(Contract):
    """A training run of a replay and its end; ``cpu_s`` is what it would have cost alone."""

    run_key: str
    window_digest: str
    trigger: Trigger
    winner: str
    verdict: Verdict
    sentence: str
    delta: float | None
    cpu_s: float
    hindsight: Hindsight | None = None

    @property
    def is_alarm(self) -> bool:
        """Whether the monitor asked for it."""
        return self.trigger in ALARMS

    @property
    def is_promoted(self) -> bool:
        """Whether its model became champion."""
        return self.verdict is Verdict.PASSED


class Tick(Contract):
    """One partition under one policy.

    ``champion`` names the model that scored it by the partition as of which it was trained; ``metrics`` are its own
    on this partition. ``decision`` is the monitor's, made at this time about the newest partition with labels.
    """

    key: str
    rows: int = 0
    champion: str | None = None
    champion_cutoff: str | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    decision: TriggerDecision | None = None
    measure_cpu_s: float = 0.0
    training: Training | None = None
    note: str = ""


class Walk(Contract):
    """A policy's way through all partitions, oldest first."""

    policy: str
    ticks: tuple[Tick, ...]

    @property
    def trainings(self) -> tuple[Training, ...]:
        """Every training run, the first champion's included."""
        return tuple(tick.training for tick in self.ticks if tick.training)
