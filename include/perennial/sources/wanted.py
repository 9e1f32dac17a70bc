"""Which rows of a delivery are wanted, told table by table while a large one is read."""

import logging
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from include.perennial.partitions import Partition

log = logging.getLogger(__name__)


class OfPartition:
    """Of a table that holds all time, the rows of one partition, by the column ``time``."""

    def __init__(self, partition: Partition, time: str) -> None:
        self._partition, self._time = partition, time
        self._rows = self._kept = self._timeless = 0

    def __call__(self, table: pa.Table) -> pa.Table:
        moments = table[self._time]
        moment = pa.timestamp("ns", "UTC")
        start, end = (pa.scalar(at, moment) for at in (self._partition.start_utc, self._partition.end_utc))
        mine = table.filter(pc.and_(pc.greater_equal(moments, start), pc.less(moments, end)))
        self._rows += table.num_rows
        self._kept += mine.num_rows
        self._timeless += moments.null_count
        return mine

    def tell(self, where: str) -> None:
        """Log what was found."""
        if self._timeless:
            log.warning("%s: %d rows have no %s and belong to no partition", where, self._timeless, self._time)
        log.info("%s: %d of %d rows are of partition %s", where, self._kept, self._rows, self._partition.key)


class WithKeys:
    """Of a table of all labels, the rows whose ``key`` stands in ``rows``."""

    def __init__(self, rows: pd.DataFrame, key: Sequence[str]) -> None:
        self._key = list(key)
        self._wanted = pd.MultiIndex.from_frame(rows[self._key])

    def __call__(self, table: pa.Table) -> pa.Table:
        found = pd.MultiIndex.from_frame(table.select(self._key).to_pandas())
        return table.filter(pa.array(found.isin(self._wanted)))
