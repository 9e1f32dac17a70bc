"""How messages about a pipeline folder are worded: where, what was found, which name was probably meant."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from include.perennial.errors import SpecError
from include.perennial.messages import MESSAGE_LIMIT, clipped, shown


def spec_error(path: Path, line: int, text: str) -> SpecError:
    """A ``SpecError`` whose message starts with ``file:line:`` and is bounded."""
    return SpecError(clipped(f"{path}:{line}: {text}", MESSAGE_LIMIT))


def found(value: Any) -> str:
    """A value that was found; containers are named, not printed."""
    if isinstance(value, dict | list):
        kind = "mapping" if isinstance(value, dict) else "list"
        return f"a {kind}" if value else f"an empty {kind}"
    words = {None: "empty", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else shown(value)


def suggestion(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the nearest of ``known``, upper and lower case alike, or nothing."""
    folded = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(clipped(name, 200).lower(), folded, n=1)
    return f" Did you mean {shown(folded[near[0]], 40)}?" if near else ""
