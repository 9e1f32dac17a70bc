"""docker-compose.yaml and its neighbours: what they set is read and documented, and nothing is open by default."""

import ast
import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedded import secrets
from embedded.config import PROJECT, environment
from embedded.production.create import create
from embedded.production.stack import CONTROL, WORKERS
from include.perennial.exporter.options import ExporterOptions
from include.perennial.serving.options import ServeOptions
from include.perennial.settings import Settings

COMPOSE = PROJECT / "docker-compose.yaml"
HELM = PROJECT / "deploy" / "helm"
# Files that set variables of containers and pods.
DEPLOYED = [COMPOSE, *sorted((PROJECT / "deploy").rglob("*.y*ml")), PROJECT / "Dockerfile"]
CODE = ("include", "plugins", "dags", "embedded")
PAGES = sorted((PROJECT / "docs").rglob("*.md"))
OURS = re.compile(r"PERENNIAL_[A-Z0-9_]*[A-Z0-9]")
# Of the embedded stacks and the tests alone, on one machine.
OF_ONE_MACHINE = frozenset({"PERENNIAL_DAGS", "PERENNIAL_PIPELINES"})


class Recorder(Mapping[str, str]):
    """An empty environment that remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def compose() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE.read_text())


def read_by_the_code() -> set[str]:
    """Names of ours in string literals of the code, and those it composes of a prefix."""
    recorder = Recorder()
    Settings.from_env(recorder)
    ServeOptions.from_env(recorder)
    ExporterOptions.from_env(recorder)
    found = {name for name in recorder.asked if name.startswith("PERENNIAL_")}
    for path in (path for folder in CODE for path in (PROJECT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and OURS.fullmatch(node.value):
                found.add(node.value)
    return found


def documented(name: str) -> bool:
    """Named in full, or on a page whose table says the prefix and lists the rest."""
    prefix, _, rest = name.removeprefix("PERENNIAL_").partition("_")
    headed = f"`PERENNIAL_{prefix}_…`"
    return any(
        f"`{name}`" in text or (headed in text and re.search(rf"`{rest}`", text)) for text in map(Path.read_text, PAGES)
    )


def test_the_code_reads_every_variable_of_ours_that_is_deployed() -> None:
    deployed = {name for path in DEPLOYED for name in OURS.findall(path.read_text())}

    assert deployed - read_by_the_code() == set()


def test_every_variable_that_the_code_reads_is_documented() -> None:
    assert [name for name in sorted(read_by_the_code()) if not documented(name)] == []


def test_what_an_installation_may_set_is_set_by_the_containers() -> None:
    asked = Recorder()
    Settings.from_env(asked)

    assert asked.asked - set(compose()["services"]["worker-1"]["environment"]) - OF_ONE_MACHINE == set()


def test_the_example_of_env_names_what_the_containers_ask_for_and_nothing_else() -> None:
    asked = set(re.findall(r"\$\{([A-Z0-9_]+)", COMPOSE.read_text()))

    assert set(secrets.values((PROJECT / ".env.example").read_text())) == asked


def test_containers_set_what_the_tested_stack_sets(tmp_path: Path) -> None:
    stack = create(tmp_path / "stack")
    tested = {name for name in stack.variables(WORKERS[0]) if not name.startswith(("HOME", "PYTHON", "AIRFLOW_HOME"))}
    of_folders = {name for name in stack.variables(WORKERS[0]) if "FOLDER" in name and "REMOTE" not in name}

    service = compose()["services"]["worker-1"]["environment"]

    assert tested - of_folders - OF_ONE_MACHINE - set(service) == set()
    assert "AIRFLOW__CORE__EXECUTOR" in environment(stack, CONTROL)


def migration(where: str) -> tuple[str, str, int]:
    """What migrates the databases, the training pool that the DAGs ask for there, and tasks that run at once."""
    if where == "compose":
        services = compose()["services"]
        workers = [one for name, one in services.items() if name.startswith("worker")]
        tasks = sum(int(one["environment"]["AIRFLOW__CELERY__WORKER_CONCURRENCY"]) for one in workers)
        pool = services["dag-processor"]["environment"]["PERENNIAL_TRAINING_POOL"]
        return services["migrate"]["command"][2].replace("$$", "$"), pool, tasks
    [script] = yaml.safe_load((HELM / "values.yaml").read_text())["migrateDatabaseJob"]["args"][2:]
    celery = yaml.safe_load((HELM / "values-celery-keda.yaml").read_text())
    tasks = celery["workers"]["celery"]["keda"]["maxReplicaCount"] * celery["config"]["celery"]["worker_concurrency"]
    settings = yaml.safe_load((HELM.parent / "kubernetes" / "base" / "settings.yaml").read_text())["data"]
    return script, settings["PERENNIAL_TRAINING_POOL"], tasks


@pytest.mark.parametrize("where", ["compose", "helm"])
def test_the_pool_of_training_is_made_by_the_name_that_the_dags_ask_for(tmp_path: Path, where: str) -> None:
    script, pool, tasks = migration(where)
    # The two commands are stand-ins that write down how they are called; the first `pools get` finds nothing.
    called = tmp_path / "called"
    for name in ("airflow", "python"):
        stand_in = tmp_path / name
        stand_in.write_text(f'#!/bin/sh\necho "{name} $*" >> {called}\n[ "$2" != get ] || [ -e {tmp_path / "made"} ]\n')
        stand_in.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PERENNIAL_TRAINING_POOL": pool}

    subprocess.run(["sh", "-c", script], env=environment, check=True)
    first = called.read_text().splitlines()
    (tmp_path / "made").touch()
    subprocess.run(["sh", "-c", script], env=environment, check=True)

    made = f"airflow pools set {pool} {tasks // 2} fit and judge of all pipelines"
    assert first[0] == "airflow db migrate"
    assert first[-2:] == [f"airflow pools get {pool}", made]
    assert called.read_text().splitlines()[len(first) :] == first[:-1]


def test_every_option_of_airflow_exists() -> None:
    spec = importlib.util.find_spec("airflow")
    assert spec is not None
    [folder] = spec.submodule_search_locations or ()
    options = yaml.safe_load((Path(folder) / "config_templates" / "config.yml").read_text())
    celery = (Path(folder) / "providers" / "celery" / "get_provider_info.py").read_text()

    for name in compose()["services"]["worker-1"]["environment"]:
        if name.startswith("AIRFLOW__"):
            _, section, option = name.lower().split("__")
            known = options.get(section, {}).get("options", {})
            assert option in known or (f'"{section}"' in celery and f'"{option}"' in celery), name


@pytest.mark.parametrize("name", sorted(compose()["services"]))
def test_a_container_is_pinned_limited_watched_and_not_root(name: str) -> None:
    service = compose()["services"][name]

    assert "build" in service or re.fullmatch(r"[a-z0-9./-]+:v?\d+\.\d+[.\da-z-]*", service["image"])
    assert service["user"] not in ("root", "0")
    assert {"mem_limit", "cpus"} <= set(service)
    assert service["cap_drop"] == ["ALL"]
    assert service["restart"] in ("unless-stopped", "on-failure")
    assert all(port.startswith("${BIND_ADDRESS:-127.0.0.1}:") for port in service.get("ports", ()))
    assert "healthcheck" in service or name in ("migrate", "statsd-exporter")


def test_no_secret_has_a_default() -> None:
    for name, default in re.findall(r"\$\{([A-Z0-9_]+):-([^}]*)\}", COMPOSE.read_text()):
        assert name in ("AIRFLOW_URL", "BIND_ADDRESS"), default
    secret = re.compile(r"(password|secret|token|_key)$", re.IGNORECASE)
    for service in compose()["services"].values():
        for name, value in (service.get("environment") or {}).items():
            if secret.search(name):
                assert "${" in str(value), name


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    made = secrets.write(tmp_path)
    first = (tmp_path / ".env").read_text()
    again = secrets.write(tmp_path)

    values = secrets.values(first)
    assert all(values.values())
    assert len(set(values.values())) == len(values)
    assert (tmp_path / ".env").stat().st_mode & 0o77 == 0
    assert (tmp_path / "secrets").stat().st_mode & 0o77 == 0
    assert {name.removeprefix("secrets/") for name in made if name != ".env"} == {
        Path(one["file"]).name for one in compose()["secrets"].values()
    }
    assert list(json.loads((tmp_path / "secrets" / "airflow_passwords.json").read_text())) == ["admin"]
    assert (again, (tmp_path / ".env").read_text()) == ([], first)


def test_astro_finds_its_settings_and_no_secret() -> None:
    settings = yaml.safe_load((PROJECT / "airflow_settings.yaml").read_text())["airflow"]

    assert set(settings) == {"connections", "pools", "variables"}
    assert all("conn_password" not in connection for connection in settings["connections"])
    dockerfile = (PROJECT / "Dockerfile").read_text()
    assert re.search(r'^LABEL io\.astronomer\.docker\.runtime\.version="3\.', dockerfile, re.MULTILINE)
    assert "WORKDIR /usr/local/airflow" in dockerfile
    assert "USER astro" in dockerfile
    assert (PROJECT / ".astro" / "config.yaml").is_file()


@pytest.mark.skipif(shutil.which("sh") is None, reason="no shell")
def test_the_databases_script_is_valid_shell() -> None:
    script = compose()["configs"]["databases"]["content"].replace("$$", "$")

    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
