"""Latency of the model server against ``mlflow models serve`` with the same model, on loopback, side by side.

    python -m benchmarks.serve_load [SECONDS] [SOAK_SECONDS]

Ingests flights and trains a champion in a folder of its own, starts both servers on it, and asks them in turns: each
way for SECONDS (default 10), in rounds of one second, so that what else the machine does hits both alike. Ends with
SOAK_SECONDS (default 30) of load on the model server alone and its resident memory before and after.
"""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks.cold_week import Clock, Week
from include.perennial.contracts import PartitionRef
from include.perennial.models import frames
from include.perennial.models.behaviour import positive_probability
from include.perennial.models.model_cache import ModelCache
from include.perennial.partitions import Partition, Period, span

TRAINED = span(*(Partition.of_key(key, Period.WEEK) for key in ("2013-01-07", "2013-03-04")))
WAYS = ((1, 1), (1, 4), (100, 1), (100, 4))  # rows per request, clients at a time
OURS, THEIRS = "perennial serve", "mlflow models serve"


@dataclass
class Server:
    """A running server and what it was asked; ``seconds`` has one entry per request, by way."""

    port: int
    path: str
    pid: int
    bodies: Mapping[int, bytes]
    seconds: dict[tuple[int, int], list[float]] = field(default_factory=lambda: defaultdict(list))

    def ask(self, connection: http.client.HTTPConnection, rows: int) -> bytes:
        """The answer to a request of ``rows`` rows; anything but 200 ends the benchmark."""
        connection.request("POST", self.path, self.bodies[rows], {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{self.path} answered {answer.status}: {said[:200]!r} … {said[-700:]!r}")
        return said

    def load(self, rows: int, clients: int, seconds: float) -> list[float]:
        """Seconds of each request of ``clients``, each of which asks again as soon as it is answered."""
        found: list[list[float]] = [[] for _ in range(clients)]

        def run(mine: list[float]) -> None:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
                self.ask(connection, rows)
                end = time.perf_counter() + seconds
                while (start := time.perf_counter()) < end:
                    self.ask(connection, rows)
                    mine.append(time.perf_counter() - start)

        threads = [threading.Thread(target=run, args=(mine,)) for mine in found]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [one for mine in found for one in mine]

    def resident_mb(self) -> float:
        """Resident memory of the process."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def main(seconds: int, soak_s: int) -> None:
    """Print percentiles of both servers, their ratios, and the memory of a soak."""
    with tempfile.TemporaryDirectory(prefix="perennial-bench-") as home:
        os.environ["PERENNIAL_HOME"] = home
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        week = _trained()
        champion = week.ledger.champion(week.pipeline.spec.name)
        if champion is None:
            raise SystemExit("The gate rejected the model: nothing to serve.")
        cache = ModelCache.open(week.settings, week.tracking.download)
        model, copy = cache.load(champion.model), cache.copy_of(champion.model)
        rows = _rows(week).head(100)
        with _ours(Path(home), rows) as ours, _theirs(Path(home), str(copy), rows) as theirs:
            _require_equal(ours, theirs, positive_probability(model, rows))
            console = Console(width=130)
            console.print(_measured({OURS: ours, THEIRS: theirs}, seconds))
            _soak(ours, soak_s, console)


def _trained() -> Week:
    week, clock = Week("flight_delays"), Clock()
    for partition in [*TRAINED, TRAINED[-1].shift(1)]:
        week.ingest(partition.key, clock)
    week.train(TRAINED[-1].key, clock)
    return week


def _rows(week: Week) -> pd.DataFrame:
    name, key = week.pipeline.spec.name, TRAINED[-1].shift(1).key
    version = week.data.find(name, key)
    if version is None:
        raise SystemExit(f"Partition {key} was not published.")
    ref = PartitionRef(key=version.key, sha256=version.sha256, rows=version.rows)
    [path] = week.data.fetch(name, [ref], version.commit)
    return frames.read_features(path, week.pipeline.spec.data)


def _as_json(rows: pd.DataFrame) -> list[dict[str, Any]]:
    times = rows.select_dtypes("datetimetz").columns
    # Without a zone, which both take for UTC: MLflow refuses moments that have one.
    text = rows.assign(**{name: rows[name].dt.strftime("%Y-%m-%dT%H:%M:%S") for name in times})
    return json.loads(text.to_json(orient="records", double_precision=15))


@contextlib.contextmanager
def _ours(home: Path, rows: pd.DataFrame) -> Iterator[Server]:
    port = _free_port()
    env = {"PERENNIAL_SERVE_PORT": str(port), "PERENNIAL_SERVE_FLUSH_S": "5"}
    bodies = {n: json.dumps({"rows": _as_json(rows.head(n))}).encode() for n in (1, 100)}
    command = [sys.executable, "-m", "include.perennial.cli", "serve", "flight_delays"]
    with _running(command, home / "serve.log", env, f"http://127.0.0.1:{port}/ready") as pid:
        yield Server(port, "/v1/predict/flight_delays", pid, bodies)


@contextlib.contextmanager
def _theirs(home: Path, model: str, rows: pd.DataFrame) -> Iterator[Server]:
    port = _free_port()
    bodies = {n: json.dumps({"dataframe_records": _as_json(rows.head(n))}).encode() for n in (1, 100)}
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "-h", "127.0.0.1", "-p", str(port)]
    with _running(
        [*command, "--env-manager", "local"], home / "mlflow.log", {}, f"http://127.0.0.1:{port}/ping"
    ) as pid:
        yield Server(port, "/invocations", pid, bodies)


@contextlib.contextmanager
def _running(command: list[str], log: Path, env: Mapping[str, str], ready_url: str) -> Iterator[int]:
    # The same for both: threads inside of a prediction would fight with the other requests.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # MLflow looks for uvicorn there
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", **env}
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        deadline = time.monotonic() + 180
        while not _answers(ready_url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(command)} did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.2)
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _require_equal(ours: Server, theirs: Server, expected: np.ndarray) -> None:
    """Both must answer what the model predicts, or their speeds say nothing."""
    for server, read in (
        (ours, lambda said: [one["p"] for one in said["predictions"]]),
        (theirs, lambda said: [one[1] for one in said["predictions"]]),
    ):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
            found = np.array(read(json.loads(server.ask(connection, 100))))
        if not np.allclose(found, expected, atol=1e-9):
            raise SystemExit(f"{server.path} does not answer what the model predicts: {found[:3]} for {expected[:3]}")


def _measured(servers: Mapping[str, Server], seconds: int) -> Table:
    for _ in range(seconds):
        for way in WAYS:
            for server in servers.values():
                server.seconds[way] += server.load(*way, 1.0)
    table = Table("rows", "clients", "server", "requests/s", "p50 ms", "p95 ms", "p99 ms")
    for way in WAYS:
        found = {name: 1000 * np.array(server.seconds[way]) for name, server in servers.items()}
        points = {name: [len(ms) / seconds, *np.percentile(ms, (50, 95, 99))] for name, ms in found.items()}
        for name, values in points.items():
            table.add_row(str(way[0]), str(way[1]), name, f"{values[0]:.0f}", *(f"{value:.1f}" for value in values[1:]))
        ours, theirs = points[OURS], points[THEIRS]
        ratios = [ours[0] / theirs[0], *(their / our for our, their in zip(ours[1:], theirs[1:], strict=True))]
        table.add_row("", "", "times better", *(f"{ratio:.1f}" for ratio in ratios), end_section=True)
    return table


def _soak(server: Server, seconds: int, console: Console) -> None:
    server.load(100, 4, 3.0)
    marks, requests = [server.resident_mb()], 0
    for _ in range(4):
        requests += len(server.load(100, 4, seconds / 4))
        marks.append(server.resident_mb())
    shown = ", ".join(f"{mark:.0f}" for mark in marks)
    console.print(f"Soak: {requests:,} requests of 100 rows in {seconds} s; resident MB at each quarter: {shown}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    main(*(given + [10, 30][len(given) :]))
