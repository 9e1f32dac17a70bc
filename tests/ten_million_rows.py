"""A file of many rows, written in pieces; and what a command needs of memory to read it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

_PIECE = 500_000
_MINUTES = 60 * 24 * 7 * 20


def write(path: Path, rows: int) -> Path:
    """``rows`` over twenty weeks: a key, a time, two numbers, a category, and an outcome that ``x`` tells of."""
    random = np.random.default_rng(0)
    writer: pq.ParquetWriter | pyarrow.csv.CSVWriter | None = None
    for first in range(0, rows, _PIECE):
        n = min(_PIECE, rows - first)
        number = np.arange(first, first + n)
        at = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(number * (_MINUTES * 60 // rows or 1), "s")
        x = random.normal(size=n).round(4)
        columns = {
            "id": number,
            "at": pa.array(at.strftime("%Y-%m-%dT%H:%M:%SZ")) if path.suffix == ".csv" else pa.array(at),
            "x": x,
            "z": random.integers(0, 1000, n),
            "shop": random.choice(["north", "south", "east", "west"], n),
            "y": (random.random(n) < 1 / (1 + np.exp(-x))).astype(int),
        }
        table = pa.table(columns)
        if writer is None:
            make = pyarrow.csv.CSVWriter if path.suffix == ".csv" else pq.ParquetWriter
            writer = make(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    return path


def peak_megabytes(arguments: list[str], env: dict[str, str], folder: Path) -> tuple[int, str, float]:
    """Exit status, output and peak resident memory of ``./perennial`` with ``arguments``, in a process of its own."""
    code = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], capture_output=True, text=True)\n"
        "print(done.returncode)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000)\n"
        "print(done.stdout + done.stderr[-3000:])\n"
    )
    command = [sys.executable, "-c", code, sys.executable, "-m", "include.perennial.cli", *arguments]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=True)
    status, peak, said = done.stdout.split("\n", 2)
    return int(status), said, float(peak)
