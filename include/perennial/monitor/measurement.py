"""What is measured of one scored partition against its champion's training window. Numbers, no verdict.

Cheap to import: policies, operators and the ledger read it.
"""

import enum

from pydantic import Field

from include.perennial.contracts import Contract
from include.perennial.spec import LOWER_IS_BETTER, Metric

Interval = tuple[float, float]


class MeasurementStatus(enum.StrEnum):
    """Whether there is anything to measure; only ``MEASURED`` has signals."""

    MEASURED = "measured"
    TOO_FEW_ROWS = "too_few_rows"
    NO_CHAMPION = "no_champion"
    NOT_SCORED = "not_scored"
    NOT_CALIBRATED = "not_calibrated"


class LabelStatus(enum.StrEnum):
    """Why there is, or is not, a matured performance."""

    MATURED = "matured"
    WAITING = "waiting"
    NEVER_CAME = "never_came"
    TOO_FEW = "too_few"
    ONE_CLASS = "one_class"
    UNDEFINED = "undefined"


class SignalKind(enum.StrEnum):
    """What a signal is about; the unit of ``value`` and ``threshold``.

    ``FEATURE``       one column: numbers by their distance in reference ranks (0 to 1/2), categories by the
                      Jensen-Shannon distance (0 to 1)
    ``FEATURES``      the mean of all columns' distances, weighted by their importance to the champion
    ``PREDICTION``    the champion's predictions: distance in reference ranks, of predicted classes Jensen-Shannon
    ``LABEL``         matured labels: difference of the share of ones, of more classes half the sum of all shares'
                      differences, of numbers the distance in reference ranks
    ``NULL_RATE``     one column: difference of the share of missing values
    ``NEW_CATEGORY``  one column: share of rows with a value that the window does not hold
    ``VOLUME``        ratio of row counts to the window's usual one, as the absolute natural logarithm
    """

    FEATURE = "feature"
    FEATURES = "features"
    PREDICTION = "prediction"
    LABEL = "label"
    NULL_RATE = "null_rate"
    NEW_CATEGORY = "new_category"
    VOLUME = "volume"


class Signal(Contract):
    """One number beside the threshold that was calibrated for it.

    ``name``        the column, or empty where the signal is about the whole partition
    ``importance``  the column's share of the champion's importance, 0 to 1; None for signals of no column
    ``counts``      whether it may ask for a retrain: False for columns of little importance, for columns that the
                    spec shows only, and for the volume, which no retrain mends
    ``note``        what a person should know beside the number, such as ``column is gone``
    """

    kind: SignalKind
    name: str
    value: float
    threshold: float
    importance: float | None = None
    counts: bool = True
    note: str = ""

    @property
    def is_over(self) -> bool:
        """Whether the value exceeds its threshold."""
        return self.value > self.threshold

    @property
    def label(self) -> str:
        """``kind`` and, where there is one, the column."""
        return f"{self.kind} {self.name}".rstrip()


class SliceValue(Contract):
    """The compared metric in one group of rows; None where it is undefined there."""

    column: str
    value: str
    rows: int
    metric_value: float | None


class MaturedPerformance(Contract):
    """The champion's performance on the labels of this partition, beside what its own window lets expect.

    ``metric``             the metric that the gate compares
    ``value``, ``interval`` on this partition, with its clustered bootstrap interval (None where none can be given)
    ``expected``           mean over the partitions of the champion's window, each predicted by a model that had not
                           seen it
    ``expected_interval``  where one more such partition falls; outside of it on the wrong side once in
                           ``2 / false_alarms_per_quarter`` quarters by chance
    ``holdout_value``      the judged candidate's value on the holdout, as the decision records it, if it does
    ``metrics``            every metric of the spec and the calibration error, by name
    """

    metric: Metric
    rows: int
    value: float
    interval: Interval | None
    expected: float
    expected_interval: Interval
    metrics: dict[str, float]
    holdout_value: float | None = None
    slices: tuple[SliceValue, ...] = ()

    @property
    def is_worse(self) -> bool:
        """Whether ``value`` lies outside of ``expected_interval`` on the worse side."""
        low, high = self.expected_interval
        return self.value > high if self.metric in LOWER_IS_BETTER else self.value < low


class EstimatedPerformance(Contract):
    """Confidence-based estimate (CBPE), made without labels: right only while the probabilities are calibrated.

    ``error`` is the matured value less the estimate of the compared metric, once labels are there.
    """

    metrics: dict[str, float]
    error: float | None = None


class Measurement(Contract):
    """Everything measured of partition ``key`` under one champion. Signals are in a fixed order.

    ``sample_rows`` is how many rows were compared; ``calibration_sha256`` names the thresholds. ``rows_online`` were
    answered by the model server, and are measured as they were answered; ``online_gap`` is the largest difference
    between such an answer and the prediction of the row as it was delivered. ``rows_read`` is how many of the ``rows``
    were measured, where these are a sample.
    """

    pipeline: str
    key: str
    status: MeasurementStatus
    sentence: str
    champion_version: str | None = None
    champion_seq: int | None = None
    champion_cutoff: str | None = None
    dataset_sha256: str | None = None
    rows: int = 0
    sample_rows: int = 0
    rows_online: int = 0
    online_gap: float | None = None
    calibration_sha256: str | None = None
    signals: tuple[Signal, ...] = ()
    labels: LabelStatus = LabelStatus.WAITING
    matured: MaturedPerformance | None = None
    estimated: EstimatedPerformance | None = None
    # Left out where all rows were measured, so that records from before there were samples stay equal.
    rows_read: int | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def violations(self) -> tuple[Signal, ...]:
        """Signals over their threshold that may ask for a retrain, furthest over first."""
        over = [signal for signal in self.signals if signal.counts and signal.is_over]
        return tuple(sorted(over, key=lambda signal: signal.threshold / signal.value))

    @property
    def is_worse(self) -> bool:
        """Whether matured performance lies outside of what the champion's window lets expect."""
        return self.matured is not None and self.matured.is_worse
