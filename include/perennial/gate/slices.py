"""Groups of rows that must not get much worse even when the average does not.

A slice fails if the metric drops by more than ``max_regression`` and the interval of the drop excludes zero.
Many slices are looked at, so that some interval excludes zero by luck alone. The confidence is therefore
raised to ``1 - (1 - confidence) / slices`` (Bonferroni): all intervals hold together at the spec's
confidence. Bonferroni rather than Holm, so that the interval in the table is the one that decided.
The price is power: name the few columns that matter.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from include.perennial.contracts import Check, CheckStatus
from include.perennial.gate.bootstrap import MIN_CLUSTERS, PairedDifference, paired_difference
from include.perennial.gate.checks import champion_name, is_comparable, unsound_words
from include.perennial.gate.evidence import Evidence, Integers
from include.perennial.gate.wording import METRIC_NAMES, line, listing, numbers, outcome, percent, shorten, signed
from include.perennial.spec import Gate, Metric, Slices

MAX_SLICES = 100
"""More large groups than this come of a wrong column or too low a ``min_rows``, and would swell the record."""


@dataclass(frozen=True)
class Slice:
    """The rows (indices into the holdout) in which ``column`` has ``value``; ``is_large`` if they can be judged."""

    column: str
    value: str
    rows: Integers
    is_large: bool

    @property
    def name(self) -> str:
        """Name of the check."""
        return f"slice.{self.column}={shorten(self.value)}"


def slice_checks(gate: Gate, evidence: Evidence, seed: int) -> tuple[Check, ...]:
    """One check per slice that is large enough to judge, and one per column about those that are not."""
    if gate.slices is None:
        return ()
    missing = [column for column in gate.slices.columns if column not in evidence.slices]
    if missing:
        return (_failed(f"the holdout has no values of {listing(missing)}"),)
    if not evidence.task.are_sound(evidence.p_candidate, gate.compare.metric):
        return (_failed(unsound_words("the candidate", evidence.task)),)
    groups = [group for column in gate.slices.columns for group in _groups(column, gate.slices.min_rows, evidence)]
    large = [group for group in groups if group.is_large]
    if len(large) > MAX_SLICES:
        found = f"{len(large):,} groups of {gate.slices.min_rows:,} rows or more, at most {MAX_SLICES} can be judged"
        return (_failed(f"{found}: raise gate.slices.min_rows or name columns with fewer values"),)
    return (*_judged(gate, gate.slices, evidence, large, seed), *_too_small(gate.slices, groups))


def _failed(message: str) -> Check:
    return line("slices", CheckStatus.FAILED, message)


def _groups(column: str, min_rows: int, evidence: Evidence) -> Iterator[Slice]:
    values, codes = np.unique(np.asarray(evidence.slices[column]).astype(str), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    for value, rows in zip(values, np.split(order, np.cumsum(np.bincount(codes))[:-1]), strict=True):
        is_large = (
            len(rows) >= min_rows
            and evidence.task.is_judgeable(evidence.y[rows])
            and len(np.unique(evidence.clusters[rows])) >= MIN_CLUSTERS
        )
        yield Slice(column, str(value), rows, is_large)


def _too_small(slices: Slices, groups: list[Slice]) -> Iterator[Check]:
    for column in slices.columns:
        values = [group.value for group in groups if group.column == column]
        small = [group.value for group in groups if group.column == column and not group.is_large]
        if small:
            message = (
                f"{len(small)} of {len(values)} groups not judged, with fewer than {slices.min_rows:,} rows, "
                f"fewer than {MIN_CLUSTERS} clusters or one class only: {listing(small)}"
            )
            yield line(f"slices.{column}", CheckStatus.INFO, message)


def _judged(gate: Gate, slices: Slices, evidence: Evidence, large: list[Slice], seed: int) -> Iterator[Check]:
    # Bonferroni: see the module's docstring.
    confidence = 1 - (1 - gate.compare.confidence) / max(1, len(large))
    for group in large:
        if evidence.p_champion is None or not is_comparable(evidence, gate.compare.metric):
            yield _without_champion(gate.compare.metric, evidence, group)
            continue
        difference = paired_difference(
            gate.compare.metric,
            evidence.y[group.rows],
            evidence.p_candidate[group.rows],
            evidence.p_champion[group.rows],
            evidence.clusters[group.rows],
            resamples=gate.compare.resamples,
            confidence=confidence,
            seed=seed,
            task=evidence.task,
        )
        yield _against_champion(slices, evidence, group, difference, confidence)


def _without_champion(metric: Metric, evidence: Evidence, group: Slice) -> Check:
    value = evidence.task.measure(metric, evidence.y[group.rows], evidence.p_candidate[group.rows])
    message = f"{METRIC_NAMES[metric]} {numbers(value)[0]} on {len(group.rows):,} rows, no champion to compare with"
    return line(group.name, CheckStatus.INFO, message, value=value)


def _against_champion(
    slices: Slices, evidence: Evidence, group: Slice, difference: PairedDifference, confidence: float
) -> Check:
    gain, low, high, allowed, _ = numbers(difference.improvement, *difference.interval, -slices.max_regression, 0.0)
    ours, theirs = numbers(difference.candidate, difference.champion)
    message = (
        f"{METRIC_NAMES[difference.metric]} {ours} on {len(group.rows):,} rows where {group.column} is "
        f"{shorten(group.value)} against {champion_name(evidence)}'s {theirs}: improvement {signed(gain)} "
        f"({percent(confidence)} interval {signed(low)} to {signed(high)}, allowed drop {allowed.lstrip('−')})"
    )
    return line(
        group.name,
        _status(slices, difference),
        message,
        value=difference.candidate,
        champion=difference.champion,
        threshold=-slices.max_regression,
        interval=difference.interval,
    )


def _status(slices: Slices, difference: PairedDifference) -> CheckStatus:
    if not difference.is_sure:
        # Too few of one class for resampling: the slice is too small to judge, by another measure than its rows.
        return CheckStatus.INFO
    return outcome(not (difference.improvement < -slices.max_regression and difference.interval[1] < 0))
