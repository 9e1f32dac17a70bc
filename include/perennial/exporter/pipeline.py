"""The present of one pipeline as samples. A broken folder costs what only the spec can tell, and nothing else."""

import datetime as dt
from collections.abc import Iterator

from include.perennial.exporter.catalogue import Sample
from include.perennial.exporter.history import History
from include.perennial.monitor.measurement import Measurement
from include.perennial.partitions import UTC, Partition
from include.perennial.spec import PipelineSpec
from include.perennial.stores.ledger import Champion, EventKind
from include.perennial.views.needs import NeedKind, needs
from include.perennial.views.trials import Became, trials
from include.perennial.views.watch import watch

_SIGNALS = 10
_NEEDS = (NeedKind.FROZEN, NeedKind.NO_CHAMPION, NeedKind.NO_RETRAIN, NeedKind.RETRAIN_LOST)
Value = tuple[str, tuple[str, ...], float]


def samples(name: str, spec: PipelineSpec | None, history: History) -> Iterator[Sample]:
    """All samples of pipeline ``name``; ``spec`` is None if its folder cannot be read."""
    parts = (_records(spec, history), _champion(history), _people(history), _drift(history), _performance(history))
    for part in (*parts, *([_of_spec(spec), _data(spec, history), _approval(spec, history)] if spec else [])):
        for metric, labels, value in part:
            yield metric, (name, *labels), value


def _records(spec: PipelineSpec | None, history: History) -> Iterator[Value]:
    yield "perennial_ledger_intact", (), float(history.is_intact)
    yield "perennial_pipeline_loadable", (), float(spec is not None)
    for (metric, *labels), count in sorted(history.counts.items()):
        yield f"{metric}_total", tuple(labels), count


def _of_spec(spec: PipelineSpec) -> Iterator[Value]:
    # January: of the lengths that a month may have, the longest.
    some = Partition.containing(dt.datetime(2001, 1, 15, tzinfo=UTC), spec.period)
    period_s = (some.end_utc - some.start_utc).total_seconds()
    late = spec.data.label_delay_periods + spec.monitor.performance.label_wait_periods
    yield "perennial_pipeline_info", (spec.owner, str(spec.period)), 1
    yield "perennial_period_seconds", (), period_s
    yield "perennial_label_lag_expected_seconds", (), late * period_s
    yield "perennial_quarantine_quota_ratio", (), spec.data.quarantine_quota


def _champion(history: History) -> Iterator[Value]:
    is_frozen = history.freezing is not None and history.freezing.kind is EventKind.FROZEN
    yield "perennial_frozen", (), float(is_frozen)
    if history.crowned:
        champion = Champion.of(history.crowned)
        yield "perennial_champion_info", (champion.version, champion.cutoff), 1
        yield "perennial_champion_since_timestamp_seconds", (), champion.since_utc.timestamp()


def _people(history: History) -> Iterator[Value]:
    champion = Champion.of(history.crowned) if history.crowned else None
    tried = trials(history.tried)
    watched = watch(event for event in (history.measured, history.evaluated) if event)
    found = {need.kind for need in needs(champion, [history.freezing] if history.freezing else [], tried, watched)}
    judged = [trial for trial in tried if trial.became not in (Became.SKIPPED, Became.DRY_RUN)]
    yield "perennial_runs_since_crowning", (), len(judged)
    for kind in _NEEDS:
        yield "perennial_needs_person", (kind.value,), float(kind in found)
    if history.asked:
        yield "perennial_retrain_asked_timestamp_seconds", (), history.asked.at_utc.timestamp()


def _approval(spec: PipelineSpec, history: History) -> Iterator[Value]:
    if spec.approval and (waiting := history.waiting):
        version = str(waiting.payload["version"])
        yield "perennial_approval_asked_timestamp_seconds", (version,), waiting.at_utc.timestamp()


def _data(spec: PipelineSpec, history: History) -> Iterator[Value]:
    if history.crowned:
        cutoff = Champion.of(history.crowned).cutoff
        yield "perennial_champion_data_end_timestamp_seconds", (), _end(spec, cutoff)
    if history.measured:
        measured = str(history.measured.payload["key"])
        yield "perennial_measured_partition_end_timestamp_seconds", (), _end(spec, measured)
    if history.published:
        payload = history.published.payload
        newest = str(payload["key"])
        yield "perennial_newest_partition_end_timestamp_seconds", (), _end(spec, newest)
        yield "perennial_newest_partition_rows", (), int(payload.get("rows", 0))
        yield "perennial_newest_partition_rows_quarantined", (), int(payload.get("rows_quarantined", 0))
        if history.watched_from:
            labelled_s = _end(spec, history.labelled) if history.labelled else _start(spec, history.watched_from)
            yield "perennial_label_lag_seconds", (), max(0.0, _end(spec, newest) - labelled_s)


def _start(spec: PipelineSpec, key: str) -> float:
    return Partition.of_key(key, spec.period).start_utc.timestamp()


def _end(spec: PipelineSpec, key: str) -> float:
    return Partition.of_key(key, spec.period).end_utc.timestamp()


def _drift(history: History) -> Iterator[Value]:
    measurement = _measurement(history)
    if measurement is None:
        return
    yield "perennial_measurement_status", (measurement.status.value, measurement.labels.value), 1
    yield "perennial_drift_signals_over", (), len(measurement.violations)
    ratios = sorted(
        ((one.value / one.threshold, one) for one in measurement.signals if one.counts and one.threshold > 0),
        key=lambda pair: -pair[0],
    )
    if ratios:
        yield "perennial_drift_ratio", (), ratios[0][0]
    for ratio, signal in ratios[:_SIGNALS]:
        yield "perennial_signal_ratio", (signal.kind.value, signal.name), ratio


def _performance(history: History) -> Iterator[Value]:
    measurement = _measurement(history)
    if measurement is None or measurement.matured is None:
        return
    matured = measurement.matured
    low, high = matured.expected_interval
    values = {
        "": matured.value,
        "_expected": matured.expected,
        "_expected_low": low,
        "_expected_high": high,
        "_is_worse": float(matured.is_worse),
    }
    for suffix, value in values.items():
        yield f"perennial_performance{suffix}", (matured.metric.value,), value


def _measurement(history: History) -> Measurement | None:
    return Measurement.model_validate(history.measured.payload) if history.measured else None
