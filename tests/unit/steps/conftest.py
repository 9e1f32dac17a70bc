"""An MLflow registry on SQLite, a ledger, and published data, for the steps that train, register and promote."""

from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from include.perennial.pipeline_folder import Pipeline
from include.perennial.settings import Settings
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.tracking.client import connect
from include.perennial.stores.tracking.registry import Registry
from include.perennial.stores.tracking.runs import Tracking
from tests.closed_loop import Loop, build, copied
from tests.promotions import StoredModel, store_model
from tests.training_runs import Data, make_toy, publish_weeks


@pytest.fixture(scope="session")
def mlflow_client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    home = tmp_path_factory.mktemp("mlflow")
    client = connect(Settings.from_env({"PERENNIAL_HOME": str(home)}))
    client.create_experiment("models", artifact_location=str(home / "artifacts"))
    return client


@pytest.fixture(scope="session")
def models(mlflow_client: MlflowClient) -> Registry:
    return Registry(mlflow_client)


@pytest.fixture(scope="session")
def stored(mlflow_client: MlflowClient) -> StoredModel:
    return store_model(mlflow_client)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def weeks(toy: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Seven published weeks of ``toy``."""
    return publish_weeks(tmp_path_factory.mktemp("weeks"), toy, 7)


@pytest.fixture
def runs(mlflow_client: MlflowClient, tmp_path: Path) -> Tracking:
    # What MLflow resolves models:/ addresses by is global; another test may have left its own.
    mlflow.set_tracking_uri(mlflow_client.tracking_uri)
    mlflow.set_registry_uri(mlflow_client.tracking_uri)
    return Tracking(mlflow_client, tmp_path / "artifacts")


@pytest.fixture(scope="session")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    """A closed loop with champions 1, 2 and 3, of which 3 reigns; not to be changed."""
    return build(tmp_path_factory.mktemp("closed"))


@pytest.fixture
def loop(closed: Loop, tmp_path: Path) -> Loop:
    """The same, to be changed."""
    return copied(closed, tmp_path)
