"""What OpenLineage is told by real task runs: datasets and models with their versions, and each verdict."""

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedded.config import PROJECT, environment, open_stack
from include.perennial.settings import Settings
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import EventKind, Ledger
from tests.training_runs import FIRST, SPEC, make_toy, publish_weeks, toy_frame

WEEK = [FIRST.shift(n).key for n in range(5)]
EXPECTATIONS = """from great_expectations import expectations as gxe

BATCH = [gxe.ExpectTableRowCountToBeBetween(min_value=1, max_value=1000)]
ROWS = [gxe.ExpectColumnValuesToBeInSet(column="group", value_set=["a", "b", "c"])]
"""
Events = dict[str, dict[str, Any]]
pytestmark = [pytest.mark.timeout(600), pytest.mark.long]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lineage")


@pytest.fixture(scope="module")
def settings(home: Path) -> Settings:
    return Settings.from_env({"PERENNIAL_HOME": str(home / "home")})


@contextmanager
def statsd(into: Path) -> Iterator[int]:
    """A port that takes StatsD's datagrams; their lines are in the file ``into`` afterwards."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        port, found = int(receiver.getsockname()[1]), []

        def receive() -> None:
            while (data := receiver.recv(65536)) != b"end":
                found.append(data.decode())

        thread = threading.Thread(target=receive)
        thread.start()
        try:
            yield port
        finally:
            receiver.sendto(b"end", ("127.0.0.1", port))
            thread.join(10)
    into.write_text("\n".join(found))


@pytest.fixture(scope="module")
def completed(home: Path, settings: Settings) -> Events:
    """The COMPLETE event of each task: one week ingested through the DAG, four that were there trained on."""
    pipeline = make_toy(home, candidates={"logistic": SPEC["candidates"]["logistic"]})
    (pipeline.folder / "expectations.py").write_text(EXPECTATIONS)
    publish_weeks(home, pipeline, 4)
    (pipeline.folder / "delivery").mkdir()
    frame = toy_frame(4).astype({"noise": "Int64"})
    frame.to_csv(pipeline.folder / "delivery" / f"{WEEK[4]}.csv", index=False)
    (home / "dags").mkdir()
    (home / "dags" / "toy.py").write_text("# airflow dag\nfrom perennial_dags import build_dags\n\nbuild_dags('toy')\n")
    transport = {"type": "file", "log_file_path": str(home / "events.jsonl"), "append": True}
    env = environment(open_stack(home / "home")) | {
        "PERENNIAL_PIPELINES": str(home / "pipelines"),
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
        "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}:{PROJECT / 'dags'}",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "tests",
    }
    script = str(PROJECT / "tests" / "dags" / "lineage_scenes.py")
    with statsd(home / "statsd") as port:
        env |= {"AIRFLOW__METRICS__STATSD_ON": "True", "AIRFLOW__METRICS__STATSD_PORT": str(port)}
        done = subprocess.run(
        [sys.executable, script, str(home / "dags"), WEEK[4], WEEK[3]],
        cwd=home, env=env, capture_output=True, text=True, timeout=570, check=False,
    )  # fmt: skip
    (home / "log").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    events = [json.loads(line) for line in (home / "events.jsonl").read_text().splitlines()]
    return {event["job"]["name"]: event for event in events if event["eventType"] == "COMPLETE"}


def dataset(event: dict[str, Any], side: str, name: str) -> dict[str, Any]:
    """The dataset ``name`` among the inputs or outputs; its namespace is that of the jobs."""
    [found] = [one for one in event[side] if one["name"] == f"toy.{name}"]
    assert found["namespace"] == "perennial://tests"
    return dict(found)


def version(event: dict[str, Any], side: str, name: str) -> str:
    return str(dataset(event, side, name)["facets"]["version"]["datasetVersion"])


def subset(event: dict[str, Any], side: str, name: str) -> dict[str, str]:
    """SHA-256 of the partitions that were read or written, by key."""
    facets = dataset(event, side, name)[f"{side[:-1]}Facets"]
    condition = facets["subset"][f"{side[:-1]}Condition"]
    return {one["dimensions"]["partition"]: one["identifier"] for one in condition["partitions"]}


def test_an_ingested_partition_leads_from_the_delivery_to_the_commit(completed: Events, settings: Settings) -> None:
    published = DataRegistry.open(settings).partitions("toy")[WEEK[4]]
    delivered, checked, versioned = (completed[f"toy.ingest.{task}"] for task in ("snapshot", "validate", "version"))

    assert version(checked, "inputs", "snapshots") == version(delivered, "outputs", "snapshots")
    assert version(versioned, "inputs", "validated") == version(checked, "outputs", "validated") == published.sha256
    assert version(versioned, "outputs", "partitions") == published.commit
    assert subset(versioned, "outputs", "partitions") == {WEEK[4]: published.sha256}
    statistics = dataset(versioned, "outputs", "partitions")["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["size"]) == (published.rows, published.n_bytes)


def test_a_model_leads_back_to_the_partitions_it_was_trained_on(completed: Events, settings: Settings) -> None:
    [judged] = Ledger.open(settings.ledger_url).events("toy", [EventKind.JUDGED])
    plan = judged.payload["plan"]
    window = {ref["key"]: ref["sha256"] for ref in plan["train"] + plan["holdout"]}
    fitted, decided = completed["toy.train.fit"], completed["toy.train.judge"]
    registered, promoted = completed["toy.train.register"], completed["toy.train.promote"]

    assert version(fitted, "inputs", "partitions") == plan["data_commit"]
    assert subset(fitted, "inputs", "partitions") == {ref["key"]: ref["sha256"] for ref in plan["train"]}
    assert subset(decided, "inputs", "partitions") == window
    assert version(registered, "inputs", "candidates") == judged.payload["mlflow_run_id"]
    assert version(promoted, "inputs", "models") == version(registered, "outputs", "models") == "1"
    assert version(promoted, "outputs", "champion") == "1"


def test_the_verdict_is_told_with_the_run_that_it_is_about(completed: Events, settings: Settings) -> None:
    [judged] = Ledger.open(settings.ledger_url).events("toy", [EventKind.JUDGED])

    told = completed["toy.train.judge"]["run"]["facets"]["perennial_decision"]

    assert (told["verdict"], told["run_key"]) == ("passed", judged.key)
    assert told["spec_digest"] == judged.payload["plan"]["spec_digest"]
    assert completed["toy.train.promote"]["run"]["facets"]["perennial_decision"]["verdict"] == "promoted"


def test_every_decision_left_its_line_in_the_log_of_its_task(completed: Events, home: Path) -> None:
    lines = [line for line in (home / "log").read_text().splitlines() if "ledger=" in line]
    promoted = [line for line in lines if "ledger=promoted" in line]

    assert len(promoted) == 1
    for field in ("verdict=promoted", "version=1", "dag_id=toy.train", "task_id=promote", "try=1", "new=true"):
        assert field in promoted[0]
    assert {"ledger=partition_published", "ledger=judged", "ledger=registered"} <= {
        word for line in lines for word in line.split()
    }


def test_without_a_transport_nothing_of_openlineage_is_imported(home: Path) -> None:
    """As on a laptop: the stack's environment names none, and passes none on from the shell."""
    script = (
        "import sys; import airflow.sdk; from perennial_airflow.operators import train;"
        "from airflow.providers.openlineage.plugins.openlineage import OpenLineageProviderPlugin as plugin;"
        "print('RESULT', plugin.listeners, [name for name in sys.modules if name.startswith('openlineage')])"
    )
    env = environment(open_stack(home / "laptop")) | {"PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}"}
    assert not [name for name in env if "OPENLINEAGE" in name]

    done = subprocess.run(
        [sys.executable, "-c", script], env=env, cwd=home, capture_output=True, text=True, timeout=120, check=True
    )

    assert "RESULT [] []" in done.stdout


def test_airflows_metrics_arrive_under_the_names_of_the_mapping(completed: Events, home: Path) -> None:
    sent = {line.partition(":")[0] for line in (home / "statsd").read_text().splitlines()}
    mappings = yaml.safe_load((PROJECT / "monitoring" / "statsd" / "mapping.yml").read_text())["mappings"]
    mapped = {str(mapping["name"]): _glob(str(mapping["match"])) for mapping in mappings}
    found = {
        name: {match.groups() for text in sent if (match := glob.fullmatch(text))} for name, glob in mapped.items()
    }

    assert ("toy__train", "judge", "success") in found["airflow_task_finishes_total"]
    assert ("toy__train", "promote") in found["airflow_task_starts_total"]
    assert ("toy__ingest", "validate") in found["airflow_task_seconds"]


def _glob(match: str) -> re.Pattern[str]:
    """What statsd_exporter makes of a glob: each star is one part between dots."""
    return re.compile(re.escape(match).replace(r"\*", r"([^.]*)"))
