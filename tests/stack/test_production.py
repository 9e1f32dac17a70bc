"""The production stack: two Celery workers that share servers and no folder, and servers that ask for passwords."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import boto3
import psycopg2
import pytest
import redis
import requests
from botocore.exceptions import ClientError

from embedded import processes
from embedded.airflow_api import Airflow
from embedded.config import LOOPBACK, PROJECT, environment
from embedded.git_server import REPOSITORY
from embedded.light_pipeline import set_clocks_ahead, write_light_pipeline
from embedded.production import databases, monitoring
from embedded.production.stack import BUCKET, DATABASES, WORKERS, Production
from embedded.production.start import environment_of, missing, production, tasks_done
from include.perennial.partitions import Partition, Period
from include.perennial.settings import Settings
from include.perennial.stores.ledger import EventKind, Ledger
from include.perennial.stores.tracking.registry import Registry
from tests.stack.conftest import end_scheduled_training, until

NAME = "light"
WEEKS = ("2013-01-07", "2013-01-14", "2013-01-21")
WATCHED, FIRST_WEEK, CUTOFF, SHIFTED_WEEK = "watched", "2013-01-07", "2013-03-04", "2013-03-11"
pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(bool(missing()), reason=f"not installed: {', '.join(missing())}"),
    # The first test starts a stack beside the one that the other tests use.
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """The stack with a light pipeline, and one whose clocks are wrong from ``SHIFTED_WEEK`` on."""
    base = tmp_path_factory.mktemp("production")
    (base / "dags").mkdir()
    shutil.copytree(PROJECT / "dags" / "perennial_dags", base / "dags" / "perennial_dags")
    shutil.copytree(PROJECT / "include" / "pipelines" / "flight_delays", base / "pipelines" / "flight_delays")
    shutil.copy(PROJECT / "dags" / "flight_delays.py", base / "dags")
    write_light_pipeline(base / "pipelines", base / "dags", NAME)
    watched = {
        "window": {"kind": "sliding", "partitions": 8, "holdout": 1},
        "monitor": {"policy": {"violations": 1, "of_last": 1}},
    }
    write_light_pipeline(base / "pipelines", base / "dags", WATCHED, **watched)
    set_clocks_ahead(base / "pipelines" / WATCHED, SHIFTED_WEEK)
    (base / "dags" / "flight_delays.py").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_PIPELINES", str(base / "pipelines"))
        patch.setenv("PERENNIAL_DAGS", str(base / "dags"))
        with production(print) as stack, environment_of(stack):
            yield stack


@pytest.fixture(scope="module")
def champion(stack: Production) -> str:
    """Version of the champion that three weeks of data and one training run have made."""
    return crown(stack, NAME, *WEEKS)


def crown(stack: Production, name: str, *weeks: str) -> str:
    """Ingest ``weeks`` and train as of the last; version of the champion."""
    airflow = Airflow(stack)
    for step in ("ingest", "train"):
        airflow.wait_for_dag(f"{name}.{step}", timeout_s=120)
        airflow.unpause(f"{name}.{step}")
    runs = [(f"{name}.ingest", airflow.trigger(f"{name}.ingest", {"partition": week})) for week in weeks]
    for run in runs:
        assert airflow.wait(*run)["state"] == "success"
    # A backfill, since the scheduled run waits for a week of the present.
    airflow.backfill(f"{name}.train", weeks[-1], weeks[-1], max_active_runs=1)
    [trained] = [run for run in airflow.runs(f"{name}.train") if run["run_type"] == "backfill"]
    assert airflow.wait(f"{name}.train", trained["dag_run_id"])["state"] == "success"
    crowned = ledger(stack).champion(name)
    assert crowned is not None
    return crowned.version


def settings(stack: Production) -> Settings:
    return Settings.from_env(environment(stack))


def ledger(stack: Production) -> Ledger:
    return Ledger.open(settings(stack).ledger_url)


def test_two_workers_that_share_no_folder_crown_a_champion(stack: Production, champion: str) -> None:
    assert settings(stack).ledger_url.startswith("postgresql")
    assert len(ledger(stack).events(NAME, [EventKind.PARTITION_PUBLISHED])) == len(WEEKS)
    assert ledger(stack).verify(NAME) == []
    assert Registry.open(settings(stack)).get_alias(NAME, "champion") == champion
    assert all(tasks_done(stack, worker) for worker in WORKERS)


def test_nothing_that_tasks_pass_on_names_a_local_path(stack: Production, champion: str) -> None:
    with closing(databases.connect(stack, "airflow")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT task_id, key, value::text FROM xcom")
        passed = cursor.fetchall()

    assert {task for task, _, _ in passed} >= {"snapshot", "validate", "version", "plan", "fit", "judge", "promote"}
    local = (str(stack.home), str(PROJECT), "/tmp/", "file:")
    assert [row[:2] for row in passed if any(path in row[2] for path in local)] == []


def test_each_worker_has_its_own_network_and_sees_no_other_folder(stack: Production) -> None:
    if not stack.isolated:
        pytest.skip("this system does not let a test make networks")
    pids = [processes.running(stack)[worker] for worker in WORKERS]

    assert len({os.readlink(f"/proc/{pid}/ns/net") for pid in ("self", *pids)}) == 3
    for worker, pid in zip(WORKERS, pids, strict=True):
        assert listed(pid, stack.home) == ["machines"]
        assert listed(pid, stack.home / "machines") == [worker]
        assert listed(pid, PROJECT / "include") == []


def listed(pid: int, folder: Path) -> list[str]:
    """What a process sees in ``folder``."""
    command = ["nsenter", "--target", str(pid), "--mount", "ls", str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def test_the_log_of_a_task_outlives_its_worker(stack: Production, champion: str) -> None:
    airflow = Airflow(stack)
    [run] = [run for run in airflow.runs(f"{NAME}.train") if run["run_type"] == "backfill"]

    # A worker puts a log into the store once it has told of the task's end.
    log_of = (f"{NAME}.train", run["dag_run_id"], "promote")
    until(lambda: "s3://" in airflow.log(*log_of), "the log of promote in the store", 60)


def test_prometheus_knows_the_champion(stack: Production, champion: str) -> None:
    if not monitoring.is_installed():
        pytest.skip("Prometheus is not installed (Debian: apt-get install prometheus)")
    deadline = time.monotonic() + 120
    while not (found := monitoring.query(stack, f'perennial_champion_info{{pipeline="{NAME}"}}')):
        assert time.monotonic() < deadline
        time.sleep(1)

    assert [series["version"] for series in found] == [champion]


def test_no_server_answers_without_its_password(stack: Production, champion: str) -> None:
    ports = stack.ports
    for user in ("postgres", *DATABASES):
        with pytest.raises(psycopg2.OperationalError, match="password"):
            psycopg2.connect(host=LOOPBACK, port=ports.postgres, user=user, dbname=user, password="postgres")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=ports.redis).ping()
    stranger = {"aws_access_key_id": "perennial", "aws_secret_access_key": "perennial"}
    s3 = boto3.client("s3", endpoint_url=f"http://{LOOPBACK}:{ports.s3}", region_name="us-east-1", **stranger)
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        s3.list_objects_v2(Bucket=BUCKET)
    assert requests.get(f"http://{LOOPBACK}:{ports.registry}/{REPOSITORY}/info/refs", timeout=10).status_code == 401
    assert requests.get(f"{stack.airflow_url}/api/v2/dags", timeout=10).status_code == 401
    search = f"{stack.mlflow_url}/api/2.0/mlflow/registered-models/search"
    assert requests.get(search, timeout=10).status_code == 401
    login = (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"])
    found = requests.get(search, auth=login, timeout=10).json()
    assert NAME in [model["name"] for model in found["registered_models"]]


def test_the_users_of_a_database_cannot_read_another(stack: Production) -> None:
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        psycopg2.connect(
            host=LOOPBACK,
            port=stack.ports.postgres,
            user="mlflow",
            dbname="ledger",
            password=stack.passwords["mlflow"],
        )


def test_mlflow_answers_only_under_its_own_name(stack: Production) -> None:
    search = f"{stack.mlflow_url}/api/2.0/mlflow/registered-models/search"

    assert requests.get(search, headers={"Host": "10.evil.example"}, timeout=10).status_code == 403


def test_no_secret_stands_in_the_list_of_processes(stack: Production) -> None:
    secrets = [*stack.passwords.values(), stack.password, stack.jwt_secret, stack.fernet_key, stack.flask_secret]

    listed = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True, text=True).stdout

    assert [secret for secret in secrets if secret in listed] == []


@pytest.mark.heavy
@pytest.mark.timeout(2400)
def test_a_hundred_triggers_of_eight_clients_start_one_training_run(stack: Production) -> None:
    weeks = [Partition.of_key(FIRST_WEEK, Period.WEEK).shift(n).key for n in range(9)]
    assert weeks[-1] == CUTOFF
    crown(stack, WATCHED, *weeks)
    airflow, train, monitor = Airflow(stack), f"{WATCHED}.train", f"{WATCHED}.monitor"
    end_scheduled_training(airflow, WATCHED)
    before = len(airflow.runs(train))
    # Where it is scored there is one trigger already: that of its predictions.
    for step in ("score", "monitor"):
        airflow.unpause(f"{WATCHED}.{step}")
    ingest = airflow.trigger(f"{WATCHED}.ingest", {"partition": SHIFTED_WEEK})
    assert airflow.wait(f"{WATCHED}.ingest", ingest)["state"] == "success"

    def client(_: int) -> list[str]:
        session = Airflow(stack)
        return [session.trigger(monitor, {"partition": SHIFTED_WEEK}) for _ in range(13)]

    started = time.monotonic()
    with ThreadPoolExecutor(8) as clients:
        run_ids = [run_id for some in clients.map(client, range(8)) for run_id in some]
    print(f"{len(run_ids)} triggers in {time.monotonic() - started:.0f} s")
    states = {airflow.wait(monitor, run_id, timeout_s=1500)["state"] for run_id in run_ids}

    assert states == {"success"}
    asked = ledger(stack).events(WATCHED, [EventKind.TRIGGER_ASKED])
    suppressed = ledger(stack).events(WATCHED, [EventKind.TRIGGER_SUPPRESSED])
    assert len(asked) == 1
    assert {event.payload["evaluation"] for event in (*asked, *suppressed)} >= set(run_ids)
    assert len(airflow.runs(train)) == before + 1
    assert ledger(stack).verify(WATCHED) == []
