"""Where the outside systems are. Read from the environment once per process, never from a pipeline.

The same pipeline runs on a laptop (folders under ``PERENNIAL_HOME``, SQLite) and in
production (S3, PostgreSQL): only these settings differ.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]


def connection_variable(conn_id: str) -> str:
    """The environment variable in which Airflow looks for a connection."""
    return f"AIRFLOW_CONN_{conn_id.upper()}"


@dataclass(frozen=True)
class S3Access:
    """Credentials of an S3 endpoint. ``None`` means boto3's own lookup (environment, profile, role)."""

    endpoint_url: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    region: str | None = None

    def __repr__(self) -> str:
        return f"S3Access(endpoint_url={self.endpoint_url!r}, access_key_id=…, secret_access_key=…)"


@dataclass(frozen=True)
class Settings:
    """Addresses of every store.

    ``home``            local state folder: caches, workspaces, embedded defaults
    ``store_url``       object store for snapshots, quarantine, reports and work files: a path or ``s3://bucket/prefix``
    ``ledger_url``      SQLAlchemy URL of the ledger database
    ``tracking_uri``    MLflow tracking server
    ``data_registry``   Git URL or path of the data registry (a bare repository)
    ``dvc_remote``      DVC remote: a path or ``s3://bucket/prefix``
    ``pipelines``       folder that holds the pipeline folders
    ``s3``              access to S3 for all of the above
    """

    home: Path
    store_url: str
    ledger_url: str
    tracking_uri: str
    data_registry: str
    dvc_remote: str
    pipelines: Path
    s3: S3Access = S3Access()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Build the settings from ``PERENNIAL_*``, ``MLFLOW_TRACKING_URI`` and ``AWS_*`` variables."""
        env = os.environ if environ is None else environ
        home = Path(env.get("PERENNIAL_HOME", PROJECT_ROOT / ".state")).resolve()
        return cls(
            home=home,
            store_url=env.get("PERENNIAL_STORE", str(home / "store")),
            ledger_url=env.get("PERENNIAL_LEDGER", f"sqlite:///{home / 'ledger.db'}"),
            tracking_uri=env.get("MLFLOW_TRACKING_URI", f"sqlite:///{home / 'mlflow.db'}"),
            data_registry=env.get("PERENNIAL_DATA_REGISTRY", str(home / "data-registry.git")),
            dvc_remote=env.get("PERENNIAL_DVC_REMOTE", str(home / "dvc-remote")),
            pipelines=Path(env.get("PERENNIAL_PIPELINES", PROJECT_ROOT / "include" / "pipelines")),
            s3=S3Access(
                endpoint_url=env.get("AWS_ENDPOINT_URL"),
                access_key_id=env.get("AWS_ACCESS_KEY_ID"),
                secret_access_key=env.get("AWS_SECRET_ACCESS_KEY"),
                region=env.get("AWS_DEFAULT_REGION"),
            ),
        )
