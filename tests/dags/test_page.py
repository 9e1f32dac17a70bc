"""The page behind Airflow's login: who sees what, under which headers, and that no text of the data acts."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from embedded.config import PROJECT, environment, open_stack
from tests.servers import free_port
from tests.training_runs import make_toy

PAGE = "/continuous-training"
# What would act if it stood in a page as it is.
RAW = ["<script>alert", "<img src=x", "<svg/onload"]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Everything that the server answered; MLflow's address is one where nobody listens."""
    home = tmp_path_factory.mktemp("page")
    make_toy(home)
    env = environment(open_stack(home / "stack")) | {
        "PERENNIAL_HOME": str(home / "home"),
        "PERENNIAL_STORE": str(home / "store"),
        "PERENNIAL_LEDGER": f"sqlite:///{home / 'ledger.db'}",
        "PERENNIAL_PIPELINES": str(home / "pipelines"),
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}",
        "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}",
    }
    command = [sys.executable, "-m", "tests.dags.page_scenes"]
    done = subprocess.run(command, env=env, cwd=PROJECT, capture_output=True, text=True, timeout=240, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
    assert line is not None, done.stderr[-3000:]
    return dict(json.loads(line.removeprefix("RESULT")))


def test_every_route_is_closed_to_anonymous(said: dict[str, Any]) -> None:
    assert {path: status for path, status in said["anonymous"].items() if status != 401} == {}


def test_no_route_takes_anything_but_a_get(said: dict[str, Any]) -> None:
    assert set(said["posts"].values()) <= {401, 405}


def test_every_page_is_served_to_a_user(said: dict[str, Any]) -> None:
    pages = {path: answer["status"] for path, answer in said["pages"].items()}

    assert {path for path, status in pages.items() if status != 200} == {f"{PAGE}/no/such/page"}


def test_what_does_not_exist_is_not_found(said: dict[str, Any]) -> None:
    assert set(said["missing"].values()) == {404}


def test_a_pipeline_is_shown_only_to_those_who_may_see_its_training_dag(said: dict[str, Any]) -> None:
    hidden = said["hidden"]

    assert [hidden[route]["status"] for route in ("/", "/pipelines/toy", "/decisions/toy/1")] == [200, 404, 404]
    assert "No pipelines" in hidden["/"]["text"]
    assert "toy" not in hidden["/"]["text"]


def test_nothing_inline_runs_and_nothing_comes_from_elsewhere(said: dict[str, Any]) -> None:
    for path, answer in said["pages"].items():
        if path.startswith(PAGE):
            headers = answer["headers"]
            policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
            assert policy["default-src"] == "'none'"
            assert policy["script-src"] == "'self'"
            assert policy["frame-ancestors"] == "'self'"
            assert headers["x-content-type-options"] == "nosniff"


def test_reports_are_sandboxed_without_an_origin(said: dict[str, Any]) -> None:
    reports = [answer["headers"] for path, answer in said["pages"].items() if path.startswith("/perennial/")]

    assert len(reports) == 2
    for headers in reports:
        assert headers["content-security-policy"].startswith("sandbox")
        assert "allow-same-origin" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_no_text_of_the_data_stands_raw_in_a_page(said: dict[str, Any]) -> None:
    for path in (f"{PAGE}/", f"{PAGE}/pipelines/toy", f"{PAGE}/decisions/toy/hostile"):
        text = said["pages"][path]["text"]
        assert "alert(1)" in text, path
        assert [raw for raw in RAW if raw in text] == []
        assert not re.search(r"""(href|src)\s*=\s*["']?\s*javascript:""", text, re.IGNORECASE)
        assert "{{ 7 * 7 }}" in text
        assert len(re.findall(r"<script\b", text)) == len(re.findall(r'<script (src="|type="application/json")', text))


def test_a_registry_that_is_down_is_said_to_be_down(said: dict[str, Any]) -> None:
    assert "does not answer" in said["pages"][f"{PAGE}/"]["text"]


def test_a_pipeline_says_whether_it_will_run(said: dict[str, Any]) -> None:
    assert "Not in Airflow" in said["not_in_airflow"]
    assert "Paused" in said["pages"][f"{PAGE}/"]["text"]


def test_a_failed_run_and_a_freeze_need_a_person(said: dict[str, Any]) -> None:
    assert "toy.train failed+one failed" in said["failed"]
    assert "/dags/toy.train/runs/failed%2Bone" in said["failed"]
    assert "2 things for a person" in said["failed"]


def test_the_page_is_in_airflows_navigation(said: dict[str, Any]) -> None:
    [view] = [view for view in said["views"] if view["name"] == "Continuous training"]

    assert (view["href"], view["url_route"], view["destination"]) == (
        "continuous-training/",
        "continuous-training",
        "nav",
    )
    assert Path(PROJECT, "plugins/perennial_airflow/page/static/icon.svg").is_file()
