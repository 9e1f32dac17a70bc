"""What CI does is what the project says of itself: versions, targets, rights, and the list of packages."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedded.config import PROJECT

FILES = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FILES}
JOBS = [(name, job, body) for name, workflow in WORKFLOWS.items() for job, body in workflow["jobs"].items()]
STEPS = [(f"{name}.{job}", step) for name, job, body in JOBS for step in body.get("steps", [])]


def test_the_suite_runs_on_every_supported_python() -> None:
    supported = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    low, high = (int(minor) for minor in re.fullmatch(r">=3\.(\d+),<3\.(\d+)", supported).groups())

    assert WORKFLOWS["ci"]["jobs"]["test"]["strategy"]["matrix"]["python"] == [f"3.{n}" for n in range(low, high)]


def test_every_make_target_of_a_workflow_exists() -> None:
    commands = {line for _, step in STEPS for line in re.findall(r"make [a-z]+", step.get("run", ""))}
    assert {"make test", "make run", "make check", "make docs", "make sbom", "make lock"} <= commands

    for command in sorted(commands):
        done = subprocess.run(
            [*command.split(), "-n", f"PYTHON={sys.executable}"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("where", "step"), STEPS, ids=[f"{where}.{n}" for n, (where, _) in enumerate(STEPS)])
def test_actions_are_pinned_and_scripts_take_no_foreign_text(where: str, step: dict[str, Any]) -> None:
    assert re.search(r"@(v\d+|[0-9a-f]{40})$", step["uses"]) if "uses" in step else "run" in step
    # An expression in a script is pasted into it: a branch's name could be a command. Variables are not.
    assert "${{" not in step.get("run", "")


def test_only_two_jobs_may_write_and_each_says_what() -> None:
    assert all(workflow["permissions"] == {"contents": "read"} for workflow in WORKFLOWS.values())
    writing = {
        f"{name}.{job}": sorted(what for what, right in body["permissions"].items() if right == "write")
        for name, job, body in JOBS
        if "permissions" in body
    }

    assert writing == {
        "publish.image": ["attestations", "id-token", "packages"],
        "update.resolve": ["contents", "pull-requests"],
    }


def test_the_image_is_published_for_tags_only_and_after_the_checks() -> None:
    publish = WORKFLOWS["publish"]

    assert publish[True] == {"push": {"tags": ["v*.*.*"]}}  # YAML 1.1 reads the key `on` as true
    assert publish["jobs"]["image"]["needs"] == "checks"
    assert publish["jobs"]["checks"]["uses"] == "./.github/workflows/ci.yml"
    [build] = [step["with"] for _, step in STEPS if step.get("id") == "build"]
    assert (build["provenance"], build["sbom"]) == ("mode=max", True)


def test_the_list_of_packages_names_every_pin(tmp_path: Path) -> None:
    venv = Path(sys.prefix)
    # Held against CycloneDX's schema by CI's own `make sbom`: that takes seconds.
    settings = [f"PYTHON={sys.executable}", f"VENV={venv}", f"BUILD={tmp_path}", "VALIDATE=--no-validate"]
    command = ["make", "-s", "-o", str(venv / ".uv"), "sbom", *settings]

    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    listed = {(one["name"], one["version"]) for one in json.loads((tmp_path / "sbom.json").read_text())["components"]}
    pins = (PROJECT / "requirements.txt").read_text(encoding="utf-8")
    assert listed == {*re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", pins, re.MULTILINE), ("ISLP", "0.6.0")}
