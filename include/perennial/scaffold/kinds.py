"""The type of a column, found while batches of it pass. A type that a later batch
contradicts is widened, or is text.
"""

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from include.perennial.columns import converts, first_bad
from include.perennial.spec import ColumnType

MOST_DISTINCT = 200
_WIDER = {ColumnType.INTEGER: ColumnType.FLOAT, ColumnType.DATE: ColumnType.TIMESTAMP}
_NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT)
_GUESSES = (*_NUMBERS, ColumnType.DATE, ColumnType.TIMESTAMP)
_LEADING_ZERO = r"^-?0\d"
_DAY = r"^\d{4}-\d{2}-\d{2}$"
_LOOKS_NUMERIC = r"^\s*[-+]?(\d+[.,]?\d*|[.,]\d+)([eE][-+]?\d+)?\s*$"
_MIXED_FROM = 0.5  # from this share of numbers on, what is no number is told, not taken for a category
_EXACT_IN_FLOAT = 2**53


@dataclass
class Column:
    """What has been seen of one column. ``low`` and ``high`` are of numbers; ``distinct`` has at most
    ``MOST_DISTINCT`` values as text, after which ``is_diverse``; ``mixed`` is the first cell that is of another type,
    as row number and text; ``unusable`` says why a type cannot be declared at all.
    """

    name: str
    kind: ColumnType | None = None
    rows: int = 0
    nulls: int = 0
    low: float | None = None
    high: float | None = None
    distinct: set[str] = field(default_factory=set)
    is_diverse: bool = False
    mixed: tuple[int, str] | None = None
    unusable: str = ""

    def take(self, values: pa.ChunkedArray, first_row: int) -> None:
        """Look at one more batch, whose first row has the number ``first_row``."""
        self.rows += len(values)
        self.nulls += values.null_count
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        known = values.drop_null()
        if not len(known) or self.unusable:
            return
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            self._take_text(values.cast(pa.string()), known.cast(pa.string()), first_row)
        else:
            self._take_typed(known)
        if not self.unusable:
            self._measure(known)

    def settle(self) -> None:
        """Once all batches have passed: an empty column, and integers that only text holds exactly."""
        if self.kind is None and not self.unusable:
            self.unusable = "it has no values"
        too_long = max(abs(self.low or 0), abs(self.high or 0)) > _EXACT_IN_FLOAT
        if self.kind is ColumnType.INTEGER and self.nulls and too_long:
            self.kind = ColumnType.STRING

    @property
    def is_constant(self) -> bool:
        """Whether there is one value, and no gap."""
        return len(self.distinct) <= 1 and not self.is_diverse and not self.nulls

    @property
    def null_rate(self) -> float:
        """Share of rows without a value."""
        return self.nulls / self.rows if self.rows else 0.0

    def _take_text(self, values: pa.ChunkedArray, known: pa.ChunkedArray, first_row: int) -> None:
        if self.kind is None:
            self.kind = next((kind for kind in (ColumnType.BOOLEAN, *_GUESSES) if _accepts(kind, known)), None)
            if self.kind is None:
                self.kind = ColumnType.STRING
                self._tell_mixed(values, known, first_row)
        elif self.kind is not ColumnType.STRING and not _accepts(self.kind, known):
            wider = _WIDER.get(self.kind)
            if wider and _accepts(wider, known):
                self.kind = wider
                return
            position = first_bad(values, wider or self.kind) if not converts(values, wider or self.kind) else 0
            self.mixed = (first_row + position, str(values[position].as_py()))
            self.kind = ColumnType.STRING

    def _tell_mixed(self, values: pa.ChunkedArray, known: pa.ChunkedArray, first_row: int) -> None:
        numeric = pc.match_substring_regex(known, _LOOKS_NUMERIC)
        if not _MIXED_FROM <= (pc.mean(numeric).as_py() or 0.0) < 1.0:
            return
        position = pc.index(pc.match_substring_regex(values, _LOOKS_NUMERIC), False).as_py()
        self.mixed = (first_row + position, str(values[position].as_py()))

    def _take_typed(self, known: pa.ChunkedArray) -> None:
        tests = {
            ColumnType.INTEGER: pa.types.is_integer,
            ColumnType.BOOLEAN: pa.types.is_boolean,
            ColumnType.TIMESTAMP: pa.types.is_timestamp,
            ColumnType.DATE: pa.types.is_date,
            ColumnType.FLOAT: lambda kind: pa.types.is_floating(kind) or pa.types.is_decimal(kind),
        }
        found = next((kind for kind, test in tests.items() if test(known.type)), None)
        if found is None:
            self.unusable = f"its values are of type {known.type}"
        else:
            self.kind = found

    def _measure(self, known: pa.ChunkedArray) -> None:
        if self.kind in _NUMBERS:
            numbers = known.cast(pa.float64(), safe=False)
            bounds = pc.min_max(numbers.filter(pc.is_finite(numbers))).as_py()
            if bounds["min"] is not None:
                self.low = bounds["min"] if self.low is None else min(self.low, bounds["min"])
                self.high = bounds["max"] if self.high is None else max(self.high, bounds["max"])
        if not self.is_diverse:
            self.distinct.update(str(value) for value in pc.unique(known).slice(0, MOST_DISTINCT + 1).to_pylist())
            self.is_diverse = len(self.distinct) > MOST_DISTINCT


def _accepts(kind: ColumnType, known: pa.ChunkedArray) -> bool:
    """Whether all of the texts are ``kind`` and nothing else was probably meant."""
    if kind is ColumnType.BOOLEAN:
        return set(pc.unique(pc.utf8_lower(known)).to_pylist()) <= {"true", "false"}
    if not converts(known, kind):
        return False
    if kind in _NUMBERS:
        return not pc.any(pc.match_substring_regex(known, _LEADING_ZERO)).as_py()
    return kind is not ColumnType.DATE or bool(pc.all(pc.match_substring_regex(known, _DAY)).as_py())
