"""The champion DAG: its form, what it does, what it announces, and when it fails."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.config import PROJECT, environment, open_stack
from include.perennial.stores.ledger import EventKind
from tests.closed_loop import Loop, build

pytestmark = pytest.mark.long

# In a process of its own: Airflow reads its configuration when it is imported.
EXECUTE = """
import json, sys
from types import SimpleNamespace
from unittest.mock import Mock
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, ParamValidationError
from airflow.sdk.execution_time.context import OutletEventAccessors
from include.perennial.pipeline_folder import load_pipeline
from include.perennial.settings import Settings
from perennial_airflow.operators.champion import AnnounceOperator, ChampionOperator
from perennial_dags.champion import champion_dag

dag = champion_dag(load_pipeline("toy", Settings.from_env().pipelines).spec)
champion = Asset("toy_champion")
said = {}
for run in json.loads(sys.argv[1]):
    ti, events = Mock(), OutletEventAccessors()
    dag_run = SimpleNamespace(
        run_id=run["name"],
        partition_key=None,
        triggering_user_name="ada",
        run_type=SimpleNamespace(value="manual"),
        conf={},
    )
    try:
        form = {name: dag.params.get_param(name) for name in dag.params}
        params = {name: param.resolve(run["conf"].get(name, param.value)) for name, param in form.items()}
    except ParamValidationError as error:
        said[run["name"]] = {"refused": str(error)}
        continue
    context = {"dag_run": dag_run, "params": params, "ti": ti, "outlet_events": events}
    try:
        change = ChampionOperator(task_id="change", pipeline="toy").execute(context)
    except AirflowFailException as error:
        said[run["name"]] = {"failed": str(error)}
        continue
    try:
        AnnounceOperator(task_id="announce", change=change, outlets=[champion]).execute(context)
        announced = events[champion].extra
    except AirflowSkipException as skip:
        announced = str(skip)
    said[run["name"]] = {"change": change, "summary": ti.xcom_push.call_args.args, "announced": announced}
print("RESULT" + json.dumps(said))
"""
RUNS = [
    {"name": "no reason", "conf": {"action": "rollback"}},
    {"name": "empty reason", "conf": {"reason": ""}},
    {"name": "long reason", "conf": {"reason": "x" * 501}},
    {"name": "other action", "conf": {"reason": "r", "action": "destroy"}},
    {"name": "odd version", "conf": {"reason": "r", "version": "../1"}},
    {"name": "default", "conf": {"reason": "drill"}},
    {"name": "roll back", "conf": {"reason": "incident 7", "dry_run": False}},
    {"name": "no version", "conf": {"reason": "r", "action": "promote", "dry_run": False}},
    {"name": "freeze", "conf": {"reason": "audit", "action": "freeze", "dry_run": False}},
    {"name": "frozen", "conf": {"reason": "r", "action": "promote", "version": "3", "dry_run": False}},
    {"name": "unfreeze", "conf": {"reason": "over", "action": "unfreeze", "dry_run": False}},
    {"name": "promote", "conf": {"reason": "fixed", "action": "promote", "version": "3", "dry_run": False}},
]


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    return build(tmp_path_factory.mktemp("champion"))


@pytest.fixture(scope="module")
def said(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    root: Path = tmp_path_factory.mktemp("stack")
    env = environment(open_stack(root)) | {
        "PERENNIAL_HOME": str(loop.settings.home),
        "PERENNIAL_PIPELINES": str(loop.settings.pipelines),
        "MLFLOW_TRACKING_URI": loop.settings.tracking_uri,
        "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}:{PROJECT / 'dags'}",
    }
    command = [sys.executable, "-c", EXECUTE, json.dumps(RUNS)]
    done = subprocess.run(command, env=env, cwd=root, capture_output=True, text=True, timeout=200, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
    assert line is not None, done.stderr[-3000:]
    return dict(json.loads(line.removeprefix("RESULT")))


@pytest.mark.parametrize("run", ["no reason", "empty reason", "long reason", "other action", "odd version"])
def test_the_form_refuses_what_makes_no_sense(run: str, said: dict[str, dict]) -> None:
    assert "refused" in said[run]


def test_by_default_it_is_a_dry_run_that_announces_nothing(said: dict[str, dict]) -> None:
    done = said["default"]

    assert (done["change"]["dry_run"], done["change"]["champion_version"]) == (True, "3")
    assert done["summary"][0] == "summary"
    assert done["summary"][1].startswith("Dry run: this would roll back toy from version 3 to version 2")
    assert done["announced"] == "The champion did not change."


def test_a_roll_back_is_recorded_with_the_person_and_announced(loop: Loop, said: dict[str, dict]) -> None:
    assert said["roll back"]["change"]["champion_version"] == "2"
    assert said["roll back"]["announced"] == {"version": "2"}
    [event] = loop.ledger.events("toy", [EventKind.ROLLED_BACK])
    assert event.actor == "airflow:ada:roll back"


def test_a_promotion_needs_a_version(said: dict[str, dict]) -> None:
    assert said["no version"]["failed"].startswith("version: which registered version")


def test_a_frozen_champion_stays_until_it_is_unfrozen(loop: Loop, said: dict[str, dict]) -> None:
    assert said["freeze"]["announced"] == "The champion did not change."
    assert "frozen (airflow:ada:freeze: audit): unfreeze it first" in said["frozen"]["failed"]
    assert said["promote"]["change"]["champion_version"] == "3"
    assert loop.models.get_alias("toy", "champion") == "3"
    assert loop.ledger.verify() == []
