"""From rows on disk to a verdict, as ``verdict`` has it: in two passes, a block at a time."""

import dataclasses
import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from include.perennial.blocks import Blocks, Bools
from include.perennial.errors import DataError
from include.perennial.partitions import Partition
from include.perennial.quality.engine import Rows
from include.perennial.quality.repeated import hashes_of, repeated
from include.perennial.quality.sieve import (
    DUPLICATE,
    NO_KEY,
    NOT_FINITE,
    OUTSIDE,
    Sieve,
    floats_of,
    homes_of,
    infinite,
    outside,
    sift,
    without_key,
)
from include.perennial.quality.suite import Finding, Suite, SuiteReport
from include.perennial.quality.tally import Tally
from include.perennial.quality.verdict import no_rows, refusal_of
from include.perennial.spec import PipelineSpec

Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class CheckedBlocks:
    """What ``Checked`` says, of rows that are not held; ``masks`` are of each block by reason, a bit a row."""

    spec: PipelineSpec
    partition: Partition
    blocks: Blocks
    suite_digest: str
    findings: tuple[Finding, ...]
    refusal: DataError | None
    masks: tuple[dict[str, Bits], ...]
    reasons: dict[str, int]
    homes: Counter[str]
    rows_kept: int

    @property
    def rows(self) -> int:
        """Rows delivered."""
        return self.blocks.rows

    def sieved(self) -> Iterator[tuple[pa.Table, Sieve]]:
        """The rows, block by block, and what stands against each."""
        for table, masks in zip(self.blocks.tables(), self.masks, strict=True):
            sieve = Sieve(table.num_rows)
            for reason, bits in masks.items():
                sieve.set_aside(reason, _mask(bits, table.num_rows))
            if OUTSIDE in masks:
                frame = table.select([self.spec.data.time]).to_pandas()
                sieve.set_homes(homes_of(frame, self.spec.data, self.partition, _mask(masks[OUTSIDE], len(frame))))
            yield table, sieve

    def kept(self) -> Iterator[pa.Table]:
        """The rows with nothing against them, in the order of the delivery."""
        for table, sieve in self.sieved():
            yield table.filter(pa.array(sieve.kept))


def check_blocks(spec: PipelineSpec, suite: Suite, partition: Partition, blocks: Blocks) -> CheckedBlocks:
    """All checks of ``verdict.check`` with the same answers; see ``tally`` for what is asked of a sample."""
    where = f"partition {partition.key} of {spec.name}"
    twice, n_asked = _again(spec, partition, blocks)
    empty = CheckedBlocks(spec, partition, blocks, suite.digest, (), None, (), {}, Counter(), 0)
    scan = _Scan(spec, suite, partition, n_asked)
    first = 0
    for frame in blocks.frames():
        scan.take(frame, twice[first : first + len(frame)])
        first += len(frame)
    report = scan.report()
    masks = _standing(scan.masks, report, suite, scan.asked)
    reasons: Counter[str] = Counter()
    for one in masks:
        reasons.update({reason: int(np.bitwise_count(bits).sum()) for reason, bits in one.items()})
    ordered = {reason: reasons[reason] for reason in _order(suite) if reasons[reason]}
    n_bad = sum(_n_bad(one) for one in masks if one)
    refusal = (
        refusal_of(where, report.fatal, ordered, n_bad, blocks.rows, spec.data.quarantine_quota)
        if n_asked
        else no_rows(where, ordered)
    )
    return dataclasses.replace(
        empty,
        findings=report.findings,
        refusal=refusal,
        masks=masks,
        reasons=ordered,
        homes=scan.homes,
        rows_kept=blocks.rows - n_bad,
    )


