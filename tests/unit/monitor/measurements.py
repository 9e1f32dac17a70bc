"""Measurements as the policy sees them: which partition, which champion, and what is over its threshold."""

from include.perennial.monitor.measurement import (
    LabelStatus,
    MaturedPerformance,
    Measurement,
    MeasurementStatus,
    Signal,
    SignalKind,
)
from include.perennial.partitions import Partition, Period
from include.perennial.spec import Metric

PIPELINE = "flights"
WEEKS = [Partition.of_key("2013-01-07", Period.WEEK).shift(n).key for n in range(52)]
CHAMPION_SEQ = 10


def signal(value: float, *, counts: bool = True, name: str = "hour") -> Signal:
    return Signal(kind=SignalKind.FEATURE, name=name, value=value, threshold=0.1, importance=0.5, counts=counts)


def performance(value: float) -> MaturedPerformance:
    """An AUC where the champion's window lets expect .65 to .75."""
    return MaturedPerformance(
        metric=Metric.ROC_AUC,
        rows=6000,
        value=value,
        interval=(value - 0.02, value + 0.02),
        expected=0.70,
        expected_interval=(0.65, 0.75),
        metrics={"roc_auc": value},
    )


def measured(
    week: int,
    *,
    drift: float = 0.0,
    auc: float | None = 0.70,
    champion_seq: int | None = CHAMPION_SEQ,
    status: MeasurementStatus = MeasurementStatus.MEASURED,
    signals: tuple[Signal, ...] | None = None,
) -> Measurement:
    """Week number ``week``: one feature at ``drift`` with a threshold of 0.1; labels matured unless ``auc`` is None."""
    return Measurement(
        pipeline=PIPELINE,
        key=WEEKS[week],
        status=status,
        sentence=f"{PIPELINE} {WEEKS[week]}: {status}.",
        champion_version="3",
        champion_seq=champion_seq,
        champion_cutoff=WEEKS[7],
        dataset_sha256="a" * 64,
        rows=6000,
        signals=(signal(drift),) if signals is None else signals,
        labels=LabelStatus.WAITING if auc is None else LabelStatus.MATURED,
        matured=None if auc is None else performance(auc),
    )
