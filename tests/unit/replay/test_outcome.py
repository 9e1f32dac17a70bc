"""Walks become numbers, a table, a CSV and a picture."""

import csv
import io
from typing import Any

import pytest
from rich.console import Console

from include.perennial.contracts import Trigger, Verdict
from include.perennial.monitor.decision import Outcome, Suppression, TriggerDecision
from include.perennial.replay.chart import chart
from include.perennial.replay.outcome import Replay, summarize, table, to_csv
from include.perennial.replay.records import Hindsight, Tick, Training, Walk
from include.perennial.spec import Metric
from tests.unit.replay.conftest import keys

WEEKS = keys(0, 3)


def training(trigger: Trigger, verdict: Verdict = Verdict.PASSED, hindsight: Hindsight | None = None) -> Training:
    return Training(
        run_key="run",
        window_digest="window",
        trigger=trigger,
        winner="forest",
        verdict=verdict,
        sentence='It said "so, what?"',
        delta=0.01,
        cpu_s=2.0,
        hindsight=hindsight,
    )


def seen(low: float, high: float) -> Hindsight:
    return Hindsight(partitions=WEEKS[-1:], improvement=(low + high) / 2, interval=(low, high))


def decided(n: int, outcome: Outcome, reason: Suppression | None = None) -> TriggerDecision:
    return TriggerDecision(
        pipeline="toy",
        key=WEEKS[n],
        as_of=WEEKS[n],
        outcome=outcome,
        trigger=Trigger.DRIFT,
        reason=reason,
        sentence="said",
        champion_seq=1,
        champion_version="1",
    )


def scored(n: int, auc: float, **more: Any) -> Tick:
    return Tick(key=WEEKS[n], rows=10, champion=WEEKS[0], champion_cutoff=WEEKS[0], metrics=_metrics(auc), **more)


def _metrics(auc: float) -> dict[str, float]:
    return {"roc_auc": auc, "log_loss": 1 - auc, "brier": 0.2}


FIRST = Tick(key=WEEKS[0], training=training(Trigger.SCHEDULE))
NEVER = Walk(policy="never", ticks=(FIRST, scored(1, 0.6), scored(2, 0.6), scored(3, 0.6)))
DRIFT = Walk(
    policy="drift",
    ticks=(
        FIRST,
        scored(
            1,
            0.6,
            measure_cpu_s=1.0,
            decision=decided(1, Outcome.ASKED),
            training=training(Trigger.DRIFT, hindsight=seen(0.01, 0.03)),
        ),
        scored(2, 0.7, measure_cpu_s=1.0, decision=decided(2, Outcome.SUPPRESSED, Suppression.COOLDOWN)),
        scored(
            3,
            0.8,
            decision=decided(3, Outcome.ASKED),
            training=training(Trigger.DRIFT, Verdict.REJECTED, hindsight=seen(-0.01, 0.03)),
        ),
    ),
)


@pytest.fixture
def replay() -> Replay:
    return summarize("toy", Metric.ROC_AUC, [NEVER, DRIFT], 12.0)


def test_a_policy_is_summed_up(replay: Replay) -> None:
    drift = replay.summaries[1]

    assert drift.metrics == pytest.approx({"roc_auc": 0.7, "log_loss": 0.3, "brier": 0.2})
    assert (drift.partitions, drift.retrains, drift.promoted, drift.rejected) == (3, 2, 1, 1)
    assert (drift.alarms, drift.false_alarms, drift.open_alarms, drift.suppressed) == (2, 1, 0, 1)
    assert drift.cpu_s == pytest.approx(3 * 2.0 + 2 * 1.0)


def test_the_gain_is_over_never_and_positive_where_better(replay: Replay) -> None:
    never, drift = replay.summaries

    assert never.gains[Metric.ROC_AUC].mean == 0
    assert drift.gains[Metric.ROC_AUC].mean == pytest.approx(0.1)
    assert drift.gains[Metric.ROC_AUC].standard_error == pytest.approx(0.1 / 3**0.5)
    assert drift.gains[Metric.LOG_LOSS].mean == pytest.approx(0.1)


def test_means_are_over_partitions_that_all_have_scored() -> None:
    late = Walk(policy="schedule", ticks=(FIRST, Tick(key=WEEKS[1]), scored(2, 0.9), scored(3, 0.9)))

    never, schedule = summarize("toy", Metric.ROC_AUC, [NEVER, late], 1.0).summaries

    assert (never.partitions, schedule.partitions) == (2, 2)
    assert schedule.metrics["roc_auc"] == pytest.approx(0.9)


@pytest.mark.parametrize(("metric", "best"), [(Metric.ROC_AUC, "drift"), (Metric.BRIER, "never")])
def test_the_best_has_the_best_mean_and_of_equals_the_fewest_retrains(metric: Metric, best: str) -> None:
    assert summarize("toy", metric, [DRIFT, NEVER], 1.0).best == best


def test_an_alarm_with_nothing_after_it_is_open_and_not_false() -> None:
    last = scored(3, 0.6, decision=decided(3, Outcome.ASKED), training=training(Trigger.DRIFT))
    walked = Walk(policy="drift", ticks=(*NEVER.ticks[:3], last))

    [summary] = summarize("toy", Metric.ROC_AUC, [walked], 1.0).summaries

    assert (summary.alarms, summary.false_alarms, summary.open_alarms) == (1, 0, 1)


def test_nobody_is_best_where_nobody_has_scored() -> None:
    replay = summarize("toy", Metric.ROC_AUC, [Walk(policy="never", ticks=(FIRST,))], 1.0)

    assert (replay.best, replay.summaries[0].partitions) == ("", 0)
    assert chart(replay)
    assert "none" in _printed(replay)


def test_the_table_has_a_line_per_policy_and_says_which_is_best(replay: Replay) -> None:
    text = _printed(replay)

    assert "0.7000" in text
    assert "+0.1000 ± 0.0577" in text
    assert "Best ROC AUC: drift" in text


def test_the_csv_has_a_line_per_policy_and_partition(replay: Replay) -> None:
    lines = list(csv.DictReader(io.StringIO(to_csv(replay))))

    assert [(line["policy"], line["partition"]) for line in lines] == [
        (p, k) for p in ("never", "drift") for k in WEEKS
    ]
    asked, suppressed = lines[5], lines[6]
    assert (asked["monitor"], asked["trigger"], asked["verdict"]) == ("asked", "drift", "passed")
    assert (asked["hindsight_low"], asked["sentence"]) == ("0.01", 'It said "so, what?"')
    assert (suppressed["monitor_reason"], suppressed["verdict"]) == ("cooldown", "")


def test_the_picture_is_a_png_and_equal_for_equal_replays(replay: Replay) -> None:
    first = chart(replay)

    assert first.startswith(b"\x89PNG")
    assert chart(replay) == first
    assert chart(summarize("toy", Metric.ROC_AUC, [NEVER], 1.0)) != first


def test_a_replay_survives_json(replay: Replay) -> None:
    assert Replay.model_validate_json(replay.model_dump_json()) == replay


def _printed(replay: Replay) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table(replay))
    return " ".join(console.export_text().split())
