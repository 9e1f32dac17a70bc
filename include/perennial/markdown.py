"""Markdown that holds names and values of users and data: each is escaped, on one line, and bounded.

What is escaped here stays text in Airflow's pages, in MLflow's, and in the cards' HTML.
"""

import html
import re
from collections.abc import Iterable, Sequence

from include.perennial.messages import ascii_controls_escaped, clipped

NONE = "–"
_TEXT_LIMIT = 1000
# What Markdown acts on inside a line; an underscore between letters is not among it.
_SPECIAL = re.compile(r"([\\`*\[\]|~!]|(?<![^\W_])_|_(?![^\W_]))")
# What makes a line a heading or a list.
_BLOCK = re.compile(r"^(#|\d{1,9}(?=[.)](\s|$)))")
# What a spreadsheet takes for a formula, when a table is copied into it.
_FORMULA = re.compile(r"^[=+\-@]")


def text(value: str) -> str:
    """One line, at most 1000 characters, without anything that Markdown, HTML or a spreadsheet would act on."""
    line = clipped(" ".join(value.split()), _TEXT_LIMIT + 1)
    line = _SPECIAL.sub(r"\\\1", ascii_controls_escaped(line))
    line = _BLOCK.sub(lambda found: f"\\{found[0]}" if found[0] == "#" else f"{found[0]}\\", line)
    line = f"'{line}" if _FORMULA.match(line) else line
    return html.escape(line, quote=False)


def number(value: float | None) -> str:
    """Whole numbers without decimals, others with four."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.4f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; cells are Markdown already. Without rows: one line that says so."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines] if lines else ["None."]
