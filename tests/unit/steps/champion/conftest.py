"""A closed loop for each test, made once and copied."""

from pathlib import Path

import pytest

from tests.closed_loop import Loop, build, copied


@pytest.fixture(scope="session")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    """Champions 1, 2 and 3; 3 reigns."""
    return build(tmp_path_factory.mktemp("closed"))


@pytest.fixture
def loop(closed: Loop, tmp_path: Path) -> Loop:
    return copied(closed, tmp_path)
