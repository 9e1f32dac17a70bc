"""The Data Docs page of one validation.

GX's own pages load scripts from elsewhere and carry names and values unescaped. This one is a
single file without scripts, every value escaped, and a content security policy for good measure.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import jinja2

from include.perennial.quality.suite import Finding


@dataclass(frozen=True)
class PageReport:
    """What the page shows; ``verdict`` is one sentence, ``reasons`` are rows set aside by reason."""

    pipeline: str
    key: str
    snapshot_digest: str
    suite_digest: str
    accepted: bool
    verdict: str
    rows_delivered: int
    rows_valid: int
    reasons: dict[str, int]
    quarantine_key: str | None
    findings: tuple[Finding, ...]

    @property
    def rows_quarantined(self) -> int:
        """Rows set aside, each counted once."""
        return self.rows_delivered - self.rows_valid


def render(report: PageReport) -> bytes:
    """The page as UTF-8 HTML."""
    return _template().render(report=report).encode()


@functools.cache
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("page.html.j2")
