"""The model server answers with one probability, and says so of pipelines that have none."""

from pathlib import Path

import pytest

from include.perennial.errors import BadInput
from include.perennial.serving.options import ServeOptions
from include.perennial.serving.server import build
from include.perennial.settings import Settings
from tests.task_pipelines import KINDS


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_pipeline_of_another_task_is_not_served(kind: str, tmp_path: Path) -> None:
    KINDS[kind].make(tmp_path)
    home = {"PERENNIAL_HOME": str(tmp_path / "home"), "PERENNIAL_PIPELINES": str(tmp_path / "pipelines")}
    settings = Settings.from_env(home)
    with pytest.raises(BadInput, match=rf"toy is a {kind} pipeline: .*Score it with toy\.score"):
        build(["toy"], settings, ServeOptions())
    with pytest.raises(BadInput, match="no binary pipeline"):
        build([], settings, ServeOptions())
