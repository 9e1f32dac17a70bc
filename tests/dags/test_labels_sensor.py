"""The sensor of the labels DAG: a scheduled run waits for labels, a person is told, and what has come is handed on."""

import json
import subprocess
import sys
from typing import Any

import pytest

from embedded.config import PROJECT, environment, open_stack
from tests.training_runs import FIRST
from tests.unit.steps.test_labels import Shop

# In a process of its own: Airflow reads its configuration when it is imported.
POKE = """
import json, sys
from types import SimpleNamespace
from unittest.mock import Mock
from airflow.sdk.exceptions import AirflowSkipException
from perennial_airflow.operators.labels import LabelsSensor

said = {}
for name, key, kind in json.loads(sys.argv[1]):
    dag_run = SimpleNamespace(run_id="run-1", partition_key=key, conf={}, run_type=SimpleNamespace(value=kind))
    try:
        found = LabelsSensor(task_id="labels", pipeline="toy").poke({"dag_run": dag_run, "params": {}, "ti": Mock()})
        said[name] = [bool(found), found.xcom_value]
    except AirflowSkipException as skip:
        said[name] = ["skipped", str(skip)]
print("RESULT" + json.dumps(said))
"""
WITHOUT, WITH = FIRST.shift(0).key, FIRST.shift(1).key


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What came of a look at two weeks, of which the second has labels."""
    root = tmp_path_factory.mktemp("labels")
    shop = Shop.below(root, weeks=2)
    for n in range(2):
        shop.ingest(n)
    shop.say(1)
    runs = [("waits", WITHOUT, "scheduled"), ("told", WITHOUT, "manual"), ("joined", WITH, "scheduled")]
    env = environment(open_stack(root / "stack")) | {
        "PERENNIAL_HOME": str(shop.settings.home),
        "PERENNIAL_PIPELINES": str(root / "pipelines"),
        "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}",
    }
    command = [sys.executable, "-c", POKE, json.dumps(runs)]
    done = subprocess.run(command, env=env, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
    assert line is not None, done.stderr[-3000:]
    return dict(json.loads(line.removeprefix("RESULT")))


def test_a_scheduled_run_looks_again(said: dict[str, list[Any]]) -> None:
    assert said["waits"] == [False, None]


def test_a_person_is_told_that_there_is_nothing(said: dict[str, list[Any]]) -> None:
    outcome, sentence = said["told"]

    assert outcome == "skipped"
    assert sentence.startswith(f"Labels of {WITHOUT}: ")
    assert "no file" in sentence


def test_labels_that_have_come_are_handed_on_with_the_rows(said: dict[str, list[Any]]) -> None:
    is_done, snapshot = said["joined"]

    assert is_done
    assert snapshot["key"] == WITH
    assert {file["name"] for file in snapshot["files"]} == {f"{WITH}.csv", f"_labels/{WITH}.csv"}
