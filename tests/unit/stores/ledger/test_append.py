"""Appending events, and addresses a ledger can or cannot have."""

import sqlite3
from pathlib import Path

import pytest

from include.perennial.errors import BadInput, IntegrityError, Unavailable
from include.perennial.stores.ledger import EventKind, Ledger, database
from tests.unit.stores.ledger.writers import P, note


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
