"""An MLflow registry on SQLite and a ledger, for the steps that register and promote."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from include.perennial.settings import Settings
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.tracking.client import connect
from include.perennial.stores.tracking.registry import Registry
from tests.promotions import StoredModel, store_model


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
