"""The candidate against the champion on the same unseen rows.

Non-inferiority is shown, not assumed (ICH E9, section 3.3.2; Wellek 2010, "Testing Statistical
Hypotheses of Equivalence and Noninferiority"): the whole interval of the improvement must lie above
``-margin``. A candidate that is surely worse fails even inside the margin, so that a chain of small
losses cannot pass unseen, and an interval too wide to show anything fails as well.
"""

import enum

from include.perennial.contracts import Check, CheckStatus
from include.perennial.gate.bootstrap import MIN_CLUSTERS, PairedDifference, paired_difference
from include.perennial.gate.checks import champion_name, is_comparable, unsound_words
from include.perennial.gate.evidence import Comparison, Evidence
from include.perennial.gate.wording import METRIC_NAMES, line, numbers, outcome, percent, signed
from include.perennial.spec import Compare, Gate


class Reading(enum.StrEnum):
    """What an interval of the improvement says, in the words of the message."""

    BETTER = "is better than {champion} by {gap}"
    NOT_WORSE = "is not worse than {champion} beyond the margin of {margin}: improvement {gain}"
    WORSE = "is worse than {champion} by {gap}"
    NOT_SHOWN = "is not shown to be within {margin} of {champion}: improvement {gain}"
    NOT_BETTER = "is not shown to be better than {champion}: improvement {gain}"
    NO_BETTER_THAN_RIVAL = "is not better than the rival {champion}: improvement {gain}"


_GOOD = frozenset({Reading.BETTER, Reading.NOT_WORSE})


def comparison_check(gate: Gate, evidence: Evidence, seed: int) -> tuple[Check, PairedDifference | None]:
    """The paired, clustered comparison, and the measured difference where there is one."""
    name = f"comparison.{gate.compare.metric}"
    if evidence.p_champion is None or not is_comparable(evidence, gate.compare.metric):
        return _no_comparison(name, evidence), None
    if not evidence.task.are_sound(evidence.p_candidate, gate.compare.metric):
        return line(name, CheckStatus.FAILED, unsound_words("the candidate", evidence.task)), None
    difference = paired_difference(
        gate.compare.metric,
        evidence.y,
        evidence.p_candidate,
        evidence.p_champion,
        evidence.clusters,
        resamples=gate.compare.resamples,
        confidence=gate.compare.confidence,
        seed=seed,
        task=evidence.task,
    )
    if not difference.is_sure:
        return _unsure(name, difference), difference
    return _compared(name, gate.compare, evidence, difference), difference


def _no_comparison(name: str, evidence: Evidence) -> Check:
    champion = champion_name(evidence)
    match evidence.comparison:
        case Comparison.FIRST:
            return line(name, CheckStatus.INFO, "there is no champion to compare with")
        case Comparison.PAST:
            message = f"{champion} has trained on data as new as the candidate's or newer: no row is unseen by both"
        case Comparison.INCOMPARABLE:
            message = evidence.incomparable_reason[:500]
        case _:
            message = unsound_words(champion, evidence.task)
    return line(name, CheckStatus.NOT_COMPARABLE, message)


def _unsure(name: str, difference: PairedDifference) -> Check:
    lost = f"{difference.degenerate:,} of {difference.resamples:,} resamples without both classes"
    message = (
        f"no interval for {METRIC_NAMES[difference.metric]}: {difference.clusters} clusters (at least {MIN_CLUSTERS} "
        f"needed){f', {lost}' if difference.degenerate else ''}; "
        "widen window.holdout or name finer columns in gate.compare.cluster"
    )
    return line(name, CheckStatus.FAILED, message, value=difference.candidate, champion=difference.champion)


def _compared(name: str, compare: Compare, evidence: Evidence, difference: PairedDifference) -> Check:
    said = read_interval(compare, evidence.comparison, difference)
    candidate, champion = numbers(difference.candidate, difference.champion)
    # Zero and the margin's own sign keep a bound that just misses one of them from reading as if it met it.
    gain, low, high, margin, _ = numbers(difference.improvement, *difference.interval, -compare.margin, 0.0)
    phrase = said.value.format(
        champion=f"{champion_name(evidence)}'s {champion}",
        gap=gain.lstrip("−"),
        gain=signed(gain),
        margin=margin.lstrip("−"),
    )
    interval = f"({percent(compare.confidence)} interval {signed(low)} to {signed(high)})"
    return line(
        name,
        outcome(said in _GOOD),
        f"{METRIC_NAMES[compare.metric]} {candidate} on {evidence.rows:,} unseen rows {phrase} {interval}",
        value=difference.candidate,
        champion=difference.champion,
        threshold=0.0 if compare.policy == "superior" else -compare.margin,
        interval=difference.interval,
    )


def read_interval(compare: Compare, comparison: Comparison, difference: PairedDifference) -> Reading:
    """What the interval allows to say under the spec's policy. A rival must also be better by point estimate."""
    low, high = difference.interval
    if high < 0:
        return Reading.WORSE
    if compare.policy == "superior" and not low > 0:
        return Reading.NOT_BETTER
    if low < -compare.margin:
        return Reading.NOT_SHOWN
    if comparison is Comparison.RIVAL and not difference.improvement > 0:
        return Reading.NO_BETTER_THAN_RIVAL
    return Reading.BETTER if low > 0 else Reading.NOT_WORSE
