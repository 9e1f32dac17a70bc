"""Real servers, one of each for a test session."""

from collections.abc import Iterator

import pytest

from include.perennial.settings import S3Access
from tests import servers


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URI of an MLflow server that also serves the artifacts."""
    with servers.mlflow_server(tmp_path_factory.mktemp("mlflow")) as uri:
        yield uri


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[S3Access, str]]:
    """Access to an S3 server and the name of a bucket on it."""
    with servers.s3_server(tmp_path_factory.mktemp("s3")) as access_and_bucket:
        yield access_and_bucket
