"""The base of every section of the spec, and its field types: names, columns, shares, paths and queries."""

import re
import zoneinfo
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from include.perennial.messages import did_you_mean, shown


class Spec(BaseModel):
    """Base of every section: unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def refused(text: str, at: tuple[str | int, ...] = (), got: str = "", known: Iterable[str] = ()) -> PydanticCustomError:
    """An error to raise from a validator; the reader puts file, line and the path of the value before ``text``.

    ``at`` leads from the validated section to the value; ``got`` is the name for which the nearest
    of ``known`` is suggested.
    """
    return PydanticCustomError("refused", "{text}", {"text": text, "at": at, "got": got, "known": tuple(known)})


def is_none(value: object) -> bool:
    """Whether a key that came later is unused: then it stays out of dumps, and digests of older specs hold."""
    return value is None


def is_empty(value: object) -> bool:
    """As ``is_none``, for a list that came later."""
    return not value


def distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """``names``, refused if one stands twice."""
    for n, name in enumerate(names):
        if name in names[:n]:
            raise refused(f"names {shown(name)} twice: expected each name once", (n,))
    return names


def _safe_path(path: str) -> str:
    if ".." in re.split(r"[/\\]", path):
        raise refused(f"is {shown(path)}, which leaves the pipeline folder: expected a path without '..'")
    if set("{}") & set(path.replace("{key}", "")):
        raise refused(f"is {shown(path)}: the only placeholder allowed is {{key}}, the partition key")
    if path.startswith("~") or ("://" in path and not re.match(r"s3://[a-z0-9][a-z0-9.-]{2,62}(/|$)", path)):
        raise refused(
            f"is {shown(path)}: expected a path in the pipeline folder, an absolute path, or s3://bucket/prefix"
        )
    return path


def parameters_of(query: str) -> tuple[str, ...]:
    """Which of ``start`` and ``end``, the bounds of a partition, the query uses."""
    return tuple(name for name in ("start", "end") if re.search(rf"(?<![:\w]):{name}\b", query))


def _time_zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        near = did_you_mean(name, zoneinfo.available_timezones())
        raise refused(f"is {shown(name)}{near}: expected the IANA name of a time zone, such as Europe/Berlin") from None
    return name


Name = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,47}$"),
    Field(description="2 to 48 of a-z, 0-9 and _, beginning with a letter"),
]
Column = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Columns = Annotated[tuple[Column, ...], Field(min_length=1), AfterValidator(distinct)]
Share = Annotated[float, Field(ge=0, le=1)]
SourcePath = Annotated[str, Field(min_length=1), AfterValidator(_safe_path)]
TimeZone = Annotated[str, Field(min_length=1), AfterValidator(_time_zone)]
