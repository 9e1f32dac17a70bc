"""SQLite files that stand for connections on a machine that has none."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from embedded.config import environment, open_stack
from include.perennial.errors import DataError
from include.perennial.settings import Settings
from include.perennial.stand_ins import build, stand_ins, url
from tests.pipeline_folders import edited, write_folder
from tests.unit.test_run_plan import FILES, SQL

DATABASE = """\
import sqlite3

def build(path):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (at)")
    database.close()
"""


def settings(root: Path) -> Settings:
    return Settings.from_env({"PERENNIAL_HOME": str(root / "home"), "PERENNIAL_PIPELINES": str(root / "pipelines")})


def write(root: Path, database: str = DATABASE) -> None:
    write_folder(root / "pipelines", spec=edited(FILES, SQL), database=database)


def test_a_connection_that_nobody_has_set_is_a_file_made_by_the_folder(tmp_path: Path) -> None:
    write(tmp_path)
    [(name, (pipeline, file))] = stand_ins(settings(tmp_path), {}).items()
    build(pipeline, file)
    assert name == "AIRFLOW_CONN_SHOP"
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_a_connection_that_is_set_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path)
    assert stand_ins(settings(tmp_path), {"AIRFLOW_CONN_SHOP": "postgresql://db/shop"}) == {}


def test_a_folder_that_says_no_database_has_none(tmp_path: Path) -> None:
    write_folder(tmp_path / "pipelines", spec=edited(FILES, SQL))
    assert stand_ins(settings(tmp_path), {}) == {}


def test_another_database_py_is_another_file(tmp_path: Path) -> None:
    write(tmp_path)
    [(_, before)] = stand_ins(settings(tmp_path), {}).values()
    write(tmp_path, DATABASE + "# more\n")
    [(_, after)] = stand_ins(settings(tmp_path), {}).values()
    assert before != after


def test_what_fails_half_way_leaves_no_file(tmp_path: Path) -> None:
    failing = "from include.perennial.errors import DataError\n" + DATABASE + "    raise DataError('no data')\n"
    write(tmp_path, failing)
    [(pipeline, file)] = stand_ins(settings(tmp_path), {}).values()
    with pytest.raises(DataError, match="no data"):
        build(pipeline, file)
    assert list(file.parent.iterdir()) == []


def test_the_embedded_stack_names_the_file_and_keeps_a_connection_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    monkeypatch.setenv("PERENNIAL_PIPELINES", str(tmp_path / "pipelines"))
    stack = open_stack(tmp_path / "home")
    [(_, file)] = stand_ins(settings(tmp_path), {}).values()
    assert environment(stack)["AIRFLOW_CONN_SHOP"] == url(file)
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", "postgresql://db/shop")
    assert environment(stack)["AIRFLOW_CONN_SHOP"] == "postgresql://db/shop"
