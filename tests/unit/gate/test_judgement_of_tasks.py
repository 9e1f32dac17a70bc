"""The gate judges a regression and many classes as strictly as two: the same verdicts in the task's own terms."""

from typing import Any

import numpy as np
import pytest

from include.perennial.contracts import CheckStatus, Verdict
from include.perennial.gate.bootstrap import paired_difference
from include.perennial.gate.evidence import Behaviour, Comparison, Evidence
from include.perennial.gate.judgement import judge, judge_refit
from include.perennial.gate.tasks import REGRESSION, Multiclass, Task
from include.perennial.spec import Gate, Metric

ROWS, CLUSTERS = 3000, 30
SPECIES = Multiclass(("a", "b", "c"))
SOUND = Behaviour(finite=True, constant=False, round_trip_max_abs_diff=0.0, ms_per_1000_rows=5.0, megabytes=1.0)
RANDOM = np.random.default_rng(5)
SIGNAL = RANDOM.normal(size=ROWS)
COUNTS = RANDOM.poisson(np.exp(1 + 0.5 * SIGNAL)).astype(float)
CLASSES = np.digitize(SIGNAL + 0.5 * RANDOM.normal(size=ROWS), (-0.5, 0.5))
GATES: dict[str, dict[str, Any]] = {
    "regression": {
        "floors": {"poisson_deviance_skill": 0.05},
        "first_floors": {"r2": 0.05},
        "ceilings": {"mae": 20.0},
        "compare": {"metric": "mean_poisson_deviance", "margin": 0.1, "cluster": ["day"], "resamples": 300},
        "plausibility": {"max_r2": 0.95, "max_single_feature_correlation": 0.95},
    },
    "multiclass": {
        "min_class_rows": 50,
        "floors": {"log_loss_skill": 0.05},
        "first_floors": {"balanced_accuracy": 0.4},
        "compare": {"metric": "log_loss", "margin": 0.1, "cluster": ["day"], "resamples": 300},
        "plausibility": {"max_roc_auc": 0.99, "max_single_feature_auc": 0.99},
    },
}
TASKS: dict[str, Task] = {"regression": REGRESSION, "multiclass": SPECIES}
KINDS = pytest.mark.parametrize("kind", list(TASKS))


def predicted(kind: str, noise: float) -> np.ndarray:
    """Predictions of a model: less noise is a better one."""
    blurred = SIGNAL + noise * np.random.default_rng(9).normal(size=ROWS)
    if kind == "regression":
        return np.exp(1 + 0.5 * blurred / (1 + noise**2))
    far = -np.square(blurred[:, None] / (1 + noise) - np.array([-1.0, 0.0, 1.0])) * 2
    weights = np.exp(far)
    return weights / weights.sum(axis=1, keepdims=True)


def gate_of(kind: str, **changes: Any) -> Gate:
    common = {"min_rows": 500, "behaviour": {"max_ms_per_1000_rows": 100.0, "max_megabytes": 10.0}}
    return Gate.model_validate({**common, **GATES[kind], **changes}, strict=False)


