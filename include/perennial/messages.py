"""How errors about data are worded: what, where, got, allowed, how to fix; always bounded and on printable text.

Values come from deliveries and may be hostile or huge: they pass through ``shown`` before they
reach a message.
"""

import difflib
from collections.abc import Iterable

from include.perennial.errors import DataError

MESSAGE_LIMIT = 2000
_VALUE_LIMIT = 80
_PART_LIMIT = 400
_NAMES_COMPARED = 10_000


def clipped(text: str, limit: int) -> str:
    """``text`` cut to ``limit`` characters, the cut marked."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def shown(value: object, limit: int = _VALUE_LIMIT) -> str:
    """``value`` as it may stand in a message: control characters escaped, at most ``limit`` characters."""
    if isinstance(value, str):
        return clipped(ascii_controls_escaped(repr(clipped(value, limit))), limit)
    return clipped(repr(value), limit)


def ascii_controls_escaped(text: str) -> str:
    """``text`` with every character that is not printable written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown_names(names: Iterable[str], limit: int = 8) -> str:
    """The first ``limit`` names, quoted, and how many more there are."""
    names = list(names)
    text = ", ".join(shown(name, 40) for name in names[:limit])
    return text + (f" and {len(names) - limit} more" if len(names) > limit else "")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the nearest of ``known``, or nothing. The same for a set in any order."""
    near = difflib.get_close_matches(name, sorted(known)[:_NAMES_COMPARED], n=1)
    return f" (did you mean {shown(near[0], 40)}?)" if near else ""


def first_line(error: BaseException, limit: int = 200) -> str:
    """What a library's exception says, without the lines that follow."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return ascii_controls_escaped(clipped(lines[0], limit))


def data_error(*, where: str, got: str, allowed: str, fix: str) -> DataError:
    """A refusal of delivered data. Each part is one sentence without its full stop; the whole stays bounded."""
    parts = [clipped(part, _PART_LIMIT) for part in (where, got, allowed, fix)]
    return DataError("{}: {}. Expected: {}. To fix: {}.".format(*parts))
