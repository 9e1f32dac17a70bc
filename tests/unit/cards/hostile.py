"""Strings that want to be more than text, and the structure of a page that must not care."""

import re
from html.parser import HTMLParser

HOSTILE = (
    "<script>alert(1)</script>",
    "</td></tr></table><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<!-- gone",
    "<style>*{display:none}</style>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;",
    '"><b onmouseover="alert(1)">',
    "' onfocus='alert(1)",
    "javascript:alert(1)",
    "[click](javascript:alert(1))",
    "![seen](http://tracker.example/x.png)",
    "<http://tracker.example>",
    "[a]: http://tracker.example",
    "a | b | c",
    "\\| escaped | twice \\\\|",
    "|---|---|",
    "`code` ``more``",
    "```\nfence\n```",
    "two\nlines\n\n# and a heading",
    "\r\n| a | row |",
    "# heading",
    "- item\n- item",
    "1. first",
    "===",
    "***bold*** __too__ ~~gone~~",
    '=HYPERLINK("http://tracker.example","x")',
    "+1+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "-2+3",
    "{{ 7 * 7 }}{% raw %}",
    "\x00\x1b[31mred",
    "\u202egnp.exe",
    "x" * 5000,
)
FORMULA = re.compile(r"^[=+@-]")


class Structure(HTMLParser):
    """Tags with their attributes in order, and the text of each table cell."""

    def __init__(self, page: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(" ".join([tag, *(f"{name}={value}" for name, value in attrs)]))
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.cells:
            self.cells[-1] += data


def widths(markdown: str) -> list[set[int]]:
    """Of each table the numbers of cells that its lines have."""
    tables = re.findall(r"(?:^\|.*\n?)+", markdown, re.MULTILINE)
    return [{len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()} for table in tables]
