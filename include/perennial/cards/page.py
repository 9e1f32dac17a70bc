"""A card as Markdown, and as an HTML page that needs nothing else: inline style, no scripts, nothing from elsewhere."""

import functools
import html
from dataclasses import dataclass

from markdown_it import MarkdownIt

from include.perennial.messages import ascii_controls_escaped

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; margin: .5rem 0 1.5rem; }}
th, td {{ text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8886; vertical-align: top; }}
li, p, h1 {{ overflow-wrap: anywhere; }}
td {{ overflow-wrap: break-word; max-width: 20rem; }}
td:last-child {{ overflow-wrap: anywhere; min-width: 12rem; max-width: 48rem; }}
h2 {{ margin-top: 2rem; }}
</style>
</head>
<body>
"""


@dataclass(frozen=True)
class Card:
    """``markdown`` in which all that comes from users and data is escaped; ``title`` is plain text."""

    title: str
    markdown: str

    @property
    def page(self) -> bytes:
        """The card as an HTML document in UTF-8."""
        body = _renderer().render(self.markdown)
        title = html.escape(ascii_controls_escaped(" ".join(self.title.split())))
        return f"{_HEAD.format(title=title)}{body}</body>\n</html>\n".encode()


@functools.cache
def _renderer() -> MarkdownIt:
    # Without HTML, and without links made of bare addresses.
    return MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table")
