"""docs/serving.md names the settings that the code reads, with their defaults, and the request that it takes."""

import re
from dataclasses import fields

from include.perennial.serving.app import ERRORS
from include.perennial.serving.options import ServeOptions
from include.perennial.settings import PROJECT_ROOT

PAGE = (PROJECT_ROOT / "docs" / "serving.md").read_text()


def test_every_setting_is_documented_with_its_default() -> None:
    settings = PAGE.partition("## Settings")[2]
    documented = {}
    for names, values in re.findall(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \| ([^|]*) \|", settings, re.MULTILINE):
        documented.update(zip(re.findall(r"[A-Z_]+", names), values.strip().split(", "), strict=True))

    read = {field.name.upper(): field.default for field in fields(ServeOptions) if field.name != "tokens"}
    assert documented.pop("TOKEN_FILE") == "none"
    assert {name: type(read[name])(default) for name, default in documented.items()} == read


def test_every_status_of_the_server_is_documented() -> None:
    table = PAGE.partition("| status |")[2].partition("Range checks")[0]
    assert {int(code) for code in re.findall(r"\b[45]\d\d\b", table)} >= set(ERRORS) - {500}
