"""Ledgers of older and newer versions: what opening them does, and that no recorded event changes."""

import json
import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from include.perennial import cli
from include.perennial.errors import BadInput, IntegrityError
from include.perennial.settings import PROJECT_ROOT
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.ledger.database import Database
from include.perennial.stores.ledger.schema import CURRENT, METADATA, VERSION_TABLE
from include.perennial.stores.ledger.upgrade import Upgraded
from tests.unit.stores.ledger.migrations import NEXT, first_version, next_version, open_and_append
from tests.unit.stores.ledger.writers import P, note

N_FIRST = 5
CHANGES_A_ROW = """
sqlite = op.get_bind().dialect.name == "sqlite"
op.execute("DROP TRIGGER events_no_update" if sqlite else "DROP TRIGGER events_no_change ON events")
op.execute("UPDATE events SET actor = 'nobody' WHERE seq = 2")
"""


def look(url: str) -> tuple[list[tuple], list[str]]:
    """Everything in the database: rows of the events, and the names of tables, indexes and triggers."""
    names = {
        "sqlite": "SELECT name FROM sqlite_master",
        "postgresql": "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " UNION SELECT tgname FROM pg_trigger",
    }
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM events ORDER BY pipeline, seq").all()
        found = connection.exec_driver_sql(names[connection.dialect.name]).scalars()
        return [tuple(row) for row in rows], sorted(found)


def is_sqlite(url: str) -> bool:
    return url.startswith("sqlite")


def test_a_ledger_of_the_first_version_opens_whole_and_goes_on(url: str) -> None:
    before, _ = look(first_version(url))

    ledger = Ledger.open(url)

    assert look(url)[0] == before
    assert len(before) == N_FIRST
    assert ledger.verify() == []
    assert ledger.champion(P).version == "1"
    assert ledger.is_frozen(P)
    assert note(ledger, "after").seq == 5
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), sa.create_engine(url).begin() as connection:
        connection.exec_driver_sql("DELETE FROM events")


def test_the_migrations_make_what_the_code_reads_and_writes(url: str) -> None:
    Ledger.open(url)

    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, METADATA) == []
    folder = str(CURRENT.folder)
    assert ScriptDirectory(folder, version_locations=[folder]).get_current_head() == CURRENT.newest


def test_opening_sends_one_query_and_does_not_import_alembic(url: str) -> None:
    Ledger.open(url)
    asked = """
import json, sys
import sqlalchemy as sa
from include.perennial.stores.ledger import Ledger
sent = []
sa.event.listen(sa.Engine, "before_cursor_execute", lambda c, cursor, statement, *rest: sent.append(statement))
Ledger.open(sys.argv[1])
print(json.dumps([sent, [name for name in sys.modules if name.startswith("alembic")]]))
"""
    done = subprocess.run([sys.executable, "-c", asked, url], cwd=PROJECT_ROOT, capture_output=True, check=True)

    sent, alembic = json.loads(done.stdout)
    assert [statement for statement in sent if statement.startswith("SELECT") and "ledger" in statement] == sent[-1:]
    assert alembic == []


def test_an_older_ledger_is_upgraded_in_a_file_and_by_command_on_a_server(url: str, tmp_path: Path) -> None:
    rows, names = look(first_version(url))
    later = next_version(tmp_path)

    if is_sqlite(url):
        Database.open(url, later)
    else:
        with pytest.raises(BadInput, match="run `perennial ledger upgrade` once"):
            Database.open(url, later)
        assert look(url) == (rows, names)
        assert Database.upgrade(url, later) == Upgraded("0001", NEXT, N_FIRST)

    assert look(url)[0] == rows
    assert set(look(url)[1]) > {*names, "events_by_kind", VERSION_TABLE}
    assert Ledger(Database.open(url, later)).verify() == []


def test_a_newer_ledger_is_refused_and_stays_as_it_is(url: str, tmp_path: Path) -> None:
    later = next_version(tmp_path)
    Database.upgrade(first_version(url), later)
    before = look(url)

    for opened in (Ledger.open, Ledger.upgrade):
        with pytest.raises(BadInput, match=f"schema '{NEXT}', this code knows 0001 to {CURRENT.newest}: a newer"):
            opened(url)

    assert look(url) == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        pytest.param("op.execute('CREATE TABLE events (x integer)')", "could not be brought", id="fails half way"),
        pytest.param(CHANGES_A_ROW, "changed what is recorded, and was undone", id="changes a recorded event"),
    ],
)
def test_an_upgrade_that_fails_changes_nothing(url: str, tmp_path: Path, more: str, message: str) -> None:
    Ledger.open(first_version(url))
    before = look(url)

    with pytest.raises(IntegrityError, match=message):
        Database.upgrade(url, next_version(tmp_path, more))

    assert look(url) == before
    assert note(Ledger.open(url), "after").seq == 5


def test_processes_that_upgrade_at_once_all_succeed_and_one_that_is_killed_leaves_no_trace(
    url: str, tmp_path: Path
) -> None:
    before = look(first_version(url))
    spawn = multiprocessing.get_context("spawn")
    (tmp_path / "killed").mkdir()
    killing = next_version(tmp_path / "killed", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    killed = spawn.Process(target=open_and_append, args=(url, "killed", killing, True))
    killed.start()
    killed.join()
    assert (killed.exitcode, look(url)) == (-9, before)

    later = next_version(tmp_path)
    writers = [spawn.Process(target=open_and_append, args=(url, str(n), later, not is_sqlite(url))) for n in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    ledger = Ledger(Database.open(url, later))
    assert [writer.exitcode for writer in writers] == [0] * 2
    assert [event.seq for event in ledger.events(P)] == list(range(1, 4 + 10 + 1))
    assert ledger.verify() == []


def test_going_back_is_refused(url: str, tmp_path: Path) -> None:
    folder = str(next_version(tmp_path).folder)
    script = ScriptDirectory(folder, version_locations=[folder])
    Database.upgrade(first_version(url), next_version(tmp_path))
    before = look(url)

    back = lambda revision, _: script._downgrade_revs("0001", revision)  # noqa: E731
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        with EnvironmentContext(Config(), script, fn=back) as environment:
            environment.configure(connection=connection, version_table=VERSION_TABLE)
            with pytest.raises(BadInput, match="never downgraded"):
                environment.run_migrations()
        connection.rollback()

    assert look(url) == before


def test_the_command_makes_upgrades_and_finds_done(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERENNIAL_LEDGER", url)
    assert cli.main(["ledger", "upgrade"]) == 0
    assert capsys.readouterr().out == f"The ledger was made, with schema {CURRENT.newest}.\n"
    note(Ledger.open(url), "a")

    assert cli.main(["ledger", "upgrade", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == {"before": CURRENT.newest, "after": CURRENT.newest, "events": 1}
