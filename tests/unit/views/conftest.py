"""``toy`` with a ledger of its own."""

from pathlib import Path

import pytest

from include.perennial.settings import Settings
from include.perennial.stores.ledger import Ledger
from tests.evaluations import Monitored
from tests.histories import History
from tests.training_runs import make_toy


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    make_toy(tmp_path)
    home = {"PERENNIAL_HOME": str(tmp_path / "home"), "PERENNIAL_PIPELINES": str(tmp_path / "pipelines")}
    return Settings.from_env(home)


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    return Ledger.open(settings.ledger_url)


@pytest.fixture
def history(ledger: Ledger) -> History:
    return History("toy", ledger)


@pytest.fixture
def world(tmp_path: Path, history: History) -> Monitored:
    """The monitor's side of the same history."""
    from include.perennial.pipeline_folder import load_pipeline

    return Monitored(load_pipeline("toy", tmp_path / "pipelines"), history.ledger)
