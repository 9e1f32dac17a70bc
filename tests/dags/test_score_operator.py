"""The operator of the score DAG: what it scores, what it announces, and when it is skipped."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.config import PROJECT, environment, open_stack
from include.perennial.contracts import Registration
from include.perennial.models import estimators
from include.perennial.models.frames import Labelled
from include.perennial.models.model_cache import ModelCache
from include.perennial.settings import Settings
from include.perennial.stores.ledger import Ledger
from tests.model_shelf import Shelf
from tests.training_runs import FIRST, make_toy, publish_weeks, toy_frame

pytestmark = pytest.mark.long

# In a process of its own: Airflow reads its configuration when it is imported.
EXECUTE = """
import json, sys
from types import SimpleNamespace
from unittest.mock import Mock
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.context import OutletEventAccessors
from perennial_airflow.operators.score import ScoreOperator

predictions = Asset("toy_predictions")
operator = ScoreOperator(task_id="score", pipeline="toy", outlets=[predictions])
said = {}
for run in json.loads(sys.argv[1]):
    events = OutletEventAccessors()
    dag_run = SimpleNamespace(run_id="run-1", partition_key=run["partition_key"], conf={})
    context = {"dag_run": dag_run, "params": run["params"], "ti": Mock(), "outlet_events": events}
    try:
        scored = operator.execute(context)
        said[run["name"]] = [scored["verdict"], scored["key"], sorted(events[predictions].partition_keys)]
    except AirflowSkipException as skip:
        said[run["name"]] = ["skipped", str(skip), sorted(events[predictions].partition_keys)]
print("RESULT" + json.dumps(said))
"""
WEEK = [FIRST.shift(n).key for n in range(4)]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """What came of runs over three published weeks, the champion having seen the first."""
    root = tmp_path_factory.mktemp("score")
    home = root / "home"
    pipeline = make_toy(root)
    publish_weeks(root, pipeline, 3)
    _crown(root, home)
    by_hand = {"partition": WEEK[2], "champion_as_of": None}
    long_ago = {"partition": WEEK[2], "champion_as_of": "2013-01-01T00:00:00+00:00"}
    runs = [
        {"name": "own key", "partition_key": WEEK[1], "params": {}},
        {"name": "by hand", "partition_key": None, "params": by_hand},
        {"name": "seen", "partition_key": WEEK[0], "params": {}},
        {"name": "long ago", "partition_key": None, "params": long_ago},
    ]
    env = environment(open_stack(root / "stack")) | {
        "PERENNIAL_HOME": str(home),
        "PERENNIAL_PIPELINES": str(root / "pipelines"),
        "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}",
    }
    command = [sys.executable, "-c", EXECUTE, json.dumps(runs)]
    done = subprocess.run(command, env=env, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
    assert line is not None, done.stderr[-3000:]
    return dict(json.loads(line.removeprefix("RESULT")))


def _crown(root: Path, home: Path) -> None:
    """A champion that is kept on this machine; the stack's MLflow does not run."""
    pipeline = make_toy(root)
    settings = Settings.from_env({"PERENNIAL_HOME": str(home)})
    frame = toy_frame(0)
    model = estimators.build(pipeline, "logistic", {}, seed=7)
    estimators.fit(model, Labelled(frame, frame.pop("label").to_numpy()), "logistic")
    shelf = Shelf(root / "shelf")
    stored = shelf.put("a", model, pipeline)
    ModelCache.open(settings, shelf.download).keep(stored)
    registration = Registration(pipeline="toy", run_key="run", version="1", model=stored, cutoff=WEEK[0])
    ledger = Ledger.open(settings.ledger_url)
    ledger.promote(registration, "digest", None, reason="", actor="test", key="1", evidence={})


def test_a_run_scores_its_own_partition_and_announces_it(said: dict[str, list]) -> None:
    assert said["own key"] == ["scored", WEEK[1], [WEEK[1]]]


def test_a_run_by_hand_scores_and_announces_the_partition_of_its_form(said: dict[str, list]) -> None:
    assert said["by hand"] == ["scored", WEEK[2], [WEEK[2]]]


@pytest.mark.parametrize("run", ["seen", "long ago"])
def test_without_a_champion_the_run_is_skipped_and_says_so(run: str, said: dict[str, list]) -> None:
    verdict, sentence, announced = said[run]

    assert (verdict, announced) == ("skipped", [])
    assert "had no champion in its time" in sentence
