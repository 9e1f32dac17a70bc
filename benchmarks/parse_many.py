"""What many pipelines cost the DAG processor: seconds and memory of parsing 1, 10 and 100 pipeline folders.

    python -m benchmarks.parse_many [N ...]

Each N gets N copies of the example's folder and DAG file in a scratch place. They are parsed twice: by a DagBag in one
process of its own, which gives seconds and megabytes per pipeline; and by ``airflow dag-processor`` with Airflow's
defaults, every file once, each in a process of its own, which gives the time of a pass and the memory at its peak.
"""

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from embedded.config import PROJECT, environment, open_stack

EXAMPLE = "flight_delays"
_DAGS_PER_PIPELINE = 5
_IN_ONE_PROCESS = """
import json, psutil, sys, time
from airflow.dag_processing.dagbag import DagBag
import perennial_dags
before, start = psutil.Process().memory_info().rss, time.perf_counter()
bag = DagBag(sys.argv[1])
seconds, after = time.perf_counter() - start, psutil.Process().memory_info().rss
slowest = max(one.duration.total_seconds() for one in bag.dagbag_stats)
print("RESULT" + json.dumps([len(bag.dags), bag.import_errors, seconds, (after - before) / 1e6, slowest]))
"""


@dataclass(frozen=True)
class Parsed:
    """Of one number of pipelines: in one process, and by the DAG processor."""

    n: int
    seconds: float
    megabytes: float
    slowest_file_s: float
    pass_s: float
    pass_cpu_s: float
    peak_mb: float


def main(counts: list[int]) -> None:
    """Print the table."""
    table = Table("pipelines", "s each", "slowest file, s", "MB each", "pass, s", "CPU s each", "peak, MB")
    for n in counts:
        with tempfile.TemporaryDirectory(prefix="perennial-bench-") as scratch:
            one = _measure(n, Path(scratch))
        table.add_row(
            *(str(n), f"{one.seconds / n:.3f}", f"{one.slowest_file_s:.2f}", f"{one.megabytes / n:.2f}"),
            *(f"{one.pass_s:.1f}", f"{one.pass_cpu_s / n:.2f}", f"{one.peak_mb:,.0f}"),
        )
    Console(width=120).print(table)


def write_pipelines(n: int, pipelines: Path, dags: Path) -> None:
    """``n`` valid pipeline folders and their DAG files, copies of the example under names of their own."""
    shutil.copytree(PROJECT / "dags" / "perennial_dags", dags / "perennial_dags")
    shutil.copy(PROJECT / "dags" / ".airflowignore", dags)
    for i in range(n):
        name = f"pipeline_{i:03}"
        folder = shutil.copytree(PROJECT / "include" / "pipelines" / EXAMPLE, pipelines / name)
        spec = (folder / "pipeline.yaml").read_text()
        (folder / "pipeline.yaml").write_text(spec.replace(f"name: {EXAMPLE}\n", f"name: {name}\n"))
        text = (PROJECT / "dags" / f"{EXAMPLE}.py").read_text()
        (dags / f"{name}.py").write_text(text.replace(EXAMPLE, name))


def _measure(n: int, scratch: Path) -> Parsed:
    pipelines, dags = scratch / "pipelines", scratch / "dags"
    write_pipelines(n, pipelines, dags)
    database = scratch / "airflow.db"
    env = environment(open_stack(scratch / "home")) | {
        "PERENNIAL_PIPELINES": str(pipelines),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}",
        "PYTHONPATH": f"{PROJECT}:{dags}",
        # The embedded stack looks more often than Airflow does by itself; here its own defaults count.
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "300",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
    }
    command = [sys.executable, "-c", _IN_ONE_PROCESS, str(dags)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    n_dags, errors, seconds, megabytes, slowest = json.loads(done.stdout.rpartition("RESULT")[2])
    _require(n_dags, n, errors)
    subprocess.run([_airflow(), "db", "migrate"], env=env, capture_output=True, check=True)
    pass_s, cpu_s, peak = _one_pass(env)
    with sqlite3.connect(database) as connection:
        _require(connection.execute("SELECT count(*) FROM dag").fetchone()[0], n, {})
    return Parsed(n, seconds, megabytes, slowest, pass_s, cpu_s, peak)


def _one_pass(env: dict[str, str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds of all processes, and the peak of their memory together (PSS, MB)."""
    before, start = _cpu_of_children(), time.perf_counter()
    process = subprocess.Popen(
        [_airflow(), "dag-processor", "--num-runs", "1"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    peaks = [0.0]
    watcher = threading.Thread(target=_watch, args=(process, peaks), daemon=True)
    watcher.start()
    if process.wait(timeout=1800):
        raise SystemExit(f"airflow dag-processor ended with {process.returncode}.")
    wall = time.perf_counter() - start
    watcher.join()
    return wall, _cpu_of_children() - before, max(peaks)


def _watch(process: subprocess.Popen[bytes], peaks: list[float]) -> None:
    while process.poll() is None:
        peaks.append(_memory_mb(process.pid))
        time.sleep(0.5)


def _memory_mb(pid: int) -> float:
    total = 0
    try:
        parent = psutil.Process(pid)
        for one in (parent, *parent.children(recursive=True)):
            total += one.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return 0.0  # a file's process has just ended; the next look sees the rest
    return total / 1e6


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _airflow() -> str:
    return str(Path(sys.executable).with_name("airflow"))


def _require(n_dags: int, n: int, errors: dict[str, str]) -> None:
    if n_dags != n * _DAGS_PER_PIPELINE or errors:
        raise SystemExit(f"{n_dags} DAGs of {n} pipelines, import errors: {errors}")


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    main([int(word) for word in sys.argv[1:]] or [1, 10, 100])
