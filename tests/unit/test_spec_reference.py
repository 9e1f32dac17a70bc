"""The reference names every key of the spec, and is the one that is committed."""

import re

from include.perennial.settings import PROJECT_ROOT
from include.perennial.spec import PipelineSpec
from include.perennial.spec.reference import page

PAGE = PROJECT_ROOT / "docs" / "reference" / "pipeline-yaml.md"


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text() == page(), "make reference"


def test_every_key_of_every_section_has_a_row() -> None:
    schema = PipelineSpec.model_json_schema()
    sections = [schema, *(found for found in schema["$defs"].values() if "properties" in found)]
    keys = {key for section in sections for key in section["properties"]}

    assert keys <= set(re.findall(r"^\| `(\w+)` \|", page(), re.MULTILINE))
