"""Checks that need no champion: enough rows, behaviour, plausibility, floors, baseline, calibration.

Every message shows the candidate, the champion where it scored the same rows, and the threshold.
A value that is missing or not a number fails its check.
"""

import dataclasses
import math

import numpy as np

from include.perennial.contracts import Check, CheckStatus
from include.perennial.gate.evidence import COMPARED, Behaviour, Comparison, Evidence
from include.perennial.gate.metrics import calibration_error
from include.perennial.gate.tasks import BINARY, Multiclass, Task
from include.perennial.gate.wording import METRIC_NAMES, at_least, at_most, line, numbers, outcome, shorten
from include.perennial.spec import LOWER_IS_BETTER, Gate, Metric


def absolute_checks(gate: Gate, evidence: Evidence) -> tuple[Check, ...]:
    """All checks of this module, in the order in which a reader should see them."""
    return (
        at_least("rows", "number of unseen rows", evidence.rows, gate.min_rows, decimals=0),
        *class_checks(gate, evidence),
        *behaviour_checks(gate, _with_holdout(evidence), task=evidence.task),
        *plausibility_checks(gate, evidence),
        *metric_checks(gate, evidence),
        baseline_check(gate, evidence),
        calibration_check(gate, evidence),
    )


def class_checks(gate: Gate, evidence: Evidence) -> tuple[Check, ...]:
    """Enough rows of the class that is asked about, or of the rarest; nothing where labels are no classes."""
    counts = evidence.task.label_counts(evidence.y)
    if counts is None:
        return ()
    if gate.min_positives is not None:
        return (at_least("positives", "number of positives", counts[1], gate.min_positives, decimals=0),)
    limit = math.inf if gate.min_class_rows is None else gate.min_class_rows
    return (at_least("class_rows", "rows of the rarest class", min(counts), limit, decimals=0), *_new_classes(evidence))


def _new_classes(evidence: Evidence) -> tuple[Check, ...]:
    """For information, a class that no training row had: the metrics show what that costs, and not why."""
    shares, counts = evidence.training_rate, evidence.task.label_counts(evidence.y)
    if not isinstance(evidence.task, Multiclass) or not isinstance(shares, tuple) or counts is None:
        return ()
    new = [n for n, share in enumerate(shares) if not share and counts[n]]
    if not new:
        return ()
    told = ", ".join(f"{shorten(evidence.task.classes[n])} ({counts[n]:,} rows)" for n in new[:4])
    message = (
        f"{len(new)} classes of the unseen rows are in no training row, so that their probability is 0: {told}. Widen "
        "window.partitions until it holds them, or train again once they have come"
    )
    return (line("new_classes", CheckStatus.INFO, message),)


def behaviour_checks(
    gate: Gate, behaviour: Behaviour, prefix: str = "behaviour", task: Task = BINARY
) -> tuple[Check, ...]:
    """What the model file does and costs, whatever its metrics say."""
    limits = gate.behaviour
    milliseconds, drift = behaviour.ms_per_1000_rows, behaviour.round_trip_max_abs_diff
    finite = "every prediction is" if behaviour.finite else "not every prediction is"
    sound = "a number in [0, 1]" if task is BINARY else f"among {task.sound_words}"
    varied = "every row gets the same prediction" if behaviour.constant else "predictions differ between rows"
    return (
        line(f"{prefix}.finite", outcome(behaviour.finite), f"{finite} {sound}"),
        line(f"{prefix}.not_constant", outcome(not behaviour.constant), varied),
        at_most(f"{prefix}.round_trip", "difference of the loaded from the fitted model's predictions", drift, 0),
        at_most(f"{prefix}.latency", "milliseconds per 1,000 rows", milliseconds, limits.max_ms_per_1000_rows),
        at_most(f"{prefix}.size", "megabytes", behaviour.megabytes, limits.max_megabytes),
    )


def plausibility_checks(gate: Gate, evidence: Evidence) -> tuple[Check, ...]:
    """Too good to be true is a leak until shown otherwise: in the model, or in one feature alone."""
    task, metric = evidence.task, evidence.task.plausible
    highest, strongest = task.limits(gate.plausibility)
    value, champion = task.measure(metric, evidence.y, evidence.p_candidate), champions(evidence, metric)
    return (
        at_most(f"plausibility.{metric}", METRIC_NAMES[metric], value, highest, champion=champion),
        _single_feature_check(evidence, strongest),
    )


def _single_feature_check(evidence: Evidence, limit: float) -> Check:
    task = evidence.task
    strength = {feature: task.strength(score) for feature, score in evidence.single_feature_auc.items()}
    undefined = [feature for feature, score in strength.items() if not math.isfinite(score)]
    if not strength or undefined:
        of = f"of feature {shorten(undefined[0])}" if undefined else "of single features"
        message = f"{task.strength_words} {of} is undefined, allowed {numbers(limit)[0]}"
        return line("plausibility.single_feature", CheckStatus.FAILED, message, threshold=limit)
    feature = max(strength, key=strength.__getitem__)
    label = f"{task.strength_words} of feature {shorten(feature)} alone"
    return at_most("plausibility.single_feature", label, strength[feature], limit)


