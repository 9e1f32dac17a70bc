"""Rows of a request: the columns that the pipeline's spec declares, but the target, each of its type.

A row is checked by a pydantic model made from the spec, which is also what the server's OpenAPI document shows. Values
then take the same way to a model as those of a partition (``tables.from_rows``): what is null, and in which form pandas
holds it, is decided in one place.
"""

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any

import pandas as pd
import pyarrow as pa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from include.perennial.errors import DataError
from include.perennial.messages import did_you_mean, first_line, shown, shown_names
from include.perennial.partitions import YEARS, YEARS_TOLD
from include.perennial.spec import ColumnType, DataSection
from include.perennial.tables import from_rows, to_frame

SHOWN_PROBLEMS = 20
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_ALLOWED = {
    ColumnType.STRING: "text",
    ColumnType.INTEGER: "a whole number of 64 bits, like 42",
    ColumnType.FLOAT: "a finite number, like 4.2",
    ColumnType.BOOLEAN: "true or false",
    ColumnType.TIMESTAMP: f"a moment as ISO 8601 {YEARS_TOLD}, like 2013-06-03T14:00:00Z",
    ColumnType.DATE: f"a day as ISO 8601 {YEARS_TOLD}, like 2013-06-03",
}


class Problem(BaseModel):
    """What is wrong with one value. ``row`` counts from 1; None where it is about the whole request."""

    row: int | None = None
    column: str | None = None
    got: str
    allowed: str


class Refusal(Exception):
    """The request is not answered: ``status`` is HTTP's, ``problems`` at most ``SHOWN_PROBLEMS``."""

    def __init__(self, status: int, sentence: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(sentence)
        self.status = status
        self.problems = tuple(problems)


class RequestRows:
    """What requests of one pipeline hold."""

    def __init__(self, data: DataSection, max_rows: int) -> None:
        self.columns = {name: kind for name, kind in data.columns.items() if name not in data.withheld}
        self._target, self._weight = data.target, data.weight
        self._zone = data.zone
        self._named = (data.time, *data.key)
        self._max_rows = max_rows
        self._fields = {f"c{n}": name for n, name in enumerate(self.columns)}

    @cached_property
    def row_model(self) -> type[BaseModel]:
        """One row. Column names may be anything, so that fields have names of their own and columns are aliases."""
        fields: dict[str, Any] = {}
        for field, name in self._fields.items():
            kind = _field_type(self.columns[name])
            kind = kind if name in self._named else kind | None
            fields[field] = (kind, Field(alias=name, description=self._allowed(name)))
        config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)
        return create_model("Row", __config__=config, **fields)

    def schema(self) -> dict[str, Any]:
        """JSON Schema of a request's body."""
        rows = {"type": "array", "minItems": 1, "maxItems": self._max_rows, "items": self.row_model.model_json_schema()}
        return {"type": "object", "properties": {"rows": rows}, "required": ["rows"], "additionalProperties": False}

    def read(self, body: bytes) -> tuple[pa.Table, pd.DataFrame]:
        """The rows of ``body`` as a table and as a model is given them, in the order of the request.

        Raises:
            Refusal: 400 where the body is not JSON, 422 where it is not what the spec declares.
        """
        rows = self._rows_of(_parsed(body))
        problems: list[Problem] = []
        values: list[list[Any]] = []
        for number, row in enumerate(rows, 1):
            try:
                checked = self.row_model.model_validate(self._plain(row))
                values.append([getattr(checked, field) for field in self._fields])
            except ValidationError as error:
                problems += self._problems(number, error)
            except Refusal as refusal:
                problems += [problem.model_copy(update={"row": number}) for problem in refusal.problems]
            if len(problems) >= SHOWN_PROBLEMS:
                break
        if problems:
            raise _refusal(problems)
        try:
            table = from_rows(list(self.columns), values, self.columns, "the request", zone=self._zone)
        except DataError as error:
            raise Refusal(422, str(error)) from error
        return table, to_frame(table)

    def _rows_of(self, parsed: Any) -> list[Any]:
        if not isinstance(parsed, dict) or set(parsed) != {"rows"} or not isinstance(parsed["rows"], list):
            got = f"an object with {_keys(parsed)}" if isinstance(parsed, dict) else _kind(parsed)
            raise _refusal([Problem(got=got, allowed='an object {"rows": [{column: value, …}, …]}')])
        if not 1 <= len(parsed["rows"]) <= self._max_rows:
            raise _refusal([Problem(got=f"{len(parsed['rows']):,} rows", allowed=f"1 to {self._max_rows:,} rows")])
        return parsed["rows"]

    def _plain(self, row: Any) -> dict[str, Any]:
        if not isinstance(row, dict):
            raise _refusal([Problem(got=_kind(row), allowed="an object of columns and values")])
        # A row may hold a million unknown names: only the first few become problems.
        unknown = [name for name in row if name not in self.columns]
        if unknown:
            raise _refusal([self._unknown(name) for name in unknown[:SHOWN_PROBLEMS]])
        return row

    def _unknown(self, name: str) -> Problem:
        if name == self._target:
            return Problem(column=shown(name), got="the target", allowed="columns that are known before it")
        if name == self._weight:
            return Problem(column=shown(name), got="the sample weight", allowed="columns that a model sees")
        hint = did_you_mean(name[:128], self.columns)
        return Problem(column=shown(name), got=f"an unknown column{hint}", allowed="the columns of pipeline.yaml")

    def _problems(self, row: int, error: ValidationError) -> list[Problem]:
        details = error.errors(include_url=False, include_context=False)
        return [self._problem(row, detail) for detail in details]

    def _problem(self, row: int, detail: ErrorDetails) -> Problem:
        column = str(detail["loc"][0])
        got = "nothing" if detail["type"] == "missing" else _value(detail["input"])
        return Problem(row=row, column=column, got=got, allowed=self._allowed(column))

    def _allowed(self, column: str) -> str:
        null = "" if column in self._named else ", or null"
        return f"{self.columns[column]}: {_ALLOWED[self.columns[column]]}{null}"