def _again(spec: PipelineSpec, partition: Partition, blocks: Blocks) -> tuple[Bools, int]:
    """Which rows have a key that has come before, and how many rows the expectations are asked of."""
    data = spec.data
    floats = floats_of(blocks.schema.names, data)
    hashes = np.empty(blocks.rows, dtype=np.uint64)
    usable, finite = np.zeros(blocks.rows, dtype=bool), np.zeros(blocks.rows, dtype=bool)
    first = 0
    for frame in blocks.frames(list(dict.fromkeys((data.time, *data.key, *floats)))):
        part = slice(first, first + len(frame))
        hashes[part] = hashes_of(frame[list(data.key)])
        usable[part] = ~(outside(frame, data, partition) | without_key(frame, data))
        finite[part] = ~infinite(frame, data)
        first += len(frame)
    twice = repeated(blocks, data.key, hashes, usable)
    return twice, int((usable & ~twice & finite).sum())


class _Scan:
    """The second pass: every row is looked at once."""

    def __init__(self, spec: PipelineSpec, suite: Suite, partition: Partition, n_asked: int) -> None:
        self._spec, self._suite, self._partition, self._n_asked = spec, suite, partition, n_asked
        self._tally: Tally | None = None
        self.masks: list[dict[str, Bits]] = []
        self.asked: list[Bits] = []
        self.homes: Counter[str] = Counter()

    def take(self, frame: pd.DataFrame, twice: Bools) -> None:
        sieve = sift(frame, self._spec.data, self._partition, twice)
        self.homes.update(key for key in sieve.elsewhere if key)
        kept = sieve.kept
        self.asked.append(np.packbits(kept))
        positions = np.flatnonzero(kept)
        for label, rows in self._failing(frame.iloc[positions].reset_index(drop=True)).items():
            mask = np.zeros(len(frame), dtype=bool)
            mask[positions[rows]] = True
            sieve.set_aside(label, mask)
        self.masks.append({reason: np.packbits(mask) for reason, mask in sieve.masks.items()})

    def report(self) -> SuiteReport:
        return self._tally.report() if self._tally else SuiteReport(())

    def _failing(self, frame: pd.DataFrame) -> dict[str, Rows]:
        if not self._n_asked:
            return {}
        if self._tally is None:
            seed = (self._spec.seed, self._partition.ordinal % (1 << 32))
            self._tally = Tally(self._suite, self._n_asked, frame, seed)
        return self._tally.take(frame)


def _standing(
    masks: Sequence[dict[str, Bits]], report: SuiteReport, suite: Suite, asked: Sequence[Bits]
) -> tuple[dict[str, Bits], ...]:
    """What still stands against the rows once all have been seen, reasons in the order of ``verdict.check``."""
    passed = {finding.label for finding in report.findings if finding.success or finding.error}
    order = [reason for reason in _order(suite) if reason not in passed]
    late = [_spread(rows, asked) for rows in report.bad_rows.values()]
    found = []
    for n, one in enumerate(masks):
        whole = one | {label: bits[n] for label, bits in zip(report.bad_rows, late, strict=True) if bits[n].any()}
        found.append({reason: whole[reason] for reason in order if reason in whole})
    return tuple(found)


def _spread(rows: Rows, asked: Sequence[Bits]) -> list[Bits]:
    """Positions among the rows that were asked about, as bits of the rows of each block."""
    found, first = [], 0
    for bits in asked:
        places = np.flatnonzero(np.unpackbits(bits))
        mask = np.zeros(len(bits) * 8, dtype=bool)
        low, high = np.searchsorted(rows, [first, first + len(places)])
        mask[places[rows[low:high] - first]] = True
        found.append(np.packbits(mask))
        first += len(places)
    return found


def _order(suite: Suite) -> list[str]:
    return [OUTSIDE, NO_KEY, DUPLICATE, NOT_FINITE, *(label for label, _, _ in suite.expectations)]


def _n_bad(masks: dict[str, Bits]) -> int:
    return int(np.bitwise_count(functools.reduce(np.bitwise_or, masks.values())).sum())


def _mask(bits: Bits, rows: int) -> Bools:
    return np.unpackbits(bits, count=rows).astype(bool)
