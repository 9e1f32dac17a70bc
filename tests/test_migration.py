"""docs/migration.md: the script is one that Airflow accepts, and the folder that comes of it is ready to run."""

import csv
import re
import runpy
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from airflow.sdk import DAG

from embedded.config import PROJECT
from include.perennial import cli

PAGE = (PROJECT / "docs" / "migration.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w/.]+)`\n\n```\w+\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
FOLDER = "include/pipelines/churn/"


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's folder beside a database with the tutorial's customers."""
    runpy.run_path(str(PROJECT / "docs" / "tutorial_data.py"))["main"](str(tmp_path / "customers.csv"))
    with (tmp_path / "customers.csv").open(encoding="utf-8") as file, closing(sqlite3.connect(tmp_path / "w.db")) as db:
        names, *rows = csv.reader(file)
        db.execute(f"CREATE TABLE customers ({', '.join(names)})")
        places = ", ".join("?" for _ in names)
        # As a database that keeps timestamps compares them with the bounds of a week.
        db.executemany(
            f"INSERT INTO customers VALUES ({places})",
            [[None if value == "" else value.replace("T", " ").removesuffix("Z") for value in row] for row in rows],
        )
        db.commit()
    (tmp_path / "pipelines" / "churn").mkdir(parents=True)
    for name, text in FILES.items():
        if name.startswith(FOLDER):
            (tmp_path / "pipelines" / "churn" / name.removeprefix(FOLDER)).write_text(text)
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", f"sqlite:///{tmp_path / 'w.db'}")
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PERENNIAL_PIPELINES", str(tmp_path / "pipelines"))
    return tmp_path


def test_the_page_holds_the_script_and_the_whole_folder() -> None:
    assert sorted(FILES) == [
        *("dags/churn.py", "dags/churn_weekly.py"),
        *(FOLDER + name for name in ("expectations.py", "features.py", "pipeline.yaml")),
    ]


def test_the_script_is_one_that_airflow_accepts(tmp_path: Path) -> None:
    (tmp_path / "churn_weekly.py").write_text(FILES["dags/churn_weekly.py"])

    made = runpy.run_path(str(tmp_path / "churn_weekly.py"))["churn_weekly"]()

    assert isinstance(made, DAG)
    assert made.task_ids == ["extract", "train", "promote"]


def test_the_folder_is_ready_to_run(moved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(["check", "churn"])

    said = capsys.readouterr().out
    assert status == 0, said
    assert "churn is ready to run." in said


def test_the_dag_file_is_that_of_a_pipeline() -> None:
    assert compile(FILES["dags/churn.py"], "churn.py", "exec")
    assert 'build_dags("churn")' in FILES["dags/churn.py"]
