"""What the DAG processor sees: every folder a DAG, a broken one its own import error, nothing heavy imported."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from embedded.config import PROJECT, TRAINING_POOL, environment, open_stack
from include.perennial.pipeline_folder import load_pipeline
from perennial_dags.common import training_pool

STEPS = ("ingest", "train", "score", "monitor", "champion")
PODS = PROJECT / "deploy" / "kubernetes" / "pods"
HEAVY = ("mlflow", "great_expectations", "evidently", "sklearn", "dvc", "pandas", "numpy", "pyarrow", "matplotlib")

# Parsing happens in a process of its own: what pytest has imported must not hide what a DAG file imports.
PARSE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DagRunInfo, TimeRestriction
from airflow.timetables import trigger
from pendulum import datetime
bag = DagBag(sys.argv[1])

def following(dag):
    # The partitions that the schedule takes after two of January 2024, as the scheduler reads the timetable.
    timetable = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    if not isinstance(timetable, trigger.CronPartitionTimetable):
        return None
    found = {}
    for key, run in (("2024-01-29", datetime(2024, 2, 5, 4)), ("2024-01-15", datetime(2024, 1, 22, 4))):
        last = DagRunInfo(run_after=run, partition_date=run, partition_key=key, data_interval=None)
        info = timetable.next_dagrun_info_v2(last_dagrun_info=last, restriction=TimeRestriction(None, None, True))
        found[key] = info and info.partition_key
    return found

dags = {
    dag.dag_id: {
        "tasks": dag.task_ids,
        "pods": {task.task_id: task.executor_config for task in dag.tasks if task.executor_config},
        "after": {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks},
        "owner": sorted({task.owner for task in dag.tasks}),
        "retries": sorted({task.retries for task in dag.tasks}),
        "doc": bool(dag.doc_md),
        "undescribed": [k for k, p in dag.params.items() if not dag.params.get_param(k).description],
        "max_active_runs": dag.max_active_runs,
        "catchup": dag.catchup,
        "deadlines": [one.interval.total_seconds() for one in dag.deadline or ()],
        "serialized": bool(DagSerialization.to_dict(dag)),
        "next": following(dag),
        "reads": getattr(getattr(dag.timetable, "asset_condition", None), "name", None),
        "pools": {task.task_id: task.pool for task in dag.tasks},
        "writes": sorted({asset.name for task in dag.tasks for asset in task.outlets}),
    }
    for dag in bag.dags.values()
}
heavy = [name for name in json.loads(sys.argv[2]) if name in sys.modules]
print("RESULT" + json.dumps({"dags": dags, "errors": bag.import_errors, "heavy": heavy}))
"""


@dataclass(frozen=True)
class Parsed:
    """What came of parsing a folder of DAG files."""

    dags: dict[str, dict]
    errors: dict[str, str]
    heavy: list[str]


