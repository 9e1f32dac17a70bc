"""deploy/backup.sh and restore.sh against real PostgreSQL, S3 and Git: what was there is there again."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.perennial.s3 import S3Folder
from include.perennial.settings import PROJECT_ROOT, S3Access
from include.perennial.stores.ledger import EventKind, Ledger
from tests.closed_loop import git
from tests.promotions import registration
from tests.servers import postgres_server

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def postgres() -> Iterator[sa.URL]:
    with postgres_server() as url:
        yield sa.make_url(url)


def sql(url: sa.URL | str, statement: str) -> list[tuple]:
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        done = connection.exec_driver_sql(statement)
        return [tuple(row) for row in done] if done.returns_rows else []


def stack(name: str, postgres: sa.URL, s3: tuple[S3Access, str], tmp_path: Path) -> dict[str, str]:
    """Variables of a production stack with stores of its own, all empty."""
    access, bucket = s3
    for database in ("ledger", "mlflow"):
        sql(postgres, f"CREATE DATABASE {name}_{database}")
    git(tmp_path, "init", "--quiet", "--bare", "-b", "main", str(tmp_path / f"{name}.git"))
    return {
        "PERENNIAL_LEDGER": postgres.set(database=f"{name}_ledger").render_as_string(hide_password=False),
        "PERENNIAL_DATA_REGISTRY": str(tmp_path / f"{name}.git"),
        "PERENNIAL_DVC_REMOTE": f"s3://{bucket}/{name}/dvc",
        "PERENNIAL_STORE": f"s3://{bucket}/{name}/store",
        "MLFLOW_BACKEND_STORE_URI": postgres.set(database=f"{name}_mlflow").render_as_string(hide_password=False),
        "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{bucket}/{name}/mlflow",
        "AWS_ENDPOINT_URL": str(access.endpoint_url),
        "AWS_ACCESS_KEY_ID": str(access.access_key_id),
        "AWS_SECRET_ACCESS_KEY": str(access.secret_access_key),
        "AWS_DEFAULT_REGION": str(access.region),
    }


def run(script: str, folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {"PATH": path, "HOME": str(folder.parent), "PYTHON": sys.executable, **variables}
    command = [str(PROJECT_ROOT / "deploy" / script), str(folder)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_what_was_saved_comes_back_elsewhere(postgres: sa.URL, s3_server: tuple[S3Access, str], tmp_path: Path) -> None:
    old, new = (stack(name, postgres, s3_server, tmp_path) for name in ("old", "new"))
    ledger = Ledger.open(old["PERENNIAL_LEDGER"])
    ledger.append("flights", EventKind.JUDGED, "ключ", {"text": "Zürich ✈"}, "tester")
    given = registration("flights", "1")
    ledger.promote(given, "digest", None, reason="", actor="tester", key="k", evidence={})
    sql(old["MLFLOW_BACKEND_STORE_URI"], "CREATE TABLE experiments AS SELECT 7 AS experiment_id")
    git(tmp_path, "clone", "--quiet", old["PERENNIAL_DATA_REGISTRY"], "work")
    git(tmp_path / "work", "commit", "--quiet", "--allow-empty", "-m", "data")
    git(tmp_path / "work", "push", "--quiet", "origin", "HEAD:main")
    access, _ = s3_server
    places = ("PERENNIAL_DVC_REMOTE", "PERENNIAL_STORE", "MLFLOW_ARTIFACTS_DESTINATION")
    for place in places:
        (tmp_path / "bytes").write_bytes(os.urandom(1000))
        with (tmp_path / "bytes").open("rb") as stream:
            S3Folder.open(old[place], access).put("a/b.bin", stream)
    backup = tmp_path / "backup"

    saved = run("backup.sh", backup, old)
    assert saved.returncode == 0, saved.stderr
    restored = run("restore.sh", backup, new)
    assert restored.returncode == 0, restored.stderr

    again = Ledger.open(new["PERENNIAL_LEDGER"])
    assert again.events("flights") == ledger.events("flights")
    assert again.verify(anchors=[ledger.head("flights")]) == []
    assert again.append("flights", EventKind.JUDGED, "next", {}, "tester").seq == 3
    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        sql(new["PERENNIAL_LEDGER"], "DELETE FROM events")
    assert sql(new["MLFLOW_BACKEND_STORE_URI"], "SELECT * FROM experiments") == [(7,)]
    heads = [git(Path(one["PERENNIAL_DATA_REGISTRY"]), "rev-parse", "main") for one in (old, new)]
    assert heads[0] == heads[1]
    for place in places:
        copies = [tmp_path / name for name in ("before", "after")]
        for copy, variables in zip(copies, (old, new), strict=True):
            with copy.open("wb") as stream:
                S3Folder.open(variables[place], access).get("a/b.bin", stream)
        assert copies[0].read_bytes() == copies[1].read_bytes()

    twice = run("restore.sh", backup, new)
    assert (twice.returncode, "nothing is ever overwritten" in twice.stderr) == (1, True)
    (backup / "ledger.dump").write_bytes(b"damaged")
    damaged = run("restore.sh", backup, new)
    assert (damaged.returncode, "ledger.dump: FAILED" in damaged.stdout + damaged.stderr) == (1, True)
    assert run("backup.sh", backup, old).returncode == 1


def test_a_dump_that_fails_is_no_backup(postgres: sa.URL, s3_server: tuple[S3Access, str], tmp_path: Path) -> None:
    variables = stack("broken", postgres, s3_server, tmp_path)
    Ledger.open(variables["PERENNIAL_LEDGER"])
    variables["MLFLOW_BACKEND_STORE_URI"] += "_nowhere"

    failed = run("backup.sh", tmp_path / "backup", variables)

    assert failed.returncode != 0
    assert not (tmp_path / "backup" / "SHA256SUMS").exists()
    assert run("restore.sh", tmp_path / "backup", variables).returncode == 1
