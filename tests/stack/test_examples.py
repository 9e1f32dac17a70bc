"""``make run PIPELINE=…``: each example, and a pipeline made from a file, through the whole loop beside the others."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.config import PROJECT
from include.perennial import cli
from include.perennial.contracts import Trigger
from include.perennial.monitor.decision import Outcome
from include.perennial.steps.decide import EVALUATION_KINDS, Evaluation
from include.perennial.stores.ledger import EventKind
from tests.stack.conftest import Live

pytestmark = [pytest.mark.stack, pytest.mark.long, pytest.mark.timeout(1500)]

BYSTANDER = "flight_delays"


def run(live: Live, *words: str) -> subprocess.CompletedProcess[str]:
    """What ``make run PIPELINE=…`` runs, in the home of the running stack."""
    env = os.environ | {"PERENNIAL_HOME": str(live.stack.home)}
    command = [sys.executable, "-m", "embedded", "run", *words]
    return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=1400, check=False)


def paused(live: Live) -> dict[str, bool]:
    """Of each DAG of the pipeline that is not asked for."""
    return {
        step: live.airflow.call("GET", f"/dags/{BYSTANDER}.{step}")["is_paused"]
        for step in ("ingest", "train", "score", "monitor")
    }


def test_iris_goes_through_the_loop_and_leaves_the_others_alone(live: Live) -> None:
    for step in ("ingest", "train", "score", "monitor"):
        live.airflow.wait_for_dag(f"{BYSTANDER}.{step}")
    before = paused(live), live.ledger.events(BYSTANDER)

    done = run(live, "iris")

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "iris: 5 weeks, 2024-01-01 to 2024-01-29, of the 5 that its source has" in done.stdout
    assert "The loop closed" in done.stdout
    assert live.ledger.champion("iris") is not None
    assert len(live.ledger.events("iris", [EventKind.MEASURED])) == 1
    assert {run["run_type"] for run in live.airflow.runs("iris.ingest")} == {"backfill", "manual"}
    assert (paused(live), live.ledger.events(BYSTANDER)) == before


def test_a_second_run_finds_the_work_done(live: Live) -> None:
    events = live.ledger.events("iris")

    done = run(live, "iris")

    assert done.returncode == 0, done.stderr[-3000:]
    assert "All of this was done before; nothing was started." in done.stdout
    assert live.ledger.events("iris") == events


def test_training_takes_slots_of_its_pool_only(live: Live) -> None:
    assert live.airflow.call("GET", "/pools/training")["slots"] == 2
    pools = {(task["task_id"], task["pool"]) for task in live.airflow.task_instances("iris.train")}
    assert pools == {
        *((name, "training") for name in ("fit", "judge")),
        *((name, "default_pool") for name in ("plan", "register", "promote")),
    }


def test_a_source_with_too_little_data_is_told_before_anything_starts(live: Live) -> None:
    done = run(live, "iris", "--to", "2024-01-15")

    assert done.returncode == 1
    assert "the source has 3 labelled weeks as asked for" in done.stderr


@pytest.mark.heavy
def test_the_warm_days_of_february_ask_for_a_retrain_of_bike_demand(live: Live) -> None:
    """17 and 18 February 2011 had 20 degrees and twice the riders of the weeks before them."""
    done = run(live, "bike_demand", "--from", "2011-01-01", "--to", "2011-02-18")

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    asked = [
        evaluation
        for event in live.ledger.events("bike_demand", EVALUATION_KINDS)
        if (evaluation := Evaluation.model_validate(event.payload)).decision.outcome is Outcome.ASKED
    ]
    assert [(one.decision.key, one.decision.trigger) for one in asked] == [("2011-02-18", Trigger.DRIFT)]
    assert live.decisions("bike_demand")["2011-02-18"].plan.request.trigger is Trigger.DRIFT


@pytest.mark.heavy
def test_a_pipeline_made_from_a_file_trains_at_once(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(PROJECT / "docs" / "tutorial_data.py"))["main"]("customers.csv")
    words = ["--from", "customers.csv", "--target", "churned", "--time", "signup_date", "--key", "customer_id"]
    assert cli.main(["new", "churn", *words, "--dags", os.environ["PERENNIAL_DAGS"]]) == 0

    done = run(live, "churn")

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert live.ledger.champion("churn") is not None