def evidence_of(kind: str, **changes: Any) -> Evidence:
    task = TASKS[kind]
    y = COUNTS if kind == "regression" else CLASSES
    facts: dict[str, Any] = {
        "y": y,
        "p_candidate": predicted(kind, 0.3),
        "clusters": np.repeat(np.arange(CLUSTERS), ROWS // CLUSTERS),
        "training_rate": task.baseline(y),
        "behaviour": SOUND,
        "single_feature_auc": {"signal": 0.6},
        "comparison": Comparison.RESCORED if "p_champion" in changes else Comparison.FIRST,
        "task": task,
    }
    champion = {"champion_seq": 7, "champion_version": "3"} if "p_champion" in changes else {}
    return Evidence(**{**facts, **champion, **changes})


def verdict_of(kind: str, gate: dict[str, Any] | None = None, **changes: Any) -> tuple[Verdict, list[str]]:
    judgement = judge(gate_of(kind, **(gate or {})), evidence_of(kind, **changes), seed=1)
    return judgement.verdict, [check.name for check in judgement.checks if check.status is CheckStatus.FAILED]


@KINDS
def test_a_sound_first_model_passes(kind):
    assert verdict_of(kind) == (Verdict.PASSED, [])


@KINDS
def test_an_equal_is_identical_a_better_one_passes_and_a_worse_one_is_rejected(kind):
    metric = GATES[kind]["compare"]["metric"]
    assert verdict_of(kind, p_champion=predicted(kind, 0.3))[0] is Verdict.IDENTICAL
    assert verdict_of(kind, p_champion=predicted(kind, 1.5)) == (Verdict.PASSED, [])
    worse = verdict_of(kind, p_candidate=predicted(kind, 0.6), p_champion=predicted(kind, 0.1))
    assert worse == (Verdict.REJECTED, [f"comparison.{metric}"])


@KINDS
def test_a_constant_model_is_no_better_than_the_baseline(kind):
    task, y = TASKS[kind], evidence_of(kind).y
    verdict, failed = verdict_of(kind, p_candidate=task.constant(task.baseline(y), ROWS))
    assert verdict is Verdict.REJECTED
    assert {"behaviour.not_constant", f"baseline.{GATES[kind]['compare']['metric']}"} <= set(failed)


@KINDS
def test_a_leak_is_recognised_in_the_model_and_in_one_feature(kind):
    task, y = TASKS[kind], evidence_of(kind).y
    perfect = task.same_in_every_resample(y)
    verdict, failed = verdict_of(kind, p_candidate=perfect, single_feature_auc={"answer": 1.0})
    assert verdict is Verdict.REJECTED
    assert failed == [f"plausibility.{task.plausible}", "plausibility.single_feature"]


@KINDS
@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_predictions_that_are_none_fail_every_check_that_looks_at_them(kind, broken):
    verdict, failed = verdict_of(kind, p_candidate=np.full_like(predicted(kind, 0.3), broken))
    assert verdict is Verdict.REJECTED
    assert "behaviour.finite" in failed
    assert f"baseline.{GATES[kind]['compare']['metric']}" in failed


@KINDS
def test_a_broken_champion_is_not_comparable(kind):
    assert verdict_of(kind, p_champion=np.full_like(predicted(kind, 0.3), np.nan))[0] is Verdict.INCOMPARABLE


def test_counts_predicted_below_zero_have_no_deviance_and_are_rejected():
    p = predicted("regression", 0.3)
    p[0] = -1.0
    verdict, failed = verdict_of("regression", p_candidate=p, p_champion=predicted("regression", 0.5))
    assert verdict is Verdict.REJECTED
    assert {"floor.poisson_deviance_skill", "comparison.mean_poisson_deviance"} <= set(failed)


def test_a_class_that_the_holdout_lacks_is_told():
    y = np.where(CLASSES == 2, 1, CLASSES)
    assert "class_rows" in verdict_of("multiclass", y=y)[1]


@KINDS
def test_slices_are_judged_in_the_metric_of_the_task(kind):
    spoiled, place = predicted(kind, 0.3), np.repeat(["here", "there", "there"], ROWS // 3)
    rows = place == "here"
    if kind == "regression":
        spoiled[rows] *= 5
    else:
        spoiled[rows] = np.roll(spoiled[rows], 1, axis=1)
    gate = {"slices": {"columns": ["place"], "min_rows": 100, "max_regression": 0.2}}
    clusters = np.tile(np.arange(CLUSTERS), ROWS // CLUSTERS)
    _, failed = verdict_of(
        kind, gate, p_candidate=spoiled, p_champion=predicted(kind, 0.3), slices={"place": place}, clusters=clusters
    )
    assert "slice.place=here" in failed
    assert "slice.place=there" not in failed


@KINDS
def test_a_refit_is_told_in_the_words_of_the_task(kind):
    judgement = judge(gate_of(kind), evidence_of(kind), seed=1)
    refitted = judge_refit(judgement, gate_of(kind), SOUND, TASKS[kind])
    [check] = [check for check in refitted.checks if check.name == "refit.finite"]
    assert TASKS[kind].sound_words in check.message


@pytest.mark.parametrize(
    ("kind", "metric"),
    [(kind, metric) for kind, task in TASKS.items() for metric in sorted(task.comparable)],
)
def test_the_interval_is_that_of_resampled_clusters(kind, metric):
    """Against the definition: clusters drawn with replacement, rows copied, the metric computed anew."""
    task, y = TASKS[kind], evidence_of(kind).y
    ours, theirs = predicted(kind, 0.4), predicted(kind, 0.5)
    clusters = np.repeat(np.arange(CLUSTERS), ROWS // CLUSTERS)
    found = paired_difference(Metric(metric), y, ours, theirs, clusters, resamples=2000, seed=3, task=task)
    random, drawn = np.random.default_rng(4), []
    for _ in range(300):
        rows = np.concatenate([np.flatnonzero(clusters == c) for c in random.integers(0, CLUSTERS, CLUSTERS)])
        drawn.append(task.measure(metric, y[rows], ours[rows]) - task.measure(metric, y[rows], theirs[rows]))
    half_width = (found.interval[1] - found.interval[0]) / 2
    assert half_width == pytest.approx(2.045 * np.std(drawn), rel=0.2)
    assert abs(found.improvement) == pytest.approx(abs(task.measure(metric, y, ours) - task.measure(metric, y, theirs)))
