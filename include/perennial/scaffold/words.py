"""The only way in which a name or a value of the data gets into a generated file: as a literal that cannot end early.

Templates print nothing but what passed through here: ``finalized`` refuses any other text.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from include.perennial import markdown
from include.perennial.messages import ascii_controls_escaped, clipped

_LINE_LENGTH = 120
_COMMENT_LENGTH = 100


class Written(str):
    """Text that is fit to stand in a file as it is."""

    __slots__ = ()


def yaml_text(value: str) -> Written:
    """A double-quoted YAML scalar. JSON's escapes are YAML's, but for pairs of surrogates, so only what has no
    printed form is escaped."""
    out = []
    for c in value:
        if c in '"\\':
            out.append("\\" + c)
        elif c.isprintable():
            out.append(c)
        else:
            out.append(f"\\U{ord(c):08x}")
    return Written('"' + "".join(out) + '"')


def yaml_list(values: Sequence[str]) -> Written:
    """A flow sequence of quoted scalars."""
    return Written("[" + ", ".join(map(yaml_text, values)) + "]")


def python(value: Any, prefix: int = 0) -> Written:
    """A Python literal as a formatter would leave it: text, numbers, booleans, and lists and tuples of them.

    A list that does not fit behind ``prefix`` characters has one line for each entry, indented by ``prefix``'s own.
    """
    if isinstance(value, str):
        return _python_text(str(value))
    if isinstance(value, bool | int):
        return Written(repr(value))
    if isinstance(value, float):
        return Written(repr(float(value)))  # numpy's own floats print their type
    entries = [python(entry) for entry in value]
    opening, closing = "()" if isinstance(value, tuple) else "[]"
    inner = ", ".join(entries) + ("," if isinstance(value, tuple) and len(entries) == 1 else "")
    if prefix + len(inner) + 3 <= _LINE_LENGTH:
        return Written(f"{opening}{inner}{closing}")
    return Written(f"{opening}\n" + "".join(f"    {entry},\n" for entry in entries) + closing)


def python_call(function: str, arguments: Mapping[str, Any], indent: int) -> Written:
    """A call with keywords, for a line indented by ``indent`` spaces."""
    line = f"{function}({', '.join(f'{name}={python(value)}' for name, value in arguments.items())})"
    if "\n" not in line and indent + len(line) + 1 <= _LINE_LENGTH:
        return Written(line)
    inner = " " * (indent + 4)
    parts = []
    for name, value in arguments.items():
        text = python(value, indent + 4 + len(name) + 1).replace("\n", "\n" + inner)
        parts.append(f"{inner}{name}={text},\n")
    return Written(f"{function}(\n{''.join(parts)}{' ' * indent})")


def _python_text(value: str) -> Written:
    written = repr(value)
    if written.startswith("'") and value.count('"') <= value.count("'"):
        # As formatters have it: double quotes, unless they need more escapes than single ones.
        written = '"' + written[1:-1].replace("\\'", "'").replace('"', '\\"') + '"'
    return Written(written)


def comment(value: str) -> Written:
    """Text for the rest of a comment line: one line, bounded, printable."""
    return Written(clipped(ascii_controls_escaped(value), _COMMENT_LENGTH))


def md(value: str) -> Written:
    """Text in Markdown."""
    return Written(markdown.text(value))


def finalized(value: Any) -> str:
    """What a template may print.

    Raises:
        TypeError: it is text that did not pass through this module.
    """
    if isinstance(value, Written) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return str(value)
    raise TypeError(f"{value!r} would be written as it is: pass it through yaml, py, md or comment.")
