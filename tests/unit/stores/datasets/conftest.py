"""A data registry on a path of this machine, and the same behind a Git URL."""

import subprocess
from pathlib import Path

import pytest

from include.perennial.settings import Settings
from include.perennial.stores.datasets import DataRegistry


@pytest.fixture(params=["path", "url"])
def registry_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "path":
        return Settings.from_env({"PERENNIAL_HOME": str(tmp_path / "home")})
    bare = tmp_path / "shared.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", bare], check=True)
    return Settings.from_env({"PERENNIAL_HOME": str(tmp_path / "home"), "PERENNIAL_DATA_REGISTRY": bare.as_uri()})


@pytest.fixture
def registry(registry_settings: Settings) -> DataRegistry:
    return DataRegistry.open(registry_settings)
