"""A closed loop with three champions, and a server of a copy of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.closed_loop import Loop, build, copied
from tests.model_server import ModelServer, model_server, until


@pytest.fixture(scope="session")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    return build(tmp_path_factory.mktemp("served"))


@pytest.fixture
def loop(closed: Loop, tmp_path: Path) -> Loop:
    """A closed loop that this test may change."""
    return copied(closed, tmp_path)


@pytest.fixture(scope="session")
def steady(closed: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """A server of a loop that nobody changes, but for what it answers."""
    own = copied(closed, tmp_path_factory.mktemp("steady"))
    with model_server(own.settings, max_rows=50, max_body_bytes=20_000, body_timeout_s=1.0) as server:
        until(server.champion, "there is a champion")
        yield server