def metric_checks(gate: Gate, evidence: Evidence) -> tuple[Check, ...]:
    """Floors and ceilings. A first model keeps to ``first_floors``, and to ``floors`` of metrics not named there."""
    floors = dict(gate.floors)
    if evidence.comparison is Comparison.FIRST:
        floors |= gate.first_floors
    return tuple(
        limit_check(
            f"{kind}.{metric}",
            METRIC_NAMES[metric],
            evidence.task.measure(metric, evidence.y, evidence.p_candidate, evidence.training_rate),
            limit,
            champion=champions(evidence, metric),
        )
        for kind, limit_check, limits in (("floor", at_least, floors), ("ceiling", at_most, gate.ceilings))
        for metric, limit in limits.items()
    )


def baseline_check(gate: Gate, evidence: Evidence) -> Check:
    """Better, in the compared metric, than forecasting the training rate (or mean) for every row.

    In the compared metric, because an honest model may lose to the constant in another: a week of storms moves the
    rate of events for everyone, which costs log loss and leaves the ranking whole. Floors bound such losses.
    """
    metric, task = gate.compare.metric, evidence.task
    value, champion = task.measure(metric, evidence.y, evidence.p_candidate), champions(evidence, metric)
    trivial = _trivial(metric, evidence)
    passed = value < trivial if metric in LOWER_IS_BETTER else value > trivial
    ours, theirs, constant = numbers(value, champion, trivial)
    aside = "" if champion is None else f" (champion {theirs})"
    relation = "is better than" if passed else "is not better than"
    message = f"{METRIC_NAMES[metric]} {ours}{aside} {relation} {constant}, that of always saying {task.baseline_words}"
    return line(f"baseline.{metric}", outcome(passed), message, value=value, champion=champion, threshold=trivial)


def _trivial(metric: Metric, evidence: Evidence) -> float:
    constant = evidence.task.constant(evidence.training_rate, evidence.rows)
    return evidence.task.measure(metric, evidence.y, constant)


def calibration_check(gate: Gate, evidence: Evidence) -> Check:
    """Expected calibration error; for information only where the spec sets no limit, or the task has none."""
    if evidence.task.no_calibration:
        return line("calibration", CheckStatus.INFO, f"not measured: {evidence.task.no_calibration}")
    value = calibration_error(evidence.y, evidence.p_candidate)
    if gate.max_calibration_error is not None:
        return at_most("calibration", "calibration error", value, gate.max_calibration_error)
    message = f"calibration error {numbers(value)[0]}, no limit set"
    return line("calibration", CheckStatus.INFO, message, value=value)


def identical_check(evidence: Evidence) -> Check:
    """Whether the candidate is the champion again: same model file, or same predictions for the same rows."""
    twins = [
        ("model file", evidence.model_digest, evidence.champion_model_digest),
        ("predictions", evidence.prediction_digest, evidence.champion_prediction_digest),
    ]
    same = [what for what, ours, theirs in twins if ours is not None and ours == theirs]
    if evidence.p_champion is not None and np.array_equal(evidence.p_candidate, evidence.p_champion):
        same.append("predictions")
    message = f"same {same[0]} as {champion_name(evidence)}" if same else "not the champion again"
    return line("identical", outcome(not same), message)


# --- facts about the evidence -----------------------------------------------------------------


def champion_name(evidence: Evidence) -> str:
    """``champion v3``."""
    return f"champion v{shorten(str(evidence.champion_version))}"


def unsound_words(who: str, task: Task) -> str:
    """``champion v3's predictions are not all numbers in [0, 1]``."""
    return f"{who}'s predictions are not all {task.sound_words}"


def is_comparable(evidence: Evidence, metric: Metric | None = None) -> bool:
    """Whether the champion has usable predictions for the same unseen rows, for ``metric`` if one is named."""
    theirs = evidence.p_champion
    return evidence.comparison in COMPARED and theirs is not None and evidence.task.are_sound(theirs, metric)


def champions(evidence: Evidence, metric: Metric) -> float | None:
    """The champion's metric on the same unseen rows, if it can be had."""
    if evidence.p_champion is None or not is_comparable(evidence):
        return None
    return evidence.task.measure(metric, evidence.y, evidence.p_champion, evidence.training_rate)


def _with_holdout(evidence: Evidence) -> Behaviour:
    """The caller's facts, confirmed on the holdout: both must find the predictions sound."""
    facts, p = evidence.behaviour, np.asarray(evidence.p_candidate, dtype=float)
    constant = facts.constant or len(np.unique(p, axis=0)) < 2
    return dataclasses.replace(facts, finite=facts.finite and evidence.task.are_sound(p), constant=constant)
