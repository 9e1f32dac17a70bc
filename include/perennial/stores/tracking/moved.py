"""MLflow's database after a move to another folder."""

import sqlite3
from contextlib import closing
from pathlib import Path

# An MLflow server notes addresses of its own (mlflow-artifacts:/…); MLflow on a file, without one, notes paths.
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def rename_artifacts(database: Path, old: str, new: str) -> None:
    """Let every address in the file ``database`` that lies in folder ``old`` lie in ``new``."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, column in _ADDRESSES:
            for before, after in ((old, new), (Path(old).as_uri(), Path(new).as_uri())):
                n = len(before)
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 - names from above
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (after, n + 1, before, n + 1, f"{before}/"),
                )
