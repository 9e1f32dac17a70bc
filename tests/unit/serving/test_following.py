"""The server follows the ledger: promotions, roll-backs, freezes; and what it does when a store is down or lies."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from include.perennial.contracts import ModelFile
from include.perennial.errors import IntegrityError, Unavailable
from include.perennial.models.model_cache import ModelCache
from include.perennial.settings import Settings
from include.perennial.steps.champion import ChampionStores, freeze, promote, rollback, unfreeze
from include.perennial.stores.ledger import EventKind, Ledger, Registered
from tests.closed_loop import Loop
from tests.model_server import ModelServer, model_server, rows_of, until
from tests.servers import free_port
from tests.training_runs import toy_frame
from tests.unit.serving.challenging import challenge


@pytest.fixture
def server(loop: Loop) -> Iterator[ModelServer]:
    with model_server(loop.settings) as running:
        until(running.champion, "there is a champion")
        yield running


def roll_back(loop: Loop, version: str) -> None:
    stores = ChampionStores.open(loop.settings)
    rollback(loop.pipeline, stores, version=version, reason=f"to {version}", actor="tests", dry_run=False)


def without_copies(loop: Loop) -> None:
    shutil.rmtree(loop.settings.home / "cache" / "models")


def mlflow_is_down(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return replace(loop.settings, tracking_uri=f"http://127.0.0.1:{free_port()}")


def test_a_training_run_that_promotes_is_followed(loop: Loop) -> None:
    with model_server(loop.settings) as server:
        until(lambda: server.champion() == "3", "version 3 serves")
        promotion = loop.train(6, "forest", force=True, reason="newer")

        until(lambda: server.champion() == promotion.champion_version == "4", "version 4 serves")

        assert set(server.versions(toy_frame(6).head(2))) == {"4"}
        assert server.metric("perennial_serve_model", pipeline="toy", role="champion", version="4") == 1
        assert server.metric("perennial_serve_model", pipeline="toy", role="champion", version="3") == 0


def test_an_altered_model_never_serves_and_the_one_before_goes_on(server: ModelServer, loop: Loop) -> None:
    without_copies(loop)
    with pytest.raises(IntegrityError):
        altered(loop, "2")
    crown(loop, "2")

    until(server.problems, "the problem is said")

    [problem] = server.problems()
    assert problem.startswith("Version 2, champion by the ledger, is not loaded: Model files in ")
    assert server.champion() == "3"
    assert set(server.versions(toy_frame(6).head(2))) == {"3"}
    assert server.metric("perennial_serve_problems", pipeline="toy") == 1


def altered(loop: Loop, version: str) -> None:
    """Change a stored model, and prove that it is not loaded by anybody."""
    path = loop.artifact(version)
    path.write_bytes(path.read_bytes() + b"x")
    [event] = [e for e in loop.ledger.events("toy", [EventKind.REGISTERED]) if e.payload["version"] == version]
    loop.cache.load(Registered.model_validate(event.payload).model)


def crown(loop: Loop, version: str) -> None:
    """Crown an earlier champion in the ledger, without the checks of a roll-back."""
    [event] = [e for e in loop.ledger.events("toy", [EventKind.REGISTERED]) if e.payload["version"] == version]
    given, champion = Registered.model_validate(event.payload).registration, loop.ledger.champion("toy")
    how = {"reason": "r", "actor": "tests", "key": f"crown-{version}-{champion.seq}", "evidence": {}}
    loop.ledger.promote(given, "digest", champion.seq, kind=EventKind.ROLLED_BACK, **how)


def test_an_altered_model_does_not_start(loop: Loop) -> None:
    without_copies(loop)
    with pytest.raises(IntegrityError):
        altered(loop, "3")

    with model_server(loop.settings) as server:
        until(server.problems, "the problem is said")

        assert server.champion() is None
        assert server.get("/ready").status_code == 503
        assert server.post({"rows": rows_of(toy_frame(6).head(1))}).status_code == 503


def test_without_mlflow_it_starts_from_this_machines_copy(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    with model_server(mlflow_is_down(loop, monkeypatch)) as server:
        until(lambda: server.champion() == "3", "version 3 serves")

        assert set(server.versions(toy_frame(6).head(2))) == {"3"}


def test_a_champion_that_mlflow_does_not_hand_out_serves_once_it_does(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, is_down = loop.settings, threading.Event()
    is_down.set()
    fetch = loop.tracking.download

    def download(model: ModelFile, target: Path) -> Path:
        if is_down.is_set():
            raise Unavailable("MLflow does not answer.")
        return fetch(model, target)

    with model_server(settings) as server:
        until(lambda: server.champion() == "3", "version 3 serves")
        follower = server.parts.services["toy"].follower
        monkeypatch.setattr(follower, "_models", ModelCache(loop.settings.home / "empty", download))
        monkeypatch.setattr("include.perennial.serving.follower._RETRY_S", 0.05)
        crown(loop, "1")
        until(server.problems, "the problem is said")
        assert server.champion() == "3"

        is_down.clear()

        until(lambda: server.champion() == "1", "version 1 serves")
        assert server.problems() == []


def test_without_the_ledger_it_goes_on_and_says_so(server: ModelServer, loop: Loop) -> None:
    ledger, away = loop.settings.home / "ledger.db", loop.settings.home / "away.db"
    for path in loop.settings.home.glob("ledger.db*"):
        path.rename(path.with_name(path.name.replace("ledger", "away")))
    ledger.mkdir()  # no database can be made there meanwhile

    until(server.problems, "the problem is said")
    [problem] = server.problems()
    assert problem.startswith("The ledger is not followed: The ledger at sqlite:///")
    assert set(server.versions(toy_frame(6).head(2))) == {"3"}
    assert server.get("/ready").status_code == 200

    ledger.rmdir()
    for path in loop.settings.home.glob("away.db*"):
        path.rename(path.with_name(path.name.replace("away", "ledger")))
    roll_back(loop, "2")
    until(lambda: server.champion() == "2", "version 2 serves")
    assert server.problems() == []
    assert not away.exists()


def test_a_ledger_that_was_edited_crowns_nobody(server: ModelServer, loop: Loop) -> None:
    loop.sql(
        "ledger.db",
        "DROP TRIGGER events_no_update",
        'UPDATE events SET payload = replace(payload, \'"version":"3"\', \'"version":"1"\') WHERE kind = \'promoted\'',
    )
    loop.ledger.append("toy", EventKind.UNFROZEN, "now", {"reason": "so that there is something new"}, "tests")

    until(server.problems, "the problem is said")

    assert "was edited after it was written" in server.problems()[0]
    assert server.champion() == "3"


def test_before_the_first_champion_it_is_not_ready_and_then_it_is(loop: Loop, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'empty' / 'ledger.db'}"
    with model_server(replace(loop.settings, ledger_url=url)) as server:
        until(lambda: server.get("/v1/models").json()["toy"]["ledger_read_utc"], "the ledger was read")
        asked = server.get("/ready")
        assert (asked.status_code, asked.json()) == (503, {"ready": False, "pipelines": {"toy": "no champion"}})
        refused = server.post({"rows": rows_of(toy_frame(6).head(1))})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert "There is no champion" in refused.json()["error"]
        assert server.get("/health").status_code == 200

        [*_, event] = loop.ledger.events("toy", [EventKind.REGISTERED])
        given = Registered.model_validate(event.payload).registration
        Ledger.open(url).promote(given, "digest", None, reason="", actor="tests", key="first", evidence={})

        until(lambda: server.get("/ready").status_code == 200, "it is ready")
        assert server.get("/ready").json() == {"ready": True, "pipelines": {"toy": "version 3"}}


def test_a_challenger_answers_its_share_until_it_is_crowned_or_frozen_out(loop: Loop) -> None:
    challenge(loop)
    frame = toy_frame(6).head(200)
    with model_server(loop.settings, canary_pct=30) as server:
        until(lambda: server.get("/v1/models").json()["toy"]["challenger"], "there is a challenger")
        assert set(server.versions(frame)) == {"3", "4"}

        freeze("toy", loop.ledger, reason="incident", actor="tests", dry_run=False)
        until(lambda: server.get("/v1/models").json()["toy"]["frozen"], "the freeze is seen")
        assert set(server.versions(frame)) == {"3"}

        unfreeze("toy", loop.ledger, reason="over", actor="tests", dry_run=False)
        until(lambda: set(server.versions(frame)) == {"3", "4"}, "the challenger is back")

        crown_challenger(loop)
        until(lambda: server.champion() == "4", "the challenger was crowned")
        assert set(server.versions(frame)) == {"4"}

        crown(loop, "3")
        until(lambda: server.champion() == "3", "it was rolled back")
        assert set(server.versions(frame)) == {"3"}


def crown_challenger(loop: Loop) -> None:
    [event] = [e for e in loop.ledger.events("toy", [EventKind.REGISTERED]) if e.payload["version"] == "4"]
    given, champion = Registered.model_validate(event.payload).registration, loop.ledger.champion("toy")
    loop.ledger.promote(given, "d", champion.seq, reason="", actor="tests", key="crown-4", evidence={})


def test_a_canary_is_promoted_by_the_step_that_promotes_anything(loop: Loop) -> None:
    freeze("toy", loop.ledger, reason="wait", actor="tests", dry_run=False)
    assert loop.train(6, "forest", force=True, reason="newer").status == "frozen"
    unfreeze("toy", loop.ledger, reason="over", actor="tests", dry_run=False)
    frame = toy_frame(5).head(100)
    with model_server(loop.settings, canary_pct=50) as server:
        until(server.champion, "there is a champion")
        until(lambda: set(server.versions(frame)) == {"3", "4"}, "version 4 is the canary")

        stores = ChampionStores.open(loop.settings)
        promote(loop.pipeline, stores, version="4", reason="it did well", actor="tests", dry_run=False)

        until(lambda: set(server.versions(frame)) == {"4"}, "version 4 is champion")
        roll_back(loop, "3")
        until(lambda: set(server.versions(frame)) == {"3"}, "version 3 is champion again")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended_is_seen(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert server.get("/health").status_code == 200

    def fails() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(server.parts.services["toy"].follower, "look", fails)

    until(lambda: server.get("/health").status_code == 500, "the supervisor is told")
    assert set(server.versions(toy_frame(6).head(2))) == {"3"}
