"""The model registry against a real MLflow server: lost replies, rivals, outages, and what sources it takes."""

import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from mlflow import MlflowClient

from include.perennial.digests import file_sha256
from include.perennial.errors import BadInput, IntegrityError
from include.perennial.settings import Settings
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.tracking.client import connect
from include.perennial.stores.tracking.registry import RUN_KEY_TAG, Registry
from tests.promotions import StoredModel, store_model

pytestmark = pytest.mark.server
CREATE = "/model-versions/create"
_names = (f"registry_{n}" for n in range(10_000))


def settings(uri: str) -> Settings:
    return Settings.from_env({"MLFLOW_TRACKING_URI": uri})


@pytest.fixture
def name() -> str:
    return next(_names)


@pytest.fixture
def client(mlflow_server: str) -> MlflowClient:
    return connect(settings(mlflow_server))


@pytest.fixture
def models(client: MlflowClient) -> Registry:
    return Registry(client)


@pytest.fixture
def stored(client: MlflowClient) -> StoredModel:
    return store_model(client)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")


def ensure(models: Registry, name: str, stored: StoredModel, run_key: str = "run") -> str:
    return models.ensure_version(name, run_key, stored.uri, stored.run_id, {"perennial.verdict": "passed"}, "a model")


# --- lost replies ---------------------------------------------------------------------------


@dataclass
class Proxy:
    """Stands in front of MLflow and swallows the first ``to_drop`` replies to ``path``, after they were done."""

    upstream: str
    path: str
    to_drop: int
    seen: list[str] = field(default_factory=list)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                upstream = http.client.HTTPConnection(urlsplit(proxy.upstream).netloc, timeout=30)
                upstream.request(self.command, self.path, body, dict(self.headers))
                reply = upstream.getresponse()
                content = reply.read()
                upstream.close()
                if self.path.endswith(proxy.path):
                    proxy.seen.append(self.path)
                    if len(proxy.seen) <= proxy.to_drop:
                        self.close_connection = True
                        return
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.headers["Content-Type"])
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = forward

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def proxy(mlflow_server: str) -> Iterator[tuple[Proxy, str]]:
    proxy = Proxy(mlflow_server, CREATE, to_drop=3)
    server = ThreadingHTTPServer(("127.0.0.1", 0), proxy.handler())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield proxy, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_lost_reply_makes_one_version(
    proxy: tuple[Proxy, str], name: str, stored: StoredModel, models: Registry
) -> None:
    lossy = Registry.open(settings(proxy[1]))

    version = ensure(lossy, name, stored)

    assert version == "1"
    assert len(proxy[0].seen) == 1
    assert ensure(lossy, name, stored) == "1"
    assert models.tag_values(name, RUN_KEY_TAG) == {"1": "run"}


