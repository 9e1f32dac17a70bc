"""The data registry behind HTTP with a password, as several machines use it."""

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from embedded.git_server import REPOSITORY, USER, create_app
from include.perennial.errors import Unavailable
from include.perennial.settings import Settings
from include.perennial.stores.datasets import DataRegistry
from tests.servers import free_port
from tests.unit.stores.datasets.publishing import PIPELINE, delivery

pytestmark = pytest.mark.server
WEEKS = ("2013-01-07", "2013-01-14")
PASSWORD = "a password with 'quotes', $(id) and a % sign"


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[list[Settings]]:
    """Two homes that share nothing but the URL of the registry and the DVC remote."""
    port = free_port()
    app = create_app(tmp_path / "registry", PASSWORD)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    url = f"http://{USER}@127.0.0.1:{port}/{REPOSITORY}"
    yield [
        dataclasses.replace(
            Settings.from_env({"PERENNIAL_HOME": str(tmp_path / name)}),
            data_registry=url,
            dvc_remote=str(tmp_path / "remote"),
        )
        for name in ("one", "two")
    ]
    server.should_exit = True
    thread.join(30)


def test_what_one_machine_publishes_the_other_fetches(
    machines: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_DATA_REGISTRY_PASSWORD", PASSWORD)
    one, two = machines
    first = delivery(tmp_path, WEEKS[0], b"first" * 1000)
    second = delivery(tmp_path, WEEKS[1], b"second" * 1000)

    first.publish(one)
    version = second.publish(two)

    paths = DataRegistry.open(one).fetch(PIPELINE, [first.ref, second.ref], version.commit)
    assert [path.read_bytes() for path in paths] == [b"first" * 1000, b"second" * 1000]


@pytest.mark.parametrize("password", [None, "", "wrong", PASSWORD + " "], ids=["none", "empty", "wrong", "longer"])
def test_without_the_password_nothing_is_read(
    machines: list[Settings], password: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PERENNIAL_DATA_REGISTRY_PASSWORD", raising=False)
    if password is not None:
        monkeypatch.setenv("PERENNIAL_DATA_REGISTRY_PASSWORD", password)

    with pytest.raises(Unavailable, match="git fetch"):
        DataRegistry.open(machines[0]).head()


def test_a_server_without_a_password_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="PERENNIAL_DATA_REGISTRY_PASSWORD"):
        create_app(tmp_path, "")
