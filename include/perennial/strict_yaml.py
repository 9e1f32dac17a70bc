"""YAML as configuration needs it: one plain mapping, and the line of every value.

Built on PyYAML's parser events, so that what configuration has no use for is refused before
anything is constructed: tags, anchors and aliases (no objects, no alias bombs), duplicate keys,
several documents, deep nesting. Plain scalars follow YAML 1.2: only ``true`` and ``false`` are
booleans, ``NO``, ``on``, ``1:30``, ``010`` of a zip code and dates stay the text that was written.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml
from yaml.reader import Reader

from include.perennial.errors import SpecError
from include.perennial.messages import clipped, shown
from include.perennial.spec.words import found, spec_error

MAX_BYTES = 256 * 1024
_MAX_DEPTH = 16
_INTEGER = re.compile(r"[-+]?(0|[1-9]\d{0,17})", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.\d+|(0|[1-9]\d*)(\.\d*)?)([eE][-+]?\d{1,3})?", re.ASCII)
_WORDS = {"": None, "~": None, "null": None, "true": True, "True": True, "false": False, "False": False}
_SYNTAX_HINTS = {
    r"'\t'": " Indent with spaces, not tabs.",
    "mapping values are not allowed": " Put quotes around text that holds ': ', and check the indentation.",
    "cannot start any token": " Put quotes around this text.",
}

Where = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """``data`` as JSON types; ``lines`` maps the path of each value to its line, counted from 1."""

    path: Path
    data: dict[str, Any]
    lines: dict[Where, int]

    def line(self, where: Where) -> int:
        """Line of the value at ``where``, or of the nearest enclosing value that exists."""
        while where not in self.lines:
            where = where[:-1]
        return self.lines[where]


def read_document(path: Path) -> Document:
    """Read one YAML mapping.

    Raises:
        SpecError: ``file:line:`` and what is wrong, for anything but a plain mapping in UTF-8.
    """
    builder = _Builder(path, _read_text(path))
    try:
        return Document(path, builder.document(), builder.lines)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(path, error) from None


def _read_text(path: Path) -> str:
    if not path.is_file():
        raise spec_error(path, 1, "there is no such file: every pipeline folder holds a pipeline.yaml.")
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise spec_error(path, 1, f"the file has {path.stat().st_size:,} bytes: allowed are {MAX_BYTES:,}.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{raw[error.start]:02x}"
        raise spec_error(path, line, f"the file is not UTF-8 ({found}): save it with UTF-8 encoding.") from None
    if bad := Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        raise spec_error(path, line, f"control character {bad.group()!r}: YAML allows printable text only.")
    return text


def _syntax_error(path: Path, error: yaml.MarkedYAMLError) -> SpecError:
    line = error.problem_mark.line + 1 if error.problem_mark else 1
    began = ""
    if error.context and error.context_mark:
        began = f" ({error.context} that began on line {error.context_mark.line + 1})"
    hint = next((text for part, text in _SYNTAX_HINTS.items() if part in str(error.problem)), "")
    return spec_error(path, line, f"not valid YAML: {error.problem}{began}.{hint}")


class _Builder:
    """Turns the parser's events into JSON types, and refuses what does not belong there."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        self.lines: dict[Where, int] = {}

    def document(self) -> dict[str, Any]:
        next(self._events)
        start = next(self._events)
        if not isinstance(start, yaml.DocumentStartEvent):
            self._refuse(start, "the file is empty: expected a mapping with name, title, schedule and so on.")
        first = next(self._events)
        value = self._value(first, ())
        if not isinstance(value, dict):
            self._refuse(first, f"the file holds {found(value)}: expected a mapping such as `name: flight_delays`.")
        next(self._events)
        following = next(self._events)
        if isinstance(following, yaml.DocumentStartEvent):
            self._refuse(following, "a second YAML document starts here: expected one document per file.")
        return value

    def _value(self, event: yaml.Event, where: Where) -> Any:
        self.lines.setdefault(where, _line(event))
        self._refuse_features(event)
        if len(where) > _MAX_DEPTH:
            self._refuse(event, f"values are nested more than {_MAX_DEPTH} levels deep.")
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(where)
        return [self._value(item, (*where, n)) for n, item in enumerate(self._until(yaml.SequenceEndEvent))]

    def _mapping(self, where: Where) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for event in self._until(yaml.MappingEndEvent):
            self._refuse_features(event)
            if not isinstance(event, yaml.ScalarEvent):
                self._refuse(event, "a key is a list or a mapping: expected a name.")
            key = event.value
            if key in out:
                first = self.lines[(*where, key)]
                self._refuse(event, f"duplicate key {shown(key)}: it stands on line {first} already. Remove one.")
            self.lines[(*where, key)] = _line(event)
            out[key] = self._value(next(self._events), (*where, key))
        return out

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _refuse_features(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, f"YAML alias *{clipped(str(event.anchor), 40)}: not allowed, write the value out.")
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            self._refuse(event, f"YAML anchor &{clipped(event.anchor, 40)}: anchors and aliases are not allowed.")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            self._refuse(event, f"YAML tag {shown(event.tag)}: tags are not allowed, write plain text and numbers.")
        if isinstance(event, yaml.ScalarEvent) and (bad := Reader.NON_PRINTABLE.search(event.value)):
            self._refuse(event, f"control character {bad.group()!r} written as an escape: use printable text.")

    def _refuse(self, event: yaml.Event, text: str) -> NoReturn:
        raise spec_error(self._path, _line(event), text)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _scalar(event: yaml.ScalarEvent) -> Any:
    text = event.value
    if event.style not in (None, ""):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
