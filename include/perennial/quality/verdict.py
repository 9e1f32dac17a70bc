"""From a frame to a verdict: which rows are set aside, and whether the partition is refused."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from include.perennial.errors import DataError
from include.perennial.messages import ascii_controls_escaped, clipped, data_error
from include.perennial.partitions import Partition
from include.perennial.quality.sieve import Sieve, listed, sift
from include.perennial.quality.suite import Finding, Suite
from include.perennial.spec import PipelineSpec

_SHOWN_FINDINGS = 5
_LINE_LIMIT = 300


@dataclass(frozen=True)
class Checked:
    """A delivery after all checks: its rows, what was set aside, what the suite found, why it is refused (if it is)."""

    frame: pd.DataFrame
    sieve: Sieve
    suite_digest: str
    findings: tuple[Finding, ...]
    refusal: DataError | None


def check(spec: PipelineSpec, suite: Suite, partition: Partition, frame: pd.DataFrame) -> Checked:
    """All checks, cheapest first. Expectations see only rows that are the partition's own, with a key, once."""
    data = spec.data
    sieve = sift(frame, data, partition)
    where = f"partition {partition.key} of {spec.name}"
    if not sieve.kept.any():
        return Checked(frame, sieve, suite.digest, (), _no_rows(where, sieve))
    positions = np.flatnonzero(sieve.kept)
    report = suite.run(frame.iloc[positions].reset_index(drop=True))
    for label, rows in report.bad_rows.items():
        mask = np.zeros(len(frame), dtype=bool)
        mask[positions[rows]] = True
        sieve.set_aside(label, mask)
    refusal = _broken(where, report.fatal) if report.fatal else _over_quota(where, sieve, data.quarantine_quota)
    return Checked(frame, sieve, suite.digest, report.findings, refusal)


def _no_rows(where: str, sieve: Sieve) -> DataError:
    return data_error(
        where=where,
        got="no rows" + (f" that can be used (set aside: {listed(sieve.counts)})" if sieve.counts else ""),
        allowed="rows of this period, each with its time and key",
        fix="check what the source delivered for the period; then run the partition again",
    )


def _broken(where: str, findings: list[Finding]) -> DataError:
    lines = [_line(finding) for finding in findings[:_SHOWN_FINDINGS]]
    more = len(findings) - len(lines)
    lines += [f"and {more} more, see the report"] if more else []
    head = f"{where} breaks {len(findings)} of its expectations:"
    fix = "To fix: correct the data at the source, or the expectation in expectations.py; then run the partition again."
    return DataError("\n- ".join([head, *lines]) + f"\n{fix}")


def _line(finding: Finding) -> str:
    if finding.error:
        return clipped(f"{ascii_controls_escaped(finding.label)} could not be evaluated: {finding.error}", _LINE_LIMIT)
    return clipped(
        f"{ascii_controls_escaped(finding.label)}: observed {finding.observed}; expected {finding.expected}",
        _LINE_LIMIT,
    )


def _over_quota(where: str, sieve: Sieve, quota: float) -> DataError | None:
    n_bad, n_rows = int((~sieve.kept).sum()), len(sieve.kept)
    if n_bad <= quota * n_rows and n_bad < n_rows:
        return None
    return data_error(
        where=where,
        got=f"{n_bad} of {n_rows} rows ({n_bad / n_rows:.1%}) are bad: {listed(sieve.counts)}",
        allowed=f"at most {quota:.1%}, the quarantine_quota in pipeline.yaml",
        fix="look at the quarantine, then correct the data at the source or the expectation that is too strict",
    )