def _refusal(problems: list[Problem]) -> Refusal:
    first = problems[0]
    places = [f"row {first.row}"] if first.row else []
    places += [f"column {first.column}"] if first.column else []
    where = f"{', '.join(places)}: " if places else ""
    more = f" {len(problems) - 1} more problems are listed." if len(problems) > 1 else ""
    sentence = f"The request is refused. {where}got {first.got}; allowed is {first.allowed}.{more}"
    return Refusal(422, sentence, problems[:SHOWN_PROBLEMS])


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise Refusal(400, "The body is not JSON that is read here: it is nested too deeply.") from None
    except ValueError as error:  # what is not UTF-8 or not JSON
        raise Refusal(400, f"The body is not JSON: {first_line(error)}.") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"name {shown(name)} stands twice in one object")
        found[name] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number; null means a missing value")


def _field_type(kind: ColumnType) -> Any:
    types: Mapping[ColumnType, Any] = {
        ColumnType.STRING: Annotated[str, AfterValidator(_whole_characters)],
        ColumnType.INTEGER: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)],
        ColumnType.FLOAT: float,
        ColumnType.BOOLEAN: bool,
        ColumnType.TIMESTAMP: Annotated[
            str, AfterValidator(_iso(_MOMENT, dt.datetime.fromisoformat)), _form("date-time")
        ],
        ColumnType.DATE: Annotated[str, AfterValidator(_iso(_DAY, dt.date.fromisoformat)), _form("date")],
    }
    return types[kind]


def _whole_characters(text: str) -> str:
    """JSON can write half of a character, which no other store can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("unicode", "half of a character") from None
    return text


def _form(name: str) -> FieldInfo:
    info: FieldInfo = Field(json_schema_extra={"format": name})
    return info


def _iso(form: re.Pattern[str], read: Callable[[str], dt.date]) -> Callable[[str], str]:
    def check(text: str) -> str:
        try:
            if form.fullmatch(text) and read(text).year in YEARS:
                return text
        except ValueError:
            pass
        raise PydanticCustomError("iso", "not of this form")

    return check


def _value(value: Any) -> str:
    return shown(value) if isinstance(value, str | int | float | bool | None) else _kind(value)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _keys(found: dict[str, Any]) -> str:
    return f"the name{'s' if len(found) > 1 else ''} {shown_names(found, 3)}" if found else "no names"
