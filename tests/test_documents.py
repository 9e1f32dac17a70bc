"""The documentation names only what exists."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from embedded.config import PROJECT
from include.perennial.contracts import Verdict
from include.perennial.monitor.decision import Suppression
from include.perennial.monitor.measurement import SignalKind
from include.perennial.pipeline_folder import load_pipeline
from include.perennial.stores.ledger import EventKind
from tests.documents import commands_of

PAGES = [
    PROJECT / "README.md",
    *sorted((PROJECT / "docs").rglob("*.md")),
    *PROJECT.glob("include/pipelines/*/README.md"),
]
_LINK = re.compile(r"\]\((?!http)([^)#]+)")
# Run for real elsewhere: `make run` and `make test` by CI, `up` and `down` by test_commands, the backfill by test_loop,
# ./perennial by test_cli_commands, Dask by test_beyond_one_machine, deploy/ by test_backup_production, the tutorial's
# by test_tutorial; test_runbooks parses all of them. Containers by nobody: test_deployment reads them.
RUN_ELSEWHERE = (
    *("docker compose up -d --build", "dask "),
    *("make ", "airflow backfill create", "airflow dags unpause", "eval ", "./perennial ", "deploy/"),
    ".venv/bin/python docs/tutorial_data.py",
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    missing = [target for target in _LINK.findall(page.read_text()) if not (page.parent / target).exists()]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_make_target_exists(page: Path) -> None:
    for target in set(re.findall(r"`make ([a-z]+)", page.read_text())):
        done = subprocess.run(
            ["make", "-n", target, f"PYTHON={sys.executable}"], cwd=PROJECT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"make {target}: {done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_command_block_holds_only_commands_that_tests_run(page: Path) -> None:
    assert [line for line in commands_of(page) if not line.startswith(RUN_ELSEWHERE)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_yaml_block_is_a_part_of_a_valid_pipeline(page: Path, tmp_path: Path) -> None:
    # A block that has a name is a pipeline of its own, which its page's own test loads.
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)]
    for n, block in enumerate(block for block in blocks if "name" not in block):
        root = tmp_path / str(n)
        folder = shutil.copytree(PROJECT / "include" / "pipelines" / "flight_delays", root / "flight_delays")
        spec = folder / "pipeline.yaml"
        spec.write_text(yaml.safe_dump(yaml.safe_load(spec.read_text()) | block))
        load_pipeline("flight_delays", root)


def test_the_environment_of_the_stack_can_be_evaluated_by_a_shell(tmp_path: Path) -> None:
    env = {"PATH": "/usr/bin:/bin", "PERENNIAL_HOME": str(tmp_path)}
    script = f'eval "$({sys.executable} -m embedded env)" && echo "$AIRFLOW_HOME"'

    done = subprocess.run(["bash", "-c", script], cwd=PROJECT, env=env, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == str(tmp_path / "airflow")


@pytest.mark.parametrize(
    ("page", "names"),
    [
        pytest.param("concepts/gate.md", Verdict, id="verdicts"),
        pytest.param("concepts/ledger.md", EventKind, id="events"),
        pytest.param("concepts/drift.md", SignalKind, id="signals"),
        pytest.param("monitoring.md", Suppression, id="reasons"),
    ],
)
def test_a_page_names_every_one_of_its_kind(page: str, names: Iterable[str]) -> None:
    text = (PROJECT / "docs" / page).read_text(encoding="utf-8")

    assert [name for name in names if f"`{name}`" not in text] == []


def test_python_stands_only_on_the_page_whose_test_runs_it() -> None:
    assert [page.name for page in PAGES if "```python" in page.read_text(encoding="utf-8")] == [
        "beyond-one-machine.md",
        "migration.md",
    ]
