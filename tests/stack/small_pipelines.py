"""Small pipelines that live in the present: what their schedules ask for is there, and is quickly trained on."""

import runpy
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from embedded.airflow_api import Airflow
from include.perennial.monitor.measurement import Measurement
from include.perennial.partitions import Partition
from include.perennial.stores.ledger import EventKind, Ledger
from tests.training_runs import FEATURES, SPEC

ROWS = 300
SOURCE = """
from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 300


def deliver(partition, folder, without=(), late=None):
    if late and partition.key == late["key"] and not Path(late["until"]).exists():
        raise FileNotFoundError(f"{partition.key} has not arrived")
    frame_of(partition).drop(columns=list(without)).to_csv(folder / "rows.csv", index=False)


def assemble(partition, folder):
    return pd.read_csv(folder / "rows.csv", parse_dates=["at"]).astype({"noise": "Int64"})


def frame_of(partition):
    random = np.random.default_rng(partition.ordinal)
    signal = random.normal(size=ROWS)
    seconds = np.linspace(0, partition.length.total_seconds() - 1, ROWS).astype(int)
    return pd.DataFrame(
        {
            "at": pd.Timestamp(partition.start_utc) + pd.to_timedelta(seconds, "s"),
            "id": [f"{partition.key}-{i}" for i in range(ROWS)],
            "group": random.choice(["a", "b", "c"], ROWS),
            "signal": signal,
            "noise": random.integers(0, 9, ROWS),
            "label": (random.random(ROWS) < 1 / (1 + np.exp(-2 * signal))).astype(int),
        }
    )
"""


@dataclass(frozen=True)
class Small:
    """One of them, in ``folder``. ``newest`` is the partition that its schedules are about now."""

    name: str
    newest: Partition
    folder: Path

    def key(self, n: int) -> str:
        """Key of the partition ``n`` periods after the newest."""
        return self.newest.shift(n).key

    def rows(self, n: int) -> pd.DataFrame:
        """What its source knows of that partition, labels and all."""
        found: pd.DataFrame = runpy.run_path(str(self.folder / "source.py"))["frame_of"](self.newest.shift(n))
        return found

    @property
    def late(self) -> dict[str, str]:
        """Option of its source: the newest partition is not delivered until ``arrive``."""
        return {"key": self.newest.key, "until": str(self.folder / "arrived")}

    def arrive(self) -> None:
        """From now on the partition that is ``late`` is delivered."""
        (self.folder / "arrived").touch()

    def write(self, dags: Path, ingest: str, train: str, options: dict[str, Any], **sections: Any) -> None:
        """Its folder and its DAG file.

        Args:
            ingest, train: its cron expressions.
            options: of its source: columns that its rows are ``without``, what is ``late``.
            sections: of its spec, instead of the usual ones.
        """
        self.folder.mkdir(exist_ok=True)
        spec: dict[str, Any] = SPEC | {
            "name": self.name,
            "period": self.newest.period.value,
            "schedule": {"ingest": ingest, "train": train, "start": self.newest.shift(-8).start_utc.date()},
            "source": {"kind": "python", "options": options},
            "window": {"partitions": 2},
            "candidates": {"logistic": SPEC["candidates"]["logistic"]},
            "monitor": {"drift": {"min_rows": 50}, "performance": {"min_rows": 50}, "policy": {"ask_on": []}},
        }
        (self.folder / "pipeline.yaml").write_text(yaml.safe_dump(spec | sections, sort_keys=False))
        (self.folder / "features.py").write_text(FEATURES)
        (self.folder / "expectations.py").write_text("BATCH = []\nROWS = []\n")
        (self.folder / "source.py").write_text(SOURCE)
        (dags / f"{self.name}.py").write_text((dags / "iris.py").read_text().replace("iris", self.name))


@dataclass(frozen=True)
class Outcomes:
    """A second source in ``path``: a table of labels that is empty until somebody tells them."""

    path: Path
    connection: str

    @classmethod
    def made(cls, path: Path, connection: str, airflow: Airflow) -> "Outcomes":
        """The empty table, and Airflow's connection to it."""
        body = {"connection_id": connection, "conn_type": "sqlite", "host": str(path)}
        airflow.call("POST", "/connections", json=body)
        outcomes = cls(path, connection)
        outcomes._write("CREATE TABLE outcomes (id TEXT, at TIMESTAMP, label INTEGER)", [()])
        return outcomes

    def data(self, label_delay: int) -> dict[str, Any]:
        """Section ``data`` of a pipeline whose labels are here, that many periods after its rows."""
        query = "SELECT id, label FROM outcomes WHERE at >= :start AND at < :end"
        source = {"kind": "sql", "connection": self.connection, "query": query}
        return SPEC["data"] | {"label_delay_periods": label_delay, "labels": {"source": source}}

    def tell(self, small: Small, first: int, last: int) -> None:
        """The labels of a range of partitions, counted from the newest."""
        for n in range(first, last + 1):
            rows = small.rows(n)
            at = rows["at"].dt.strftime("%Y-%m-%d %H:%M:%S")
            told = list(zip(rows["id"], at, rows["label"].tolist(), strict=True))
            self._write("INSERT INTO outcomes VALUES (?, ?, ?)", told)

    def _write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.executemany(statement, rows)
        connection.close()


def measured(ledger: Ledger, small: Small, n: int) -> list[Measurement]:
    """What the ledger has of a partition, oldest first."""
    events = ledger.events(small.name, [EventKind.MEASURED])
    found = [Measurement.model_validate(event.payload) for event in events]
    return [one for one in found if one.key == small.key(n)]
