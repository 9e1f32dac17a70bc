"""What came of a replay: one summary per policy, a table for people, JSON for programs, a CSV of every partition."""

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence

from rich.table import Table

from include.perennial.contracts import Contract
from include.perennial.gate.wording import METRIC_NAMES
from include.perennial.monitor.decision import Outcome
from include.perennial.replay.records import OF_TWO_CLASSES, SHOWN, Tick, Walk
from include.perennial.spec import LOWER_IS_BETTER, Metric

BASELINE = "never"


class Gain(Contract):
    """Mean improvement over the frozen first champion, per partition, and its standard error; positive is better."""

    mean: float
    standard_error: float | None


class Summary(Contract):
    """One policy. ``metrics`` are means over the partitions that every policy's champion has scored.

    ``retrains``      training runs after the one that made the first champion
    ``rejected``      those of them whose model did not become champion, whatever the verdict
    ``alarms``        those that the monitor asked for; ``false_alarms``: by hindsight, the new model was not surely
                      better on the next partitions; ``open_alarms``: no partition came after them
    ``suppressed``    evaluations in which the policy held a violation back
    ``cpu_s``         processor seconds of training and measuring, as if this policy had run alone
    """

    policy: str
    partitions: int
    metrics: dict[str, float]
    gains: dict[str, Gain]
    retrains: int
    promoted: int
    rejected: int
    alarms: int
    false_alarms: int
    open_alarms: int
    suppressed: int
    cpu_s: float


class Replay(Contract):
    """A whole replay. ``metric`` is the one that the gate compares; ``wall_s`` how long the replay took."""

    pipeline: str
    first: str
    last: str
    metric: Metric
    wall_s: float
    summaries: tuple[Summary, ...]
    walks: tuple[Walk, ...]

    @property
    def best(self) -> str:
        """The policy with the best mean of ``metric``; of equals the one with the fewest retrains."""
        sign = -1 if self.metric in LOWER_IS_BETTER else 1
        scored = [summary for summary in self.summaries if self.metric in summary.metrics]
        if not scored:
            return ""
        return max(scored, key=lambda summary: (sign * summary.metrics[self.metric], -summary.retrains)).policy


def summarize(pipeline: str, metric: Metric, walks: Sequence[Walk], wall_s: float) -> Replay:
    """Summaries of ``walks`` over the same keys."""
    scored = [{tick.key for tick in walk.ticks if tick.metrics} for walk in walks]
    common = sorted(set.intersection(*scored)) if scored else []
    baseline = next((walk for walk in walks if walk.policy == BASELINE), None)
    return Replay(
        pipeline=pipeline,
        first=walks[0].ticks[0].key,
        last=walks[0].ticks[-1].key,
        metric=metric,
        wall_s=wall_s,
        summaries=tuple(_summary(walk, common, baseline) for walk in walks),
        walks=tuple(walks),
    )


def _summary(walk: Walk, common: Sequence[str], baseline: Walk | None) -> Summary:
    own = _by_metric(walk, common)
    against = _by_metric(baseline, common) if baseline else {}
    retrains = [tick.training for tick in walk.ticks if tick.training and tick.champion]
    alarms = [training for training in retrains if training.is_alarm]
    promoted = sum(training.is_promoted for training in retrains)
    return Summary(
        policy=walk.policy,
        partitions=len(common),
        metrics={name: statistics.fmean(values) for name, values in own.items()},
        gains={name: _gain(Metric(name), own[name], against[name]) for name in own.keys() & against.keys()},
        retrains=len(retrains),
        promoted=promoted,
        rejected=len(retrains) - promoted,
        alarms=len(alarms),
        false_alarms=sum(training.hindsight is not None and not training.hindsight.paid for training in alarms),
        open_alarms=sum(training.hindsight is None for training in alarms),
        suppressed=sum(
            tick.decision is not None and tick.decision.outcome is Outcome.SUPPRESSED for tick in walk.ticks
        ),
        cpu_s=sum(training.cpu_s for training in walk.trainings) + sum(tick.measure_cpu_s for tick in walk.ticks),
    )


def _by_metric(walk: Walk, keys: Sequence[str]) -> dict[str, list[float]]:
    """Values of each shown metric on ``keys``, in their order; metrics that one of them lacks are left out."""
    wanted = set(keys)
    ticks = [tick for tick in walk.ticks if tick.key in wanted]
    names = [name for name in SHOWN if ticks and all(name in tick.metrics for tick in ticks)]
    return {str(name): [tick.metrics[name] for tick in ticks] for name in names}


