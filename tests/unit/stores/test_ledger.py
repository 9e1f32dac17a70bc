"""The ledger, on SQLite and on PostgreSQL: what holds for one holds for the other."""

import multiprocessing
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.perennial.contracts import Registration
from include.perennial.errors import BadInput, IntegrityError, Unavailable
from include.perennial.stores.ledger import Anchor, ChampionChanged, Event, EventKind, Ledger, PipelineFrozen, database
from tests.promotions import registration
from tests.servers import postgres_server
from tests.unit.stores.ledger_writers import append_many

P = "flights"
DROP_TRIGGERS = {
    "sqlite": ["DROP TRIGGER events_no_update", "DROP TRIGGER events_no_delete", "DROP TRIGGER events_no_replace"],
    "postgresql": ["DROP TRIGGER events_no_change ON events"],
}


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'ledger.db'}"
    postgres = request.getfixturevalue("postgres")
    with sa.create_engine(postgres).begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS events")
    return str(postgres)


@pytest.fixture
def ledger(url: str) -> Ledger:
    return Ledger.open(url)


def note(ledger: Ledger, key: str, pipeline: str = P) -> Event:
    return ledger.append(pipeline, EventKind.JUDGED, key, {"key": key}, "tester")


def crown(ledger: Ledger, given: Registration, expected_seq: int | None, key: str = "") -> Event:
    key = key or f"{given.run_key}/{expected_seq}"
    return ledger.promote(given, "digest", expected_seq, reason="", actor="tester", key=key, evidence={})


def sql(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


# --- appending ------------------------------------------------------------------------------


def test_events_are_numbered_per_pipeline_and_found_again(ledger: Ledger) -> None:
    first, other, second = note(ledger, "a"), note(ledger, "a", "taxis"), note(ledger, "b")

    assert (first.seq, other.seq, second.seq) == (1, 1, 2)
    assert second.prev_hash == first.hash
    assert ledger.find(P, EventKind.JUDGED, "b") == second
    assert ledger.find(P, EventKind.REGISTERED, "b") is None
    assert ledger.events(P) == [first, second]
    assert ledger.events(P, after_seq=1) == [second]
    assert ledger.events(P, [EventKind.REGISTERED]) == []
    assert ledger.pipelines() == [P, "taxis"]
    assert ledger.verify() == []


def test_the_same_kind_and_key_is_recorded_once(ledger: Ledger) -> None:
    first = ledger.append(P, EventKind.JUDGED, "a", {"n": 1}, "tester")
    again = ledger.append(P, EventKind.JUDGED, "a", {"n": 2}, "somebody else")

    assert again == first
    assert again.payload == {"n": 1}


@pytest.mark.parametrize(
    ("key", "payload", "message"),
    [
        pytest.param("", {}, "key '' is invalid", id="empty key"),
        pytest.param("a\x00b", {}, "printable", id="NUL in the key"),
        pytest.param("a" * 257, {}, "1 to 256", id="long key"),
        pytest.param("a", {"x": float("nan")}, "not JSON", id="NaN"),
        pytest.param("a", {"x": {1, 2}}, "not JSON", id="a set"),
        pytest.param("a", {"x": "\ud800"}, "not JSON", id="half a surrogate pair"),
    ],
)
def test_what_cannot_be_kept_is_refused(ledger: Ledger, key: str, payload: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        ledger.append(P, EventKind.JUDGED, key, payload, "tester")
    assert ledger.events(P) == []


def test_any_text_survives(ledger: Ledger) -> None:
    payload = {"text": "Zürich ✈ \x00 \u2028 '); DROP TABLE events; --", "number": 0.1, "none": None}
    ledger.append(P, EventKind.JUDGED, "ключ", payload, "Jürgen")

    assert ledger.events(P)[0].payload == payload
    assert ledger.verify() == []


# --- tampering ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE events SET actor = 'nobody' WHERE seq = 2", id="update"),
        pytest.param("DELETE FROM events WHERE seq = 2", id="delete"),
        pytest.param(
            "INSERT INTO events SELECT pipeline, 2, 'judged', 'x', at_utc, actor, payload, prev_hash, hash"
            " FROM events WHERE seq = 1",
            id="a second row of the same seq",
        ),
    ],
)
def test_rows_cannot_be_changed(ledger: Ledger, url: str, statement: str) -> None:
    for key in "abc":
        note(ledger, key)
    before = ledger.events(P)

    with pytest.raises(sa.exc.DBAPIError, match=r"append-only|unique"):
        sql(url, statement)

    assert ledger.events(P) == before


