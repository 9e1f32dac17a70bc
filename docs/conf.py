"""The documentation as a static site: `make docs`. The pages are plain Markdown and read as well on a code host.

The menu is made from the lists of links in index.md, so that the order of the pages is written down once and the page
holds no directive. Nothing is fetched, neither when the site is built nor when it is read.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

project = "Perennial"
author = "the authors of Perennial"
extensions = ["myst_parser"]
exclude_patterns: list[str] = []
highlight_language = "text"
# Headings of three levels can be linked to, by the anchors that a code host gives them.
myst_heading_anchors = 3

html_theme = "furo"
html_title = "Perennial"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False

_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_PAGE = re.compile(r"^- \[[^\]]+\]\(([\w/-]+)\.md\)", re.MULTILINE)


_LISTS = ("index", "runbooks/index")


def menu(text: str) -> str:
    """Hidden tables of contents: one for each section of ``text``, with the pages that its list links to."""
    headings = [*_SECTION.finditer(text)]
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    tables = []
    for heading, end in zip(headings, ends, strict=True):
        pages = _PAGE.findall(text, heading.end(), end)
        options = [":hidden:", f":caption: {heading[1]}", ""]
        tables.append("\n".join(["```{toctree}", *options, *pages, "```"]))
    return "\n\n".join(tables)


def _add_menu(app: Sphinx, page: str, source: list[str]) -> None:
    if page not in _LISTS:
        return
    tables = menu(source[0])
    if page == "index":
        texts = [Path(app.srcdir, f"{name}.md").read_text(encoding="utf-8") for name in _LISTS]
        listed = {*_LISTS, *_PAGE.findall(texts[0]), *(f"runbooks/{name}" for name in _PAGE.findall(texts[1]))}
        more = sorted(app.env.found_docs - listed)
        tables += menu("## More\n" + "\n".join(f"- [{name}]({name}.md)" for name in more)) if more else ""
    source[0] += f"\n{tables}\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", _add_menu)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
