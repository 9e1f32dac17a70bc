"""Load times of the page with a long history, beside the same pages with a short one.

    python -m benchmarks.page_load [DECISIONS]

Copies the home of a finished `make run`, tells its ledger DECISIONS more training runs (default 500) and as many
measured partitions, by repeating the recorded ones under later weeks, starts Airflow and MLflow on both in turn, and
asks each page ten times as a logged-in user. Milliseconds from request to last byte.
"""

import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from embedded import processes
from embedded.airflow_api import Airflow
from embedded.config import Stack, default_home, open_stack, with_free_ports
from include.perennial.partitions import Partition, Period
from include.perennial.stores.ledger import Event, EventKind, Ledger

NAME, REPEATS = "flight_delays", 10
PAGES = {
    "overview": "/continuous-training/",
    "pipeline with its timeline": f"/continuous-training/pipelines/{NAME}",
    "one decision": f"/continuous-training/decisions/{NAME}/1",
}


def main(n: int) -> None:
    """Print both histories side by side."""
    home = default_home()
    if not (home / "ledger.db").exists():
        raise SystemExit(f"There is no ledger in {home}: `make run` first.")
    table = Table("page", "decisions", "KB", "median ms", "slowest ms")
    with tempfile.TemporaryDirectory(prefix="perennial-bench-") as folder:
        for more in (0, n):
            copy = Path(folder) / str(more)
            shutil.copytree(home, copy, symlinks=True, ignore=shutil.ignore_patterns("processes.json", "logs", "bench"))
            ledger = Ledger.open(f"sqlite:///{copy / 'ledger.db'}")
            _lengthen(ledger, more)
            _measure(with_free_ports(open_stack(copy)), len(ledger.events(NAME, [EventKind.JUDGED])), table)
    Console(width=100).print(table)


def _lengthen(ledger: Ledger, more: int) -> None:
    """``more`` rejected training runs and measured partitions after the recorded ones."""
    judged = ledger.events(NAME, [EventKind.JUDGED])
    measured = ledger.events(NAME, [EventKind.MEASURED])
    last = Partition.of_key(max(str(event.payload["key"]) for event in measured), Period.WEEK)
    for n in range(more):
        key = last.shift(n + 1).key
        payload = _renamed(judged[n % len(judged)], f"copy-{n}")
        payload["plan"] |= {"as_of": key}
        ledger.append(NAME, EventKind.JUDGED, f"copy-{n}", payload, "benchmark")
        source = measured[n % len(measured)]
        ledger.append(NAME, EventKind.MEASURED, f"copy-{n}", source.payload | {"key": key}, "benchmark")


def _renamed(event: Event, run_key: str) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(json.dumps(event.payload).replace(event.key, run_key))
    return payload


def _measure(stack: Stack, decisions: int, table: Table) -> None:
    with processes.running_stack(stack):
        airflow = Airflow(stack)
        for title, path in PAGES.items():
            times = []
            for _ in range(REPEATS):
                started = time.perf_counter()
                reply = airflow.get(f"{stack.airflow_url}{path}")
                times.append(1000 * (time.perf_counter() - started))
                reply.raise_for_status()
            size = len(reply.content) / 1024
            table.add_row(
                title, f"{decisions:,}", f"{size:,.0f}", f"{statistics.median(times):.0f}", f"{max(times):.0f}"
            )


if __name__ == "__main__":
    processes.stop_on_terminate()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
