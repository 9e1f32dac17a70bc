"""From checks to one verdict and one human sentence."""

from collections.abc import Iterable

from include.perennial.contracts import REGISTERED_VERDICTS, Check, CheckStatus, Judgement, Verdict
from include.perennial.errors import BadInput
from include.perennial.gate.checks import absolute_checks, behaviour_checks, champion_name, identical_check
from include.perennial.gate.comparison import comparison_check
from include.perennial.gate.evidence import Behaviour, Comparison, Evidence
from include.perennial.gate.slices import slice_checks
from include.perennial.gate.tasks import BINARY, Task
from include.perennial.gate.wording import METRIC_NAMES, listing, numbers
from include.perennial.spec import Gate


def judge(gate: Gate, evidence: Evidence, *, seed: int = 0) -> Judgement:
    """Hold the evidence against the gate. Deterministic for a given ``seed``; fails closed.

    The first of these that applies is the verdict: REJECTED (a check that needs no champion failed),
    IDENTICAL, INCOMPARABLE, REJECTED (worse than the champion, over all or in a slice), PAST, PASSED.

    ``delta`` and ``delta_interval`` of the result are the improvement in ``gate.compare.metric``,
    positive where the candidate is better, also for metrics of which lower is better.

    Raises:
        BadInput: the gate has no floors, so that anything would pass.
    """
    if not gate.floors or not gate.first_floors:
        raise BadInput(
            "The gate is empty: gate.floors and gate.first_floors are "
            f"{dict(gate.floors)} and {dict(gate.first_floors)}, expected at least one metric in each."
        )
    absolute = absolute_checks(gate, evidence)
    identical = identical_check(evidence)
    comparison, difference = comparison_check(gate, evidence, seed)
    slices = slice_checks(gate, evidence, seed)
    verdict = _verdict(evidence, absolute, identical, comparison, slices)
    checks = (*absolute, identical, comparison, *slices)
    return Judgement(
        verdict=verdict,
        sentence=_sentence(verdict, gate, evidence, checks, comparison),
        checks=checks,
        champion_seq=evidence.champion_seq,
        champion_version=evidence.champion_version,
        delta=difference.improvement if difference and difference.is_sure else None,
        delta_interval=difference.interval if difference and difference.is_sure else None,
    )


def judge_refit(judgement: Judgement, gate: Gate, behaviour: Behaviour, task: Task = BINARY) -> Judgement:
    """The judgement with the behaviour checks of the refitted model added, named ``refit.…``.

    The refit has seen the holdout, so that its metrics say nothing; what it does and costs still must hold.
    A failure turns a verdict that registers into REJECTED.
    """
    refit = behaviour_checks(gate, behaviour, prefix="refit", task=task)
    changed: dict[str, object] = {"checks": (*judgement.checks, *refit)}
    if _failed(refit) and judgement.verdict in REGISTERED_VERDICTS:
        changed |= {"verdict": Verdict.REJECTED, "sentence": _rejection("Rejected after the refit", refit)}
    return judgement.model_copy(update=changed)


def _failed(checks: Iterable[Check]) -> list[Check]:
    return [check for check in checks if check.status is CheckStatus.FAILED]


def _verdict(
    evidence: Evidence, absolute: tuple[Check, ...], identical: Check, comparison: Check, slices: tuple[Check, ...]
) -> Verdict:
    is_past = evidence.comparison is Comparison.PAST
    if _failed(absolute):
        return Verdict.REJECTED
    if _failed([identical]):
        return Verdict.IDENTICAL
    if comparison.status is CheckStatus.NOT_COMPARABLE and not is_past:
        return Verdict.INCOMPARABLE
    if _failed([comparison, *slices]):
        return Verdict.REJECTED
    return Verdict.PAST if is_past else Verdict.PASSED


def _sentence(verdict: Verdict, gate: Gate, evidence: Evidence, checks: tuple[Check, ...], comparison: Check) -> str:
    champion = champion_name(evidence)
    match verdict:
        case Verdict.REJECTED:
            return _rejection("Rejected", checks)
        case Verdict.IDENTICAL:
            return f"Identical: the candidate is {champion} again, so there is nothing to promote."
        case Verdict.INCOMPARABLE:
            return f"Incomparable with {champion}, which stays: {comparison.message}."
        case Verdict.PAST:
            return (
                f"Past: {comparison.message}; it registers and reports, and is promoted only if a person "
                "forces it with a reason."
            )
    if evidence.comparison is Comparison.FIRST:
        value = numbers(evidence.task.measure(gate.compare.metric, evidence.y, evidence.p_candidate))[0]
        name = METRIC_NAMES[gate.compare.metric]
        return f"First model: {name} {value} on {evidence.rows:,} unseen rows; every check passed, no champion to beat."
    return f"Passed: {comparison.message}."


def _rejection(opening: str, checks: Iterable[Check]) -> str:
    failed = _failed(checks)
    more = f" Failed checks: {listing([check.name for check in failed])}." if len(failed) > 1 else ""
    return f"{opening}: {failed[0].message}.{more}"
