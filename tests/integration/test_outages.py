"""MLflow is away: said soon and in words, and the champion stays."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from include.perennial.errors import BadInput, Unavailable
from include.perennial.settings import Settings
from include.perennial.steps.promote import promote
from include.perennial.steps.register import register
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.tracking.client import connect
from include.perennial.stores.tracking.registry import Registry
from tests.promotions import StoredModel, decide, rejudge, store_model
from tests.servers import free_port

pytestmark = pytest.mark.server
_names = (f"outage_{n}" for n in range(10_000))


def settings(uri: str) -> Settings:
    return Settings.from_env({"MLFLOW_TRACKING_URI": uri})


@pytest.fixture
def name() -> str:
    return next(_names)


@pytest.fixture
def models(mlflow_server: str) -> Registry:
    return Registry.open(settings(mlflow_server))


@pytest.fixture
def stored(mlflow_server: str) -> StoredModel:
    return store_model(connect(settings(mlflow_server)))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture
def crowned(models: Registry, ledger: Ledger, name: str, stored: StoredModel) -> Ledger:
    """A ledger with a champion, version 1, and a better version 2 that is registered."""
    first = decide(name, "first", stored, score=0.7)
    promote(register(first, ledger, models), first, ledger, models, rejudge, actor="tester")
    return ledger


@pytest.mark.timeout(60)
@pytest.mark.parametrize("outage", ["refused", "silent"])
def test_an_outage_is_said_within_a_minute_and_the_champion_stays(
    crowned: Ledger, models: Registry, name: str, stored: StoredModel, outage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = decide(name, "second", stored, score=0.8, champion=crowned.champion(name))
    registration = register(second, crowned, models)
    before = crowned.champion(name)
    # The silent server is waited for with a fifteenth of the usual patience.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")

    with socket.create_server(("127.0.0.1", free_port())) as silent:
        port = silent.getsockname()[1] if outage == "silent" else free_port()
        away = Registry.open(settings(f"http://user:secret@127.0.0.1:{port}"))
        with pytest.raises(Unavailable, match=f"MLflow at http://127.0.0.1:{port} does not answer") as said:
            promote(registration, second, crowned, away, rejudge, actor="tester")
        with pytest.raises(Unavailable):
            register(second, crowned, away)

    assert "make up" in str(said.value)
    assert len(str(said.value)) <= 2000
    assert crowned.champion(name) == before
    assert models.get_alias(name, "champion") == "1"


@pytest.mark.heavy
@pytest.mark.timeout(60)
def test_a_silent_server_is_given_up_within_a_minute(crowned: Ledger, name: str, stored: StoredModel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        away = Registry.open(settings(f"http://127.0.0.1:{silent.getsockname()[1]}"))
        with pytest.raises(Unavailable):
            register(decide(name, "second", stored, score=0.8, champion=crowned.champion(name)), crowned, away)


def test_an_outage_after_the_crown_is_mended_by_a_retry(
    crowned: Ledger, models: Registry, name: str, stored: StoredModel, mlflow_server: str
) -> None:
    second = decide(name, "second", stored, score=0.8, champion=crowned.champion(name))
    registration = register(second, crowned, models)
    broken = Registry.open(settings(mlflow_server))
    broken.aliases = away  # type: ignore[method-assign]

    with pytest.raises(Unavailable, match=r"Version 2 was promoted.*The ledger holds that"):
        promote(registration, second, crowned, broken, rejudge, actor="tester")
    assert crowned.champion(name).version == "2"
    assert models.get_alias(name, "champion") == "1"

    assert promote(registration, second, crowned, models, rejudge, actor="tester").status == "already_champion"
    assert models.aliases(name) == {"champion": "2"}
    assert crowned.verify() == []


def away(_: str) -> dict[str, str]:
    """What every call raises while the server is away."""
    raise Unavailable("MLflow does not answer.")


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (401, BadInput, "MLFLOW_TRACKING_USERNAME"),
        (500, Unavailable, "does not answer"),
        (429, Unavailable, "does not"),
    ],
)
def test_replies_are_told_apart(status: int, error: type[Exception], message: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(error, match=message):
            Registry.open(settings(f"http://127.0.0.1:{server.server_port}")).aliases("flights")
    finally:
        server.shutdown()
        server.server_close()
