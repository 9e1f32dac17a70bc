"""Strict conversion of one column to its declared type: a value changes its form or is refused, never its meaning."""

import pyarrow as pa
import pyarrow.compute as pc

from include.perennial.errors import DataError
from include.perennial.messages import data_error, shown
from include.perennial.spec import ColumnType

ARROW_TYPES = {
    ColumnType.STRING: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.FLOAT: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TIMESTAMP: pa.timestamp("ns", "UTC"),
    ColumnType.DATE: pa.date32(),
}
_ALLOWED = {
    ColumnType.STRING: "text",
    ColumnType.INTEGER: "a whole number of 64 bits, like 42",
    ColumnType.FLOAT: "a number, like 4.2",
    ColumnType.BOOLEAN: "true, false, 1 or 0",
    ColumnType.TIMESTAMP: "a moment as ISO 8601 between 1678 and 2261, like 2013-06-03T14:00:00Z",
    ColumnType.DATE: "a day as ISO 8601, like 2013-06-03",
}
_EXACT_IN_FLOAT = 2**53
_ZONED = r"(Z|[+-]\d{2}:?\d{2})$"


def convert(
    values: pa.ChunkedArray, kind: ColumnType, where: str, column: str, first_row: int, zone: str = "UTC"
) -> pa.ChunkedArray:
    """``values`` as the Arrow type of ``kind``, nulls kept.

    Args:
        where: what the column was read from; ``column`` its name; for messages.
        first_row: number of the first row in messages.
        zone: IANA name of the time zone in which moments without one are.

    Raises:
        DataError: a value is not of the declared type; names the first such row.
    """
    values = _plain(values)
    if not _convertible(values.type, kind):
        raise _refusal(kind, f"{where}, column {shown(column, 60)}", f"values of type {values.type}")
    try:
        converted = _cast(values, kind, zone)
    except pa.ArrowException:
        row = first_bad(values, kind, zone)
        raise _refusal(kind, _place(where, row + first_row, column), _cell(values, row)) from None
    row = first_inexact(converted) if converted.null_count else -1
    if row >= 0:
        got = f"{_cell(values, row)}, which is not exact beside missing values (declare an identifier as string)"
        raise _refusal(kind, _place(where, row + first_row, column), got)
    return converted


def _place(where: str, row: int, column: str) -> str:
    return f"{where}, row {row}, column {shown(column, 60)}"


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without dictionary encoding, and one type for all text."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    is_other_text = pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type)
    return values.cast(pa.string()) if is_other_text else values


def _refusal(kind: ColumnType, where: str, got: str) -> DataError:
    return data_error(
        where=where,
        got=got,
        allowed=f"{kind}, that is {_ALLOWED[kind]}",
        fix="correct the data at the source, or the column's type under data.columns",
    )


def _cell(values: pa.ChunkedArray, row: int) -> str:
    return shown(values.slice(row, 1).cast(pa.string(), safe=False)[0].as_py())


def first_inexact(converted: pa.ChunkedArray) -> int:
    """Index of the first integer that float64, the form of integers beside nulls, does not hold; -1 if none."""
    if converted.type != pa.int64():
        return -1
    too_big = pc.or_(pc.greater(converted, _EXACT_IN_FLOAT), pc.less(converted, -_EXACT_IN_FLOAT))
    return int(pc.index(too_big, True).as_py())


def _convertible(found: pa.DataType, kind: ColumnType) -> bool:
    if pa.types.is_null(found) or pa.types.is_string(found):
        return True
    match kind:
        case ColumnType.STRING:
            return False
        case ColumnType.INTEGER | ColumnType.FLOAT:
            return pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_decimal(found)
        case ColumnType.BOOLEAN:
            return pa.types.is_boolean(found) or pa.types.is_integer(found) or pa.types.is_floating(found)
        case ColumnType.TIMESTAMP | ColumnType.DATE:
            return pa.types.is_timestamp(found) or pa.types.is_date(found)


def _cast(values: pa.ChunkedArray, kind: ColumnType, zone: str) -> pa.ChunkedArray:
    """``values`` as ``kind``; every value that would change meaning raises ``ArrowInvalid``."""
    match kind:
        case ColumnType.INTEGER:
            return _integers(values)
        case ColumnType.FLOAT:
            floats = values.cast(pa.float64())
            return pc.if_else(pc.is_nan(floats), pa.scalar(None, pa.float64()), floats)
        case ColumnType.BOOLEAN if pa.types.is_floating(values.type) or pa.types.is_integer(values.type):
            bits = _integers(values)
            _demand(pc.is_in(bits, pa.array([0, 1, None], pa.int64())))
            return bits.cast(pa.bool_())
        case ColumnType.TIMESTAMP if getattr(values.type, "tz", None) is None:
            return _moments(values, zone)
        case ColumnType.DATE if pa.types.is_timestamp(values.type):
            local = pc.local_timestamp(values) if values.type.tz else values
            _demand(pc.equal(pc.floor_temporal(local, unit="day"), local))
            return local.cast(pa.date32())
    return values.cast(ARROW_TYPES[kind])


def _integers(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
        _demand(pc.less_equal(pc.abs(values), float(_EXACT_IN_FLOAT)))
    return values.cast(pa.int64())


def _moments(texts: pa.ChunkedArray, zone: str) -> pa.ChunkedArray:
    if not pa.types.is_string(texts.type):
        return _in_zone(texts.cast(pa.timestamp("ns")), zone)
    zoned = pc.match_substring_regex(texts, _ZONED)
    nothing = pa.scalar(None, texts.type)
    with_zone = pc.if_else(zoned, texts, nothing).cast(ARROW_TYPES[ColumnType.TIMESTAMP])
    without = pc.if_else(zoned, nothing, texts).cast(pa.timestamp("ns"))
    return pc.coalesce(with_zone, _in_zone(without, zone))


def _in_zone(local: pa.ChunkedArray, zone: str) -> pa.ChunkedArray:
    """Moments of a clock in ``zone``. An hour that it shows twice is taken for the second one, as PostgreSQL does; a
    time that it skipped is the last moment before the clock was put forward. Both keep the order of the clock."""
    if zone == "UTC":
        return local.cast(ARROW_TYPES[ColumnType.TIMESTAMP])
    known = pc.assume_timezone(local, zone, ambiguous="latest", nonexistent="earliest")
    return known.cast(ARROW_TYPES[ColumnType.TIMESTAMP])


def _demand(holds: pa.ChunkedArray) -> None:
    if not pc.all(holds, min_count=0).as_py():
        raise pa.ArrowInvalid("a value is not of the declared type")


def first_bad(values: pa.ChunkedArray, kind: ColumnType, zone: str = "UTC") -> int:
    """Index of the first value that does not convert (there is one), by bisection: a column may hold millions."""
    good, bad = 0, len(values)
    while bad - good > 1:
        middle = (good + bad) // 2
        if converts(values.slice(good, middle - good), kind, zone):
            good = middle
        else:
            bad = middle
    return good


def converts(values: pa.ChunkedArray, kind: ColumnType, zone: str = "UTC") -> bool:
    """Whether every one of ``values`` can be ``kind``."""
    try:
        _cast(values, kind, zone)
    except pa.ArrowException:
        return False
    return True