def test_a_row_cannot_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger.open(f"sqlite:///{path}")
    note(ledger, "a")

    # The built-in conflict handling of SQLite deletes without firing delete triggers.
    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute("INSERT OR REPLACE INTO events SELECT * FROM events")

    assert ledger.verify() == []


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        pytest.param("UPDATE events SET payload = '{}' WHERE seq = 2", "flights seq 2: edited", id="payload"),
        pytest.param("UPDATE events SET at_utc = '2013' WHERE seq = 3", "flights seq 3: edited", id="time"),
        pytest.param("UPDATE events SET kind = 'frozen' WHERE key = 'b'", "flights seq 2: edited", id="kind"),
        pytest.param("UPDATE events SET payload = 'x' WHERE seq = 2", "flights seq 2: edited", id="not JSON"),
        pytest.param("DELETE FROM events WHERE seq = 2", "flights seq 3: expected seq 2", id="removed row"),
        pytest.param(
            "DELETE FROM events WHERE seq < 3 AND pipeline = 'flights'", "flights seq 3: expected seq 1", id="beginning"
        ),
        pytest.param("UPDATE events SET seq = 9 WHERE seq = 3", "flights seq 9: expected seq 3", id="renumbered"),
        pytest.param(
            "UPDATE events SET hash = prev_hash, prev_hash = hash WHERE seq = 2",
            "flights seq 3: does not",
            id="rehashed",
        ),
    ],
)
def test_tampering_without_the_triggers_is_found(ledger: Ledger, url: str, statement: str, problem: str) -> None:
    for key in "abc":
        note(ledger, key)
    note(ledger, "a", "taxis")

    sql(url, *DROP_TRIGGERS[sa.make_url(url).get_backend_name()], statement)

    found = ledger.verify()
    assert any(text.startswith(problem) for text in found), found
    assert ledger.verify("taxis") == []


def test_a_truncated_ledger_is_whole_but_for_its_anchor(ledger: Ledger, url: str) -> None:
    for key in "abc":
        note(ledger, key)
    anchor = Anchor.parse(str(ledger.head(P)))
    assert ledger.verify(anchors=[anchor]) == []

    sql(url, *DROP_TRIGGERS[sa.make_url(url).get_backend_name()], "DELETE FROM events WHERE seq = 3")

    assert ledger.verify() == []
    assert "flights seq 3: missing" in ledger.verify(anchors=[anchor])[0]
    note(ledger, "d")
    assert "flights seq 3: has hash" in ledger.verify(anchors=[anchor])[0]


@pytest.mark.parametrize("text", ["", "flights", "flights:x:" + "0" * 64, "flights:1:abc", "a:1:" + "0" * 64 + ":b"])
def test_a_malformed_anchor_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="pipeline:seq:sha256"):
        Anchor.parse(text)


def test_nothing_rests_on_an_edited_champion(ledger: Ledger, url: str) -> None:
    crown(ledger, registration(P), None)

    forged = "UPDATE events SET payload = replace(payload, 'run-1', 'run-9')"
    sql(url, *DROP_TRIGGERS[sa.make_url(url).get_backend_name()], forged)

    with pytest.raises(IntegrityError, match="event 1 of flights was edited"):
        ledger.champion(P)


# --- champions ------------------------------------------------------------------------------


def test_the_last_crowned_is_champion(ledger: Ledger) -> None:
    assert ledger.champion(P) is None

    first = crown(ledger, registration(P, "1"), None)
    note(ledger, "between")
    second = crown(ledger, registration(P, "2"), first.seq)

    champion = ledger.champion(P)
    assert champion is not None
    assert (champion.version, champion.seq, champion.since_utc) == ("2", second.seq, second.at_utc)


@pytest.mark.parametrize("expected", [None, 1, 99], ids=["nobody", "an earlier one", "one that never was"])
def test_a_promotion_against_another_champion_is_refused(ledger: Ledger, expected: int | None) -> None:
    crown(ledger, registration(P, "1"), None)
    crown(ledger, registration(P, "2"), 1)

    with pytest.raises(ChampionChanged, match="version 2") as refusal:
        crown(ledger, registration(P, "3"), expected)

    assert refusal.value.current == ledger.champion(P)
    assert len(ledger.events(P)) == 2


def test_a_repeated_promotion_is_recorded_once(ledger: Ledger) -> None:
    first = crown(ledger, registration(P), None)

    assert crown(ledger, registration(P), None) == first
    assert ledger.head(P).seq == 1


