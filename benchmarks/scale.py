"""Seconds and peak memory of each step for one partition of 0.3, 3 and 30 million rows, and how they grow.

    python -m benchmarks.scale --rows 300000 3000000 30000000 [--home FOLDER]

Trains a champion on four small weeks, then takes one week of so many rows through every step, each step in a process of
its own: its peak resident memory is what the operating system counted, Python and all libraries included. Needs about
15 GB of disk for 30 million rows below ``--home`` (default: a temporary folder), and removes it at the end.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks import scale_world
from benchmarks.cold_week import Clock, Week
from include.perennial.contracts import PartitionRef, Snapshot, Validated
from include.perennial.models import frames
from include.perennial.models.model_cache import ModelCache
from include.perennial.partitions import Partition, Period, span
from include.perennial.sources import SettingsConnections
from include.perennial.steps.describe_partition import describe_partition
from include.perennial.steps.measure import measure_partition
from include.perennial.steps.score import score_partition
from include.perennial.steps.snapshot import take_snapshot
from include.perennial.steps.validate import validate
from include.perennial.steps.version import publish_partition
from include.perennial.tables import to_frame

TRAINED = span(*(Partition.of_key(key, Period.WEEK) for key in ("2024-01-01", "2024-01-29")))
SMALL_ROWS = 20_000
Result = dict[str, Any]
Step = Callable[[Week, Partition, Path], str]


def main(sizes: list[int], home: Path) -> None:
    """Run everything and print the table."""
    os.environ |= {"PERENNIAL_HOME": str(home / "state"), "PERENNIAL_PIPELINES": str(home / "pipelines")}
    os.environ |= {"TMPDIR": str(home / "scratch")}
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    for folder in ("deliveries", "scratch"):
        (home / folder).mkdir(parents=True)
    scale_world.write_pipeline(home / "pipelines" / scale_world.NAME, home / "deliveries")
    console = Console(width=160)
    _run("prepare", SMALL_ROWS, 1, home)
    found: dict[str, list[Result]] = {name: [] for name in ("start", *_STEPS)}
    for n, rows in enumerate(sizes):
        _run("generate", rows, n + 2, home)
        for name, results in found.items():
            results.append(_run(name, rows, n + 2, home))
            told = results[-1]
            numbers = f"{told['seconds']:8.1f} s {told['cpu_s']:8.1f} s of CPU {told['peak_mb']:8,.0f} MB"
            console.print(f"{rows:>12,} rows  {name:<9} {numbers}  {told['said']}")
    console.print(_table(sizes, found))


def _run(step: str, rows: int, week: int, home: Path) -> Result:
    command = [sys.executable, "-m", "benchmarks.scale", "--step", step, "--week", str(week)]
    done = subprocess.run([*command, "--rows", str(rows), "--home", str(home)], stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _table(sizes: list[int], found: dict[str, list[Result]]) -> Table:
    table = Table(
        "step", *(f"{rows:,} rows: s (CPU s), MB" for rows in sizes), *(f"x{b / a:g} rows" for a, b in pairwise(sizes))
    )
    for name, results in found.items():
        cells = [f"{one['seconds']:.1f} s ({one['cpu_s']:.1f}), {one['peak_mb']:,.0f} MB" for one in results]
        table.add_row(name, *cells, *(_slope(*pair) for pair in pairwise(results)))
    return table


def _slope(a: Result, b: Result) -> str:
    return f"x{b['seconds'] / a['seconds']:.1f} time, x{b['peak_mb'] / a['peak_mb']:.1f} memory"


def step(name: str, rows: int, week: int, home: Path) -> None:
    """One step in this process; prints one line of JSON."""
    partition, opened = TRAINED[-1].shift(week), Week(scale_world.NAME)
    started = time.perf_counter()
    if name == "generate":
        scale_world.write_delivery(home / "deliveries" / f"{partition.key}.parquet", partition, rows)
        said = ""
    elif name == "prepare":
        said = _prepare(opened, rows, home)
    else:
        # Threads that wait for each other measure the other work of the machine.
        with threadpool_limits(limits=1):
            said = "" if name == "start" else _STEPS[name](opened, partition, home)
    seconds, used = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    told = {"seconds": seconds, "cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1000, "said": said}
    print(json.dumps(told))
    with (home / "steps.jsonl").open("a") as log:
        log.write(json.dumps({"step": name, "rows": rows, **told}) + "\n")


def _prepare(week: Week, rows: int, home: Path) -> str:
    """A champion with its calibration, and nothing left to fetch."""
    unscored = TRAINED[-1].shift(1)
    for partition in (*TRAINED, unscored):
        scale_world.write_delivery(home / "deliveries" / f"{partition.key}.parquet", partition, rows)
        for one in (_ingest, _validate, _version):
            one(week, partition, home)
    week.train(TRAINED[-1].key, Clock())
    if week.ledger.champion(scale_world.NAME) is None:
        raise SystemExit("The gate rejected the model: nothing to score with.")
    _score(week, unscored, home)
    return _drift(week, unscored, home)


def _ingest(week: Week, partition: Partition, home: Path) -> str:
    snapshot = take_snapshot(week.pipeline, partition, week.objects, SettingsConnections(week.settings))
    (home / "snapshot.json").write_text(snapshot.model_dump_json())
    return f"{snapshot.rows:,} rows delivered"


def _validate(week: Week, partition: Partition, home: Path) -> str:
    validated = validate(
        week.pipeline, Snapshot.model_validate_json((home / "snapshot.json").read_text()), week.objects
    )
    (home / "validated.json").write_text(validated.model_dump_json())
    return f"{validated.rows:,} rows valid, set aside {validated.quarantine_reasons}"


def _version(week: Week, partition: Partition, home: Path) -> str:
    validated = Validated.model_validate_json((home / "validated.json").read_text())
    version = publish_partition(validated, week.objects, week.data, week.ledger)
    describe_partition(week.pipeline, validated, version, ledger=week.ledger, store=week.objects)
    return f"{version.n_bytes / 1e6:,.0f} MB of Parquet"


def _features(week: Week, partition: Partition, home: Path) -> str:
    champion, version = week.ledger.champion(scale_world.NAME), week.data.find(scale_world.NAME, partition.key)
    if champion is None or version is None:
        raise SystemExit("There is no champion, or no partition.")
    model = ModelCache.open(week.settings, week.tracking.download).load(champion.model)
    ref = PartitionRef(key=version.key, sha256=version.sha256, rows=version.rows)
    [path] = week.data.fetch(version.pipeline, [ref], version.commit)
    rows = frames.features_in_blocks(path, week.pipeline.spec.data)
    columns = [model[:-1].transform(to_frame(table, rows.with_nulls)).shape for table in rows.tables()]
    return f"{columns[0][1]} features of {sum(n for n, _ in columns):,} rows"


def _score(week: Week, partition: Partition, home: Path) -> str:
    return score_partition(week.pipeline, partition.key, **_stores(week)).sentence


def _drift(week: Week, partition: Partition, home: Path) -> str:
    return measure_partition(week.pipeline, partition.key, **_stores(week)).measurement.sentence


def _stores(week: Week) -> dict[str, Any]:
    models = ModelCache.open(week.settings, week.tracking.download)
    return {"registry": week.data, "store": week.objects, "ledger": week.ledger, "models": models}


_STEPS: dict[str, Step] = {
    "ingest": _ingest,
    "validate": _validate,
    "version": _version,
    "features": _features,
    "score": _score,
    "drift": _drift,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[300_000, 3_000_000, 30_000_000])
    parser.add_argument("--home", type=Path)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--week", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        step(given.step, given.rows[0], given.week, given.home)
    else:
        with tempfile.TemporaryDirectory(prefix="perennial-scale-", dir=given.home) as folder:
            main(given.rows, Path(folder))
