"""From a frame to a verdict: which rows are set aside, and whether the partition is refused."""

from collections import Counter
from collections.abc import Mapping, Sequence
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

    @property
    def rows(self) -> int:
        """Rows delivered."""
        return len(self.frame)

    @property
    def rows_kept(self) -> int:
        """Rows with nothing against them."""
        return int(self.sieve.kept.sum())

    @property
    def reasons(self) -> dict[str, int]:
        """Rows set aside, by reason."""
        return self.sieve.counts

    @property
    def homes(self) -> Counter[str]:
        """Rows of other partitions, by the key of theirs."""
        return Counter(key for key in self.sieve.elsewhere if key)


def check(spec: PipelineSpec, suite: Suite, partition: Partition, frame: pd.DataFrame) -> Checked:
    """All checks, cheapest first. Expectations see only rows that are the partition's own, with a key, once."""
    data = spec.data
    sieve = sift(frame, data, partition)
    where = f"partition {partition.key} of {spec.name}"
    if not sieve.kept.any():
        return Checked(frame, sieve, suite.digest, (), no_rows(where, sieve.counts))
    positions = np.flatnonzero(sieve.kept)
    report = suite.run(frame.iloc[positions].reset_index(drop=True))
    for label, rows in report.bad_rows.items():
        mask = np.zeros(len(frame), dtype=bool)
        mask[positions[rows]] = True
        sieve.set_aside(label, mask)
    n_bad = int((~sieve.kept).sum())
    refusal = refusal_of(where, report.fatal, sieve.counts, n_bad, len(frame), data.quarantine_quota)
    return Checked(frame, sieve, suite.digest, report.findings, refusal)


def refusal_of(
    where: str, fatal: Sequence[Finding], reasons: Mapping[str, int], n_bad: int, n_rows: int, quota: float
) -> DataError | None:
    """Why a partition is refused, of whose rows ``n_bad`` are set aside; None if it is not."""
    return _broken(where, fatal) if fatal else _over_quota(where, reasons, n_bad, n_rows, quota)


def no_rows(where: str, reasons: Mapping[str, int]) -> DataError:
    """A partition without a row that an expectation could be asked of."""
    return data_error(
        where=where,
        got="no rows" + (f" that can be used (set aside: {listed(reasons)})" if reasons else ""),
        allowed="rows of this period, each with its time and key",
        fix="check what the source delivered for the period; then run the partition again",
    )


def _broken(where: str, findings: Sequence[Finding]) -> DataError:
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


def _over_quota(where: str, reasons: Mapping[str, int], n_bad: int, n_rows: int, quota: float) -> DataError | None:
    if n_bad <= quota * n_rows and n_bad < n_rows:
        return None
    return data_error(
        where=where,
        got=f"{n_bad} of {n_rows} rows ({n_bad / n_rows:.1%}) are bad: {listed(reasons)}",
        allowed=f"at most {quota:.1%}, the quarantine_quota in pipeline.yaml",
        fix="look at the quarantine, then correct the data at the source or the expectation that is too strict",
    )
