"""Writes what was answered into the prediction log: in batches, beside the requests, in bounded memory.

Each flush writes one file per pipeline and partition, whole or not at all. While the object store is down answers wait;
those that no longer fit are counted and lost, and requests go on. What waits when the process is killed is lost too.
"""

import datetime as dt
import logging
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from include.perennial.errors import Unavailable
from include.perennial.gate.evidence import Floats
from include.perennial.gate.tasks import BINARY, Task
from include.perennial.partitions import UTC, Partition, Period
from include.perennial.serving.worker import Worker
from include.perennial.stores.prediction_log import Online, PredictionLog

log = logging.getLogger(__name__)

MAX_BUFFERED_BYTES = 256 << 20
_ENTRY_BYTES = 4096  # measured: what a request of one row takes beside its values


@dataclass(frozen=True)
class Answered:
    """Answers of one request. ``rows`` has the time and key columns, of which ``time`` is the former."""

    pipeline: str
    period: Period
    time: str
    rows: pa.Table
    p: Floats
    versions: npt.NDArray[np.str_]
    at_utc: dt.datetime
    shadow: bool = False
    task: Task = BINARY

    def by_partition(self) -> Iterator[tuple[str, "Answered"]]:
        """The rows of each partition, with its key."""
        unit = "hour" if self.period is Period.HOUR else "day"
        begun = pc.floor_temporal(self.rows[self.time], unit=unit)
        moments = begun.unique()
        keys = [Partition.containing(moment.astimezone(UTC), self.period).key for moment in moments.to_pylist()]
        if len({*keys}) == 1:
            yield keys[0], self
            return
        key_of_row = pa.array(keys).take(pc.index_in(begun, value_set=moments).combine_chunks())
        for key in sorted({*keys}):
            mine = pc.equal(key_of_row, key)
            rows, chosen = self.rows.filter(mine), mine.to_numpy(zero_copy_only=False)
            yield key, replace(self, rows=rows, p=self.p[chosen], versions=self.versions[chosen])

    def logged(self) -> Online:
        """As the prediction log takes it."""
        return Online(self.rows, self.p, self.versions, self.at_utc, self.shadow, self.task)


class Recorder(Worker):
    """The buffer, and the thread that empties it every ``flush_s`` or when it is half full.

    ``written_rows`` and ``dropped_rows`` count since the start; ``problem`` says why answers wait longer.
    """

    def __init__(self, log_: PredictionLog, flush_s: float, max_rows: int) -> None:
        super().__init__("record-answers")
        self._log, self._flush_s, self._max_rows = log_, flush_s, max_rows
        self._lock, self._half_full = threading.Lock(), threading.Event()
        self._waiting: list[Answered] = []
        self.buffered_rows = self._bytes = 0
        self.written_rows = self.dropped_rows = 0
        self.problem = ""

    def add(self, answered: Answered) -> None:
        """Have ``answered`` written; never waits for the store."""
        with self._lock:
            if not self._fits(answered):
                self.dropped_rows += answered.rows.num_rows
                return
            self._take(answered)
            if self.buffered_rows * 2 >= self._max_rows or self._bytes * 2 >= MAX_BUFFERED_BYTES:
                self._half_full.set()

    def work(self) -> None:
        while not self._stopping.is_set():
            self._half_full.wait(self._flush_s)
            self.flush()
            if self.problem:
                self._stopping.wait(min(self._flush_s, 10.0))

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the thread and write what waits."""
        self._stopping.set()
        self._half_full.set()
        super().stop(timeout_s)
        self.flush()

    def flush(self) -> None:
        """Write what waits; what the store does not take waits on."""
        with self._lock:
            batch, self._waiting = self._waiting, []
            self.buffered_rows = self._bytes = 0
            self._half_full.clear()
        groups: dict[tuple[str, str], list[Answered]] = defaultdict(list)
        for answered in batch:
            for key, part in answered.by_partition():
                groups[answered.pipeline, key].append(part)
        problem = ""
        for (pipeline, key), parts in groups.items():
            try:
                self._log.append_online(pipeline, key, [part.logged() for part in parts])
                self.written_rows += sum(part.rows.num_rows for part in parts)
            except Unavailable as error:
                problem = str(error)
                self._put_back(parts)
        if problem and not self.problem:
            log.warning("Answers wait to be written: %s", problem)
        self.problem = problem if groups else self.problem

    def _put_back(self, parts: list[Answered]) -> None:
        with self._lock:
            for part in parts:
                if self._fits(part):
                    self._take(part)
                else:
                    self.dropped_rows += part.rows.num_rows

    def _fits(self, answered: Answered) -> bool:
        rows, size = self.buffered_rows + answered.rows.num_rows, self._bytes + _n_bytes(answered)
        return rows <= self._max_rows and size <= MAX_BUFFERED_BYTES

    def _take(self, answered: Answered) -> None:
        self._waiting.append(answered)
        self.buffered_rows += answered.rows.num_rows
        self._bytes += _n_bytes(answered)


def _n_bytes(answered: Answered) -> int:
    return int(answered.rows.nbytes) + _ENTRY_BYTES