def test_mlflow_alone_would_make_four(
    proxy: tuple[Proxy, str], name: str, stored: StoredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    naive = MlflowClient(proxy[1], registry_uri=proxy[1])

    naive.create_registered_model(name)
    naive.create_model_version(name, stored.uri, stored.run_id, await_creation_for=0)

    assert len(naive.search_model_versions(f"name = '{name}'")) == 4


# --- rivals ---------------------------------------------------------------------------------


def at_once(*actions) -> list:
    start, results = threading.Barrier(len(actions)), [None] * len(actions)

    def run(n: int, action) -> None:
        start.wait()
        results[n] = action()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_processes_that_ensure_the_same_run_key_agree_on_one_version(
    models: Registry, name: str, stored: StoredModel
) -> None:
    for n in range(5):
        agreed = at_once(*[lambda n=n: ensure(models, name, stored, f"run-{n}")] * 4)
        assert len(set(agreed)) == 1

    assert sorted(models.tag_values(name, RUN_KEY_TAG).values()) == [f"run-{n}" for n in range(5)]


def test_duplicates_left_by_a_crash_are_removed_and_the_lowest_wins(
    models: Registry, client: MlflowClient, name: str, stored: StoredModel
) -> None:
    client.create_registered_model(name)
    for _ in range(3):
        client.create_model_version(name, stored.uri, stored.run_id, tags={RUN_KEY_TAG: "run"}, await_creation_for=0)

    assert ensure(models, name, stored) == "1"
    assert models.tag_values(name, RUN_KEY_TAG) == {"1": "run"}


def test_a_copy_made_by_a_person_is_left_alone(
    models: Registry, client: MlflowClient, name: str, stored: StoredModel
) -> None:
    ensure(models, name, stored)
    client.copy_model_version(f"models:/{name}/1", name)

    assert ensure(models, name, stored) == "1"
    assert set(models.tag_values(name, RUN_KEY_TAG)) == {"1", "2"}


def test_a_version_of_the_same_run_key_from_another_model_is_refused(
    models: Registry, client: MlflowClient, name: str, stored: StoredModel
) -> None:
    ensure(models, name, stored)
    other = store_model(client, "another model")

    with pytest.raises(IntegrityError, match=f"Version 1 of {name} carries run key run but was made from"):
        ensure(models, name, other)


def test_an_alias_set_by_many_at_once_lands(models: Registry, name: str, stored: StoredModel) -> None:
    version = ensure(models, name, stored)
    for n in range(5):
        at_once(*[lambda n=n: models.set_alias(name, f"alias-{n}", version)] * 4)

    assert models.aliases(name) == {f"alias-{n}": version for n in range(5)}


# --- sources and files ----------------------------------------------------------------------


@pytest.fixture
def logged_model(client: MlflowClient, stored: StoredModel, tmp_path: Path) -> str:
    """URI of a model as ``log_model`` keeps it: an entity of its own, ``models:/m-…``."""
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    experiment_id = client.get_run(stored.run_id).info.experiment_id
    model = client.create_logged_model(experiment_id, name="model", source_run_id=stored.run_id)
    client.log_model_artifacts(model.model_id, str(tmp_path))
    client.finalize_logged_model(model.model_id, "READY")
    return model.model_uri


def test_a_logged_model_is_registered_and_downloaded(
    models: Registry, name: str, stored: StoredModel, logged_model: str, tmp_path: Path
) -> None:
    version = ensure(models, name, StoredModel(stored.run_id, logged_model, ()))

    for uri in (logged_model, f"models:/{name}/{version}"):
        folder = models.download(uri, tmp_path / uri.replace("/", "_"))
        assert [path.name for path in folder.iterdir()] == ["MLmodel"]


def test_downloaded_files_are_those_that_were_stored(
    models: Registry, name: str, stored: StoredModel, tmp_path: Path
) -> None:
    version = ensure(models, name, stored)
    folder = models.download(f"models:/{name}/{version}", tmp_path)

    assert {path.name: file_sha256(path) for path in folder.iterdir()} == {f.name: f.sha256 for f in stored.files}


@pytest.mark.parametrize("uri", ["runs:/0123/model", "models:/nobody/1", "models:/m-" + "0" * 32])
def test_files_that_do_not_exist_are_missing(models: Registry, uri: str, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="are gone from MLflow"):
        models.download(uri, tmp_path)


def test_a_source_outside_the_run_is_refused(models: Registry, name: str, stored: StoredModel) -> None:
    with pytest.raises(BadInput, match="Invalid model version source"):
        ensure(models, name, StoredModel(stored.run_id, "/etc", ()))
    assert models.tag_values(name, RUN_KEY_TAG) == {}


def test_what_is_not_there_reads_as_absent(models: Registry, name: str, stored: StoredModel) -> None:
    assert models.aliases(name) == {}
    assert models.tags(name, "1") is None

    version = ensure(models, name, stored)

    assert models.get_alias(name, "champion") is None
    assert models.version_exists(name, version)
    assert not models.version_exists(name, "2")
    models.delete_alias(name, "champion")
    with pytest.raises(BadInput, match="not found"):
        models.set_alias(name, "champion", "2")


def test_long_tags_are_cut(models: Registry, name: str, stored: StoredModel) -> None:
    version = ensure(models, name, stored)
    models.set_tags(name, version, {"perennial.sentence": "x" * 200_000})
    assert models.tags(name, version)["perennial.sentence"] == "x" * 5000
