"""The train DAG with and without a person in it, and what its approval asks and records."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embedded.config import PROJECT, environment, open_stack
from tests.training_runs import make_toy

pytestmark = pytest.mark.long

# In a process of its own: Airflow reads its configuration when it is imported.
SHAPE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
bag = DagBag(sys.argv[1])
dag = bag.dags["flight_delays.train"]
approve = dag.task_dict.get("approve")
print("RESULT" + json.dumps({
    "errors": bag.import_errors,
    "upstream": {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks},
    "hours": dag.dagrun_timeout.total_seconds() / 3600,
    "late": [one.interval.total_seconds() / 3600 for one in dag.deadline or ()],
    "approve": approve and [approve.defaults, approve.response_timeout.total_seconds() / 3600, approve.template_fields],
    "serialized": bool(DagSerialization.to_dict(dag)),
}))
"""
UNASKED = {
    "plan": [],
    "fit": ["plan"],
    "judge": ["fit", "plan"],
    "register": ["judge", "plan"],
    "promote": ["judge", "plan", "register"],
}


def _said(base: Path, command: list[str], **variables: str) -> dict[str, Any]:
    env = environment(open_stack(base / "stack")) | {
        "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}:{PROJECT / 'dags'}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite://",
    }
    done = subprocess.run(
        [sys.executable, *command],
        env=env | variables,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
    assert line is not None, done.stderr[-3000:]
    return dict(json.loads(line.removeprefix("RESULT")))


def _shape(base: Path, section: str) -> dict[str, Any]:
    pipelines = base / "pipelines"
    shutil.copytree(PROJECT / "include" / "pipelines", pipelines)
    with (pipelines / "flight_delays" / "pipeline.yaml").open("a") as spec:
        spec.write(section)
    return _said(base, ["-c", SHAPE, str(PROJECT / "dags")], PERENNIAL_PIPELINES=str(pipelines))


def test_without_the_section_nobody_is_asked(tmp_path: Path) -> None:
    shape = _shape(tmp_path, "")

    assert shape["errors"] == {}
    assert shape["upstream"] == UNASKED
    assert (shape["approve"], shape["hours"]) == (None, 12)


def test_with_it_a_person_stands_between_register_and_promote(tmp_path: Path) -> None:
    alerts = "alerts:\n  webhook: {connection: chat}\n  late_after_hours: 3\n"
    shape = _shape(tmp_path, f"\napproval: required\n{alerts}")

    assert shape["errors"] == {}
    assert shape["serialized"]
    assert shape["upstream"] == UNASKED | {
        "approve": ["judge", "plan", "register"],
        "promote": ["approve", "judge", "plan", "register"],
    }
    assert shape["approve"] == [["Reject"], 72, ["plan", "decision", "registration"]]
    assert shape["hours"] == 12 + 72, "the run would end before the question"
    assert shape["late"] == [3 + 72]


def test_the_limit_and_the_default_are_those_of_the_spec(tmp_path: Path) -> None:
    shape = _shape(tmp_path, "\napproval: {time_limit_hours: 0.5, default: approve}\n")

    assert shape["approve"][:2] == [["Approve"], 0.5]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """Play a scene over ``toy`` and an empty ledger."""
    make_toy(tmp_path)
    home = {"PERENNIAL_HOME": str(tmp_path / "home"), "PERENNIAL_PIPELINES": str(tmp_path / "pipelines")}
    return lambda scene: _said(tmp_path, ["-m", "tests.dags.approval_scenes", scene], **home)


def test_the_question_shows_delivered_text_and_never_renders_it(play: Callable[[str], dict[str, Any]]) -> None:
    asked = play("asked")

    assert asked["subject"] == "Promote version 1 of toy?"
    assert "{{ 7 \\* 7 }} {% raw %} &lt;script&gt;alert(1)&lt;/script&gt;" in asked["body"]
    assert (asked["options"], asked["defaults"], asked["params"]) == (["Approve", "Reject"], ["Reject"], {})
    assert asked["waits_s"] == 7200


def test_only_who_airflow_knows_approves_and_a_form_names_nobody(play: Callable[[str], dict[str, Any]]) -> None:
    said = play("answered")

    assert said["rejected"] == {"kind": "declined", "by": "ada", "actor": "airflow:ada"}
    assert said["timed out"] == {"kind": "declined", "by": None, "actor": "airflow:nobody"}
    assert said["by nobody"] == {"kind": "declined", "by": None, "actor": "airflow:nobody"}
    assert said["asked again"]
    assert said["approved"] == {"kind": "approved", "by": "ada", "actor": "airflow:ada"}
    assert not said["asked after approval"]
    assert said["broken"] == []


def test_a_model_of_the_past_does_not_park(play: Callable[[str], dict[str, Any]]) -> None:
    assert play("past") == {"asked": False}