def _gain(metric: Metric, own: Sequence[float], baseline: Sequence[float]) -> Gain:
    sign = -1 if metric in LOWER_IS_BETTER else 1
    gains = [sign * (value - other) for value, other in zip(own, baseline, strict=True)]
    error = statistics.stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else None
    return Gain(mean=statistics.fmean(gains), standard_error=error)


# --- for people ------------------------------------------------------------------------------


def table(replay: Replay) -> Table:
    """One line per policy."""
    wanted = dict.fromkeys((replay.metric, Metric.LOG_LOSS))
    metrics = [metric for metric in wanted if all(metric in summary.metrics for summary in replay.summaries)]
    compared = METRIC_NAMES[replay.metric]
    title = f"{replay.pipeline}, partitions {replay.first} to {replay.last}"
    found = Table(title=title, caption=_caption(replay), title_justify="left", caption_justify="left")
    found.add_column("policy", no_wrap=True)
    for name in (*(METRIC_NAMES[metric] for metric in metrics), f"gain in {compared}"):
        found.add_column(name, justify="right", no_wrap=True)
    for name in ("retrains", "promoted", "rejected", "alarms", "false alarms", "compute"):
        found.add_column(name, justify="right")
    for summary in replay.summaries:
        values = [f"{summary.metrics[metric]:.4f}" for metric in metrics]
        found.add_row(summary.policy, *values, _gain_words(summary, replay.metric), *_counts(summary))
    return found


def _counts(summary: Summary) -> list[str]:
    open_alarms = f" (+{summary.open_alarms} open)" if summary.open_alarms else ""
    return [
        str(summary.retrains),
        str(summary.promoted),
        str(summary.rejected),
        str(summary.alarms) if summary.alarms else "–",
        f"{summary.false_alarms}{open_alarms}" if summary.alarms else "–",
        f"{summary.cpu_s:.0f} s",
    ]


def _gain_words(summary: Summary, metric: Metric) -> str:
    gain = summary.gains.get(metric)
    if gain is None or summary.policy == BASELINE:
        return "–"
    error = f" ± {gain.standard_error:.4f}" if gain.standard_error is not None else ""
    return f"{gain.mean:+.4f}{error}"


def _caption(replay: Replay) -> str:
    partitions = replay.summaries[0].partitions
    return (
        f"Means over {partitions} partitions, each scored by the champion crowned before it came. Gain: over never, "
        f"± standard error. False alarm: the model of a retrain that was asked for is not surely better on the "
        f"partitions after it. Best {METRIC_NAMES[replay.metric]}: {replay.best or 'none'}. "
        f"Replayed in {replay.wall_s:.0f} s."
    )


# --- for programs ----------------------------------------------------------------------------

_HEAD = ("policy", "partition", "rows", "champion", "champion_cutoff")
_TAIL = (
    *("monitor", "monitor_reason", "monitor_sentence", "trigger", "verdict", "winner", "delta"),
    *("hindsight", "hindsight_low", "hindsight_high", "measure_cpu_s", "train_cpu_s", "sentence"),
)


def to_csv(replay: Replay) -> str:
    """One line per policy and partition, lines ending in ``\\n``; empty cells where there is nothing to say."""
    buffer = io.StringIO()
    metrics = [m for m in SHOWN if any(m in tick.metrics for walk in replay.walks for tick in walk.ticks)]
    shown = map(str, metrics or OF_TWO_CLASSES)
    writer = csv.DictWriter(buffer, [*_HEAD, *shown, *_TAIL], lineterminator="\n")
    writer.writeheader()
    for walk in replay.walks:
        writer.writerows(_line(walk.policy, tick) for tick in walk.ticks)
    return buffer.getvalue()


def _line(policy: str, tick: Tick) -> Mapping[str, object]:
    training, decision = tick.training, tick.decision
    line: dict[str, object] = {
        "policy": policy,
        "partition": tick.key,
        "rows": tick.rows,
        "champion": tick.champion,
        "champion_cutoff": tick.champion_cutoff,
        "measure_cpu_s": f"{tick.measure_cpu_s:.3f}",
        "sentence": tick.note,
        **{str(name): f"{tick.metrics[name]:.6f}" for name in SHOWN if name in tick.metrics},
    }
    if decision:
        line |= {"monitor": decision.outcome, "monitor_sentence": decision.sentence}
        line |= {"monitor_reason": decision.reason}
    if training:
        line |= {"trigger": training.trigger, "verdict": training.verdict, "winner": training.winner}
        line |= {"delta": training.delta, "train_cpu_s": f"{training.cpu_s:.3f}", "sentence": training.sentence}
    if training and training.hindsight:
        low, high = training.hindsight.interval or (None, None)
        line |= {"hindsight": training.hindsight.improvement, "hindsight_low": low, "hindsight_high": high}
    return line
