"""What docs/tutorial.md tells a newcomer to type makes a pipeline that is ready, and a champion."""

import runpy
import shlex
from pathlib import Path

import pytest

from embedded.config import PROJECT
from embedded.plan import choose
from include.perennial import cli
from include.perennial.contracts import TrainingRequest, Trigger
from include.perennial.partitions import Partition, span
from include.perennial.pipeline_folder import load_pipeline
from include.perennial.settings import Settings
from include.perennial.sources import EnvironmentConnections
from include.perennial.steps.fit import fit_candidate
from include.perennial.steps.judge import judge, rejudge
from include.perennial.steps.plan import NotReady, plan_training
from include.perennial.steps.promote import promote
from include.perennial.steps.register import register
from include.perennial.steps.snapshot import take_snapshot
from include.perennial.steps.validate import validate
from include.perennial.steps.version import publish_partition
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.tracking.registry import Registry
from include.perennial.stores.tracking.runs import Tracking
from tests.documents import commands_of

COMMANDS = commands_of(PROJECT / "docs" / "tutorial.md")
OPTIONS = {"FROM": "--from", "TARGET": "--target", "TIME": "--time", "KEY": "--key"}


@pytest.mark.long
def test_the_tutorial_ends_with_a_champion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("STORE", "LEDGER", "DATA_REGISTRY", "DVC_REMOTE"):
        monkeypatch.delenv(f"PERENNIAL_{name}", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PERENNIAL_PIPELINES", str(tmp_path / "pipelines"))
    (tmp_path / "dags").mkdir()
    runpy.run_path(str(PROJECT / "docs" / "tutorial_data.py"))["main"]("customers.csv")

    assert cli.main([*_new(), "--dags", str(tmp_path / "dags")]) == 0
    assert cli.main(["check", "churn"]) == 0
    assert "churn is ready to run." in capsys.readouterr().out

    settings = Settings.from_env()
    _loop(settings)
    champion = Ledger.open(settings.ledger_url).champion("churn")
    assert champion
    assert champion.version == "1"


def _new() -> list[str]:
    """The tutorial's ``make new`` as the command that the Makefile makes of it."""
    [line] = [line for line in COMMANDS if line.startswith("make new ")]
    given = dict(word.split("=", 1) for word in shlex.split(line)[2:])
    options = [[OPTIONS[name], value] for name, value in given.items() if name != "NAME"]
    return ["new", given["NAME"], *(word for pair in options for word in pair)]


def _loop(settings: Settings) -> None:
    """Ingest and train by the steps of the DAGs, as of the last week that `make run` trains as of."""
    assert "make run PIPELINE=churn" in COMMANDS
    pipeline = load_pipeline("churn", settings.pipelines)
    newest = Partition.of_key(choose(pipeline).trained[-1], pipeline.spec.period)
    store, data, ledger = ObjectStore.open(settings), DataRegistry.open(settings), Ledger.open(settings.ledger_url)
    tracking, models = Tracking.open(settings), Registry.open(settings)
    for partition in span(newest.shift(-8), newest):
        snapshot = take_snapshot(pipeline, partition, store, EnvironmentConnections(settings))
        publish_partition(validate(pipeline, snapshot, store), store, data, ledger)
    request = TrainingRequest(pipeline="churn", as_of=newest.key, trigger=Trigger.MANUAL)
    plan = plan_training(request, pipeline, data)
    assert not isinstance(plan, NotReady), plan
    fits = [fit_candidate(plan, name, pipeline, data, tracking) for name in plan.candidates]
    stores = {"registry": data, "store": store, "tracking": tracking, "ledger": ledger}
    decision = judge(plan, fits, pipeline, **stores)
    registration = register(decision, ledger, models)
    assert registration, decision.judgement.sentence
    promote(
        *(registration, decision, ledger, models),
        lambda late, champion: rejudge(late, champion, pipeline, **stores),
        actor="tutorial",
    )