def test_a_frozen_pipeline_keeps_its_champion(ledger: Ledger) -> None:
    champion = crown(ledger, registration(P, "1"), None)
    ledger.append(P, EventKind.FROZEN, "1", {}, "tester")
    assert ledger.is_frozen(P)

    with pytest.raises(PipelineFrozen, match="flights is frozen"):
        crown(ledger, registration(P, "2"), champion.seq)

    ledger.append(P, EventKind.UNFROZEN, "1", {}, "tester")
    assert not ledger.is_frozen(P)
    assert crown(ledger, registration(P, "2"), champion.seq).seq == 4


def test_a_rollback_crowns_an_earlier_version(ledger: Ledger) -> None:
    crown(ledger, registration(P, "1"), None)
    crown(ledger, registration(P, "2"), 1)

    how = {"reason": "worse in production", "actor": "tester", "key": "1/2", "evidence": {}}
    ledger.promote(registration(P, "1"), "digest", 2, **how, kind=EventKind.ROLLED_BACK)

    champion = ledger.champion(P)
    assert champion is not None
    assert (champion.version, champion.seq, champion.reason) == ("1", 3, "worse in production")


def test_only_crowning_kinds_crown(ledger: Ledger) -> None:
    with pytest.raises(BadInput, match="allowed promoted, rolled_back"):
        ledger.promote(registration(P), "d", None, reason="", actor="t", key="k", evidence={}, kind=EventKind.FROZEN)


# --- many at once ---------------------------------------------------------------------------


def together(*actions: Callable[[], object]) -> list[object]:
    """Results of ``actions``, run at the same moment; an exception is a result."""
    start, results = threading.Barrier(len(actions)), [None] * len(actions)

    def run(n: int, action: Callable[[], object]) -> None:
        start.wait()
        try:
            results[n] = action()
        except ChampionChanged as error:
            results[n] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_opening_at_once_creates_one_schema(url: str) -> None:
    opened = together(*[lambda: Ledger.open(url)] * 8)

    assert [note(ledger, str(n)).seq for n, ledger in enumerate(opened)] == list(range(1, 9))


def test_of_promotions_at_once_one_lands(ledger: Ledger) -> None:
    rivals = [registration(P, str(version)) for version in range(1, 9)]

    results = together(*[lambda rival=rival: crown(ledger, rival, None) for rival in rivals])

    assert sum(isinstance(result, Event) for result in results) == 1
    assert sum(isinstance(result, ChampionChanged) for result in results) == 7
    assert ledger.head(P).seq == 1


def test_one_key_from_many_threads_is_one_event(ledger: Ledger) -> None:
    results = together(*[lambda: note(ledger, "same")] * 8)

    assert results == [ledger.find(P, EventKind.JUDGED, "same")] * 8


def test_processes_append_at_once_and_none_is_lost(url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=append_many, args=(url, P, str(n))) for n in range(3)]

    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    ledger = Ledger.open(url)
    assert [writer.exitcode for writer in writers] == [0] * 3
    assert [event.seq for event in ledger.events(P)] == list(range(1, 61))
    assert len({event.key for event in ledger.events(P)}) == 60
    assert ledger.verify() == []


# --- addresses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "message"),
    [
        pytest.param("ledger.db", "not a database URL", id="a path"),
        pytest.param("sqlite://", "cannot live in", id="in memory"),
        pytest.param("mysql+pymysql://user:secret@host/db", r"user:\*\*\*@host", id="another database"),
        pytest.param("postgresql+pg8000://user:secret@host/db", "driver of the ledger", id="no driver"),
    ],
)
def test_an_impossible_address_is_explained_without_its_password(address: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as refusal:
        Ledger.open(address)
    assert "secret" not in str(refusal.value)


def test_a_database_that_is_away_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"user:\*\*\*@127.0.0.1:1/db does not answer"):
        Ledger.open("postgresql+psycopg2://user:secret@127.0.0.1:1/db")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("this is not a database, it is a text file" * 100)

    with pytest.raises(IntegrityError, match="not a database"):
        Ledger.open(f"sqlite:///{path}")


def test_a_locked_database_is_unavailable_and_then_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(database._CONNECT_ARGS["sqlite"], "timeout", 0.05)
    path = tmp_path / "ledger.db"
    ledger = Ledger.open(f"sqlite:///{path}")
    holder = sqlite3.connect(path, isolation_level=None)

    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        note(ledger, "a")
    assert ledger.events(P) == []
    holder.execute("COMMIT")
    holder.close()

    assert note(ledger, "a").seq == 1
