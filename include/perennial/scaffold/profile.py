"""What is known of a file after one pass over it."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from include.perennial.columns import convert
from include.perennial.messages import shown
from include.perennial.scaffold.asked import Asked
from include.perennial.scaffold.kinds import Column
from include.perennial.sources.batches import batches, column_names, form_of
from include.perennial.spec import ColumnType

SAMPLE_ROWS = 100_000
SAMPLE_CELLS = 10_000_000
_SEED = 0
# Hashes of this many keys take 160 MB; of a longer file only these are looked at for repetition.
_MOST_KEYS = 10_000_000


@dataclass(frozen=True)
class Repeats:
    """Rows whose key occurred before: how many, and the numbers of the first such pair."""

    rows: int
    first: int
    again: int


@dataclass(frozen=True)
class Profile:
    """``hours`` counts rows by the UTC hour of their time; ``sample`` has the cells as they stand in the file.

    ``repeats`` is of the key, ``repeats_with_time`` of the key and the time; None if no key occurs twice.
    """

    path: Path
    form: str
    rows: int
    columns: dict[str, Column]
    hours: dict[dt.datetime, int]
    sample: pa.Table
    repeats: Repeats | None
    repeats_with_time: Repeats | None


def profile(asked: Asked) -> Profile:
    """Read the file once, in batches; memory is bounded by the sample and the hashes of the keys.

    Raises:
        DataError: the file cannot be read, or a time cannot; names the row and the value.
    """
    form = form_of(asked.file)
    first_row = 2 if form == "csv" else 1
    columns: dict[str, Column] = {}
    hours: Counter[dt.datetime] = Counter()
    keys, keys_with_time = _Keys(first_row), _Keys(first_row)
    rows, sampler = 0, _Sampler()
    for table in batches(asked.file, column_names(asked.file)):
        columns = columns or {name: Column(name) for name in table.column_names}
        for name, column in columns.items():
            column.take(table[name], first_row + rows)
        moments = convert(table[asked.time], ColumnType.TIMESTAMP, shown(asked.file.name), asked.time, first_row + rows)
        for count in pc.value_counts(pc.floor_temporal(moments.drop_null(), unit="hour")).to_pylist():
            hours[count["values"].to_pydatetime()] += count["counts"]
        frame = pd.DataFrame({name: table[name].to_pandas() for name in asked.key})
        keys.take(frame)
        keys_with_time.take(frame.assign(**{f"{asked.time} ": moments.to_pandas()}))
        sampler.take(table)
        rows += table.num_rows
    for column in columns.values():
        column.settle()
    return Profile(
        *(asked.file, form, rows, columns, dict(hours)),
        sample=sampler.sample(),
        repeats=keys.repeats(),
        repeats_with_time=keys_with_time.repeats(),
    )


class _Keys:
    """Hashes of the keys seen, 8 bytes each."""

    def __init__(self, first_row: int) -> None:
        self._hashes: list[np.ndarray] = []
        self._rows, self._first_row = 0, first_row

    def take(self, frame: pd.DataFrame) -> None:
        if self._rows < _MOST_KEYS:
            self._hashes.append(pd.util.hash_pandas_object(frame, index=False).to_numpy())
            self._rows += len(frame)

    def repeats(self) -> Repeats | None:
        hashes = np.concatenate(self._hashes) if self._hashes else np.array([], np.uint64)
        order = np.argsort(hashes, kind="stable")
        same = np.flatnonzero(np.diff(hashes[order]) == 0)
        if not len(same):
            return None
        again = order[same + 1]
        n = int(np.argmin(again))
        pair = int(order[same[n]]) + self._first_row, int(again[n]) + self._first_row
        return Repeats(len(same), *pair)


class _Sampler:
    """Rows drawn evenly from all of the file, without knowing how many there are."""

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []
        self._share, self._rows = 1.0, 0
        self._random = np.random.default_rng(_SEED)

    def take(self, table: pa.Table) -> None:
        most = min(SAMPLE_ROWS, SAMPLE_CELLS // max(1, table.num_columns))
        self._keep(table, self._share)
        while self._rows > 2 * most:
            kept, self._tables, self._rows = self._tables, [], 0
            self._share /= 2
            for one in kept:
                self._keep(one, 0.5)

    def sample(self) -> pa.Table:
        return pa.concat_tables(self._tables, promote_options="permissive") if self._tables else pa.table({})

    def _keep(self, table: pa.Table, share: float) -> None:
        kept = table if share == 1 else table.filter(pa.array(self._random.random(table.num_rows) < share))
        self._tables.append(kept)
        self._rows += kept.num_rows