def parse(base: Path, dags: Path, pipelines: Path) -> Parsed:
    env = environment(open_stack(base / "home")) | {
        "PERENNIAL_PIPELINES": str(pipelines),
        "PERENNIAL_POD_TEMPLATES": str(PODS),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "PYTHONPATH": f"{PROJECT}:{dags}",  # the DAG processor puts the folder there itself
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite://",
    }
    command = [sys.executable, "-c", PARSE, str(dags), json.dumps(HEAVY)]
    done = subprocess.run(command, env=env, cwd=base, capture_output=True, text=True, timeout=120, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
    assert line is not None, done.stderr[-3000:]
    return Parsed(**json.loads(line.removeprefix("RESULT")))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Parsed:
    return parse(tmp_path_factory.mktemp("parse"), PROJECT / "dags", PROJECT / "include" / "pipelines")


def test_the_shipped_dags_parse_without_errors(shipped: Parsed) -> None:
    assert shipped.errors == {}


def test_every_pipeline_folder_has_its_dags(shipped: Parsed) -> None:
    folders = [path.parent.name for path in (PROJECT / "include" / "pipelines").glob("*/pipeline.yaml")]

    assert sorted(shipped.dags) == sorted(f"{name}.{step}" for name in folders for step in STEPS)


def test_parsing_imports_nothing_heavy(shipped: Parsed) -> None:
    assert shipped.heavy == []


def test_every_dag_has_a_manual_and_described_parameters(shipped: Parsed) -> None:
    for dag_id, dag in shipped.dags.items():
        assert dag["doc"], dag_id
        assert dag["undescribed"] == [], dag_id


def test_every_dag_uses_the_shared_default_arguments(shipped: Parsed) -> None:
    for dag_id, dag in shipped.dags.items():
        assert dag["retries"] == [4], dag_id
        assert dag["catchup"] is False, dag_id


def test_each_step_with_a_pod_of_its_own_asks_for_it(shipped: Parsed) -> None:
    own = {path.stem for path in PODS.glob("*.yaml")} - {"default"}
    asked = [(step, pod) for dag in shipped.dags.values() for step, pod in dag["pods"].items()]

    assert {step for step, _ in asked} == own
    assert all(pod == {"pod_template_file": str(PODS / f"{step}.yaml")} for step, pod in asked)


def test_a_new_partition_is_scored_and_announced_as_predictions(shipped: Parsed) -> None:
    score = shipped.dags["flight_delays.score"]

    assert (score["tasks"], score["reads"], score["writes"]) == (
        ["score"],
        "flight_delays_partitions",
        ["flight_delays_predictions"],
    )


def test_a_scored_partition_is_monitored(shipped: Parsed) -> None:
    monitor = shipped.dags["flight_delays.monitor"]

    assert monitor["reads"] == "flight_delays_predictions"
    assert sorted(monitor["tasks"]) == ["alert", "decide", "measure", "ready", "report", "retrain"]


def test_a_trial_of_champions_and_a_source_of_labels_are_there_where_a_spec_asks_for_them(tmp_path: Path) -> None:
    pipelines = tmp_path / "pipelines"
    shutil.copytree(PROJECT / "include" / "pipelines", pipelines)
    with (pipelines / "flight_delays" / "pipeline.yaml").open("a") as spec:
        spec.write("\nmonitor:\n  rollback: {}\n")
    text = (pipelines / "iris" / "pipeline.yaml").read_text()
    later = "quarantine_quota: 0\n  label_delay_periods: 2\n  labels: {source: {kind: python}}"
    (pipelines / "iris" / "pipeline.yaml").write_text(text.replace("quarantine_quota: 0", later))

    parsed = parse(tmp_path, PROJECT / "dags", pipelines)

    assert parsed.errors == {}
    monitor = parsed.dags["flight_delays.monitor"]
    assert (monitor["after"]["trial"], monitor["after"]["decide"]) == (["measure", "ready"], ["measure", "trial"])
    assert "flight_delays_champion" in monitor["writes"]
    labels = parsed.dags["iris.labels"]
    assert (labels["tasks"], labels["writes"]) == (["labels", "validate", "version"], ["iris_partitions"])
    assert labels["serialized"]
    assert labels["undescribed"] == []
    assert "flight_delays.labels" not in parsed.dags


def test_nobody_is_told_of_a_missed_schedule_unless_the_spec_names_a_channel(shipped: Parsed, tmp_path: Path) -> None:
    pipelines = tmp_path / "pipelines"
    shutil.copytree(PROJECT / "include" / "pipelines", pipelines)
    with (pipelines / "flight_delays" / "pipeline.yaml").open("a") as spec:
        spec.write("\nalerts:\n  webhook: {connection: chat}\n  late_after_hours: 3\n")

    parsed = parse(tmp_path, PROJECT / "dags", pipelines)

    assert parsed.errors == {}
    late = {dag_id: dag["deadlines"] for dag_id, dag in parsed.dags.items() if dag["deadlines"]}
    assert late == {"flight_delays.ingest": [3 * 3600], "flight_delays.train": [3 * 3600]}
    assert not any(dag["deadlines"] for dag in shipped.dags.values())


def test_training_runs_of_a_pipeline_wait_for_each_other(shipped: Parsed) -> None:
    assert shipped.dags["flight_delays.train"]["max_active_runs"] == 1


def test_only_what_is_heavy_takes_slots_of_the_training_pool(shipped: Parsed) -> None:
    in_pool = {
        f"{dag_id.partition('.')[2]}.{task}"
        for dag_id, dag in shipped.dags.items()
        for task, pool in dag["pools"].items()
        if pool == TRAINING_POOL
    }
    assert in_pool == {"train.fit", "train.judge"}


@pytest.mark.parametrize(
    ("of_spec", "of_environment", "used"),
    [("flowers", "training", "flowers"), (None, "training", "training"), (None, "", "default_pool")],
)
def test_a_pipeline_names_its_pool_or_takes_the_shared_one(
    of_spec: str | None, of_environment: str, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_pipeline("iris", PROJECT / "include" / "pipelines").spec.model_copy(update={"pool": of_spec})
    monkeypatch.setenv("PERENNIAL_TRAINING_POOL", of_environment)
    assert training_pool(spec) == used


def test_data_that_do_not_grow_are_scheduled_up_to_their_last_partition(shipped: Parsed) -> None:
    assert shipped.dags["iris.ingest"]["next"] == {"2024-01-29": None, "2024-01-15": "2024-01-22"}
    assert shipped.dags["flight_delays.ingest"]["next"]["2024-01-29"] == "2024-02-05"


def test_a_broken_folder_is_an_import_error_of_its_own_and_the_others_stay(tmp_path: Path) -> None:
    dags, pipelines = tmp_path / "dags", tmp_path / "pipelines"
    shutil.copytree(PROJECT / "dags", dags)
    shutil.copytree(PROJECT / "include" / "pipelines", pipelines)
    shutil.copytree(pipelines / "flight_delays", pipelines / "broken")
    text = (pipelines / "broken" / "pipeline.yaml").read_text().replace("name: flight_delays", "name: broken")
    (pipelines / "broken" / "pipeline.yaml").write_text(text.replace("min_rows:", "min_row:", 1))
    (dags / "broken.py").write_text((dags / "flight_delays.py").read_text().replace("flight_delays", "broken"))

    parsed = parse(tmp_path, dags, pipelines)

    others = [path.parent.name for path in (PROJECT / "include" / "pipelines").glob("*/pipeline.yaml")]
    assert sorted(parsed.dags) == sorted(f"{name}.{step}" for name in others for step in STEPS)
    [(file, message)] = parsed.errors.items()
    assert file.endswith("broken.py")
    assert "pipeline.yaml:" in message
    assert "Did you mean 'min_rows'" in message
    assert "Traceback" not in message
