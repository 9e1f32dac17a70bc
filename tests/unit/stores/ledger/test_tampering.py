"""Rows cannot be changed; where somebody did it all the same, it shows."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.perennial.errors import BadInput, IntegrityError
from include.perennial.stores.ledger import Anchor, Ledger
from tests.promotions import registration
from tests.unit.stores.ledger.writers import P, crown, note

DROP_TRIGGERS = {
    "sqlite": ["DROP TRIGGER events_no_update", "DROP TRIGGER events_no_delete", "DROP TRIGGER events_no_replace"],
    "postgresql": ["DROP TRIGGER events_no_change ON events"],
}


def sql(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


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
