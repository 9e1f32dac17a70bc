"""Every metric of the exporter. Moments are Unix seconds, so that ages are ``time() -`` them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Sample = tuple[str, Sequence[str], float]


@dataclass(frozen=True)
class Family:
    """One metric: ``name`` as Prometheus has it, ``labels`` after ``pipeline``. Names with ``_total`` count up."""

    name: str
    text: str
    labels: tuple[str, ...] = ()
    of_pipeline: bool = True

    @property
    def all_labels(self) -> tuple[str, ...]:
        """Labels with the pipeline before them."""
        return ("pipeline", *self.labels) if self.of_pipeline else self.labels

    @property
    def is_counter(self) -> bool:
        """Whether it only goes up."""
        return self.name.endswith("_total")


FAMILIES = (
    Family("perennial_ledger_up", "1 if the ledger answered this scrape; without it there is nothing below", (), False),
    Family("perennial_ledger_intact", "0 once events were found edited, removed or replaced; until a restart"),
    Family("perennial_ledger_events_total", "Events in the ledger", ("kind",)),
    Family("perennial_pipeline_info", "Always 1", ("owner", "period")),
    Family("perennial_pipeline_loadable", "0 if the pipeline's folder is missing or broken"),
    Family("perennial_period_seconds", "Length of a partition"),
    # --- runs and decisions
    Family("perennial_training_runs_total", "Training runs by what asked for them and the verdict, or dry_run, skipped",
           ("trigger", "verdict")),
    Family("perennial_promotions_refused_total", "Registered versions that were not promoted", ("status",)),
    Family("perennial_crownings_total", "Champions made: promoted or rolled_back; forced by a person against the gate",
           ("how", "forced")),
    Family("perennial_runs_since_crowning", "Judged training runs since the last crowning, none of them promoted"),
    Family("perennial_retrain_decisions_total", "Evaluations of the monitor: asked, suppressed with a reason, or quiet",
           ("outcome", "trigger", "reason")),
    Family("perennial_retrain_asked_timestamp_seconds", "When a retrain was asked for that no run has answered"),
    Family("perennial_approval_asked_timestamp_seconds", "When a version was registered that waits for a person",
           ("version",)),
    Family("perennial_needs_person", "1 while a person is needed, by the kind of need", ("kind",)),
    # --- champion
    Family("perennial_champion_info", "Always 1; cutoff is the newest partition that the champion has seen",
           ("version", "cutoff")),
    Family("perennial_champion_since_timestamp_seconds", "When the champion was crowned"),
    Family("perennial_champion_data_end_timestamp_seconds", "End of the newest partition that the champion has seen"),
    Family("perennial_frozen", "1 while the pipeline keeps its champion whatever is trained"),
    # --- data
    Family("perennial_newest_partition_end_timestamp_seconds", "End of the newest published partition"),
    Family("perennial_newest_partition_rows", "Valid rows of the newest published partition"),
    Family("perennial_newest_partition_rows_quarantined", "Rows of the newest published partition that were set aside"),
    Family("perennial_rows_published_total", "Valid rows of all published versions of partitions"),
    Family("perennial_rows_quarantined_total", "Rows of all published versions of partitions that were set aside"),
    Family("perennial_quarantine_quota_ratio", "Share of quarantined rows above which a partition is refused"),
    # --- monitor
    Family("perennial_measured_partition_end_timestamp_seconds", "End of the newest measured partition"),
    Family("perennial_measurement_status", "1 for how the newest measurement ended, and what is known of its labels",
           ("status", "labels")),
    Family("perennial_drift_ratio", "Largest signal beside its threshold, of the newest measured partition"),
    Family("perennial_drift_signals_over", "Signals over their threshold that may ask for a retrain"),
    Family("perennial_signal_ratio", "The ten signals that are largest beside their thresholds", ("signal", "column")),
    Family("perennial_label_lag_seconds",
           "From the end of the newest measured partition that had its labels to that of the newest published one"),
    Family("perennial_label_lag_expected_seconds", "Label delay and wait of the spec: a lag up to this is no delay"),
    Family("perennial_performance", "The champion's performance in the newest measured partition", ("metric",)),
    Family("perennial_performance_expected", "What its own training window lets expect", ("metric",)),
    Family("perennial_performance_expected_low", "Lower end of what its own training window lets expect", ("metric",)),
    Family("perennial_performance_expected_high", "Upper end of what its own training window lets expect", ("metric",)),
    Family("perennial_performance_is_worse", "1 if matured performance lies outside on the worse side", ("metric",)),
)  # fmt: skip


@dataclass
class Sheet:
    """Samples of one scrape, by metric."""

    _families: dict[str, Metric] = field(default_factory=lambda: {family.name: _empty(family) for family in FAMILIES})

    def add(self, samples: Iterable[Sample]) -> None:
        """Add samples: name, values of all labels, and value."""
        for name, labels, value in samples:
            family = self._families[name]
            assert isinstance(family, CounterMetricFamily | GaugeMetricFamily)  # noqa: S101 - both have add_metric
            family.add_metric(labels, value)

    def metrics(self) -> list[Metric]:
        """In the order of ``FAMILIES``, those without a sample left out."""
        return [family for family in self._families.values() if family.samples]


def _empty(family: Family) -> Metric:
    kind = CounterMetricFamily if family.is_counter else GaugeMetricFamily
    return kind(family.name, family.text, labels=family.all_labels)
