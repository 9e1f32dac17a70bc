"""The documentation builds as a site without a warning, holds every page, and asks no other host for anything."""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from embedded.config import PROJECT

pytestmark = pytest.mark.long

DOCS = PROJECT / "docs"
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
# What a browser fetches by itself; links that a reader may follow are none of these.
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\s(?:src|data|srcset)=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|<link\b[^>]*?rel=["']?(?:stylesheet|icon|preload|preconnect|dns-prefetch|manifest)[^>]*?(?:https?:)?//[^>]+"""
    r"""|@import\s+[^;]*//[^;]+|url\(\s*["']?(?:https?:)?//[^)]+""",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site that `make docs` makes with the interpreter of this test."""
    built, venv = tmp_path_factory.mktemp("build"), Path(sys.prefix)
    settings = [f"PYTHON={sys.executable}", f"VENV={venv}", f"BUILD={built}"]
    command = ["make", "-s", "-o", str(venv / ".dev"), "docs", *settings]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return built / "docs"


def test_every_page_is_in_the_site_and_in_the_menu(site: Path) -> None:
    menu = (site / "index.html").read_text(encoding="utf-8") + (site / "runbooks" / "index.html").read_text("utf-8")

    for page in DOCS.rglob("*.md"):
        assert (site / page.relative_to(DOCS)).with_suffix(".html").is_file()
        assert page.stem == "index" or f"{page.stem}.html" in menu, page


def test_no_page_asks_another_host_for_anything(site: Path) -> None:
    files = [path for kind in ("*.html", "*.css", "*.svg") for path in site.rglob(kind)]
    assert len(files) > 30

    assert [(path.name, hit) for path in files for hit in _FETCHED.findall(path.read_text(encoding="utf-8"))] == []


@pytest.mark.heavy
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: install the package chromium")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")])
def test_a_browser_leaves_the_site_alone_and_scrolls_no_page_sideways(site: Path, width: int, scheme: str) -> None:
    asked: list[str] = []
    with sync_playwright() as playwright:
        # Containers have no user namespaces to put a sandbox in; all that is opened is our own page.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("request", lambda request: asked.append(request.url))
        sideways = []
        for path in sorted(site.rglob("*.html")):
            page.goto(path.as_uri())
            if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                sideways.append(path.name)
        browser.close()

    assert sideways == []
    assert [url for url in asked if not url.startswith((site.as_uri(), "data:"))] == []


def test_what_would_be_fetched_is_found() -> None:
    loads = [
        *('<script src="https://cdn.example/x.js">', "<img alt='' src='//cdn.example/x.png'>"),
        *('<link rel="stylesheet" href="https://fonts.example/a.css">', "@import url('https://fonts.example/a.css');"),
    ]

    assert all(_FETCHED.search(load) for load in loads)
    assert not _FETCHED.search('<a href="https://example.com/">')


def test_the_order_of_the_pages_is_that_of_the_index() -> None:
    menu = runpy.run_path(str(DOCS / "conf.py"))["menu"]

    made = menu("# T\n\n## One\n\n- [A](a.md): first\n- [B](b/c.md)\n\n## Two\n\n- [D](d.md)\n")

    assert re.findall(r":caption: (\w+)|^([\w/]+)$", made, re.MULTILINE) == [
        *(("One", ""), ("", "a"), ("", "b/c"), ("Two", ""), ("", "d"))
    ]
