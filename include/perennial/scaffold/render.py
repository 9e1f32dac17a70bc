"""The files of a new pipeline folder, from ``templates/``; every name and value passes through ``words``."""

import functools
from pathlib import Path
from typing import Any

import jinja2

from include.perennial.scaffold import words

FILES = {
    "pipeline.yaml": "pipeline.yaml.j2",
    "features.py": "features.py.j2",
    "expectations.py": "expectations.py.j2",
    "README.md": "README.md.j2",
}
DAG = "dag.py.j2"


def render(template: str, facts: dict[str, Any]) -> str:
    """The text of one file.

    Raises:
        TypeError: a fact would stand in the file unescaped.
    """
    return _environment().get_template(template).render(facts)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        finalize=words.finalized,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - YAML and Python, not HTML; `finalize` lets nothing through unescaped
    )
    environment.filters |= {
        "yaml": words.yaml_text,
        "yamllist": words.yaml_list,
        "py": words.python,
        "pylong": functools.partial(words.python, prefix=len("CATEGORIES: tuple[str, ...] = ")),
        "comment": words.comment,
        "md": words.md,
    }
    return environment
