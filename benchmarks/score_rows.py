"""Rows per second of scoring a partition, against a bare loop over ``model.predict_proba`` on the same frames.

    python -m benchmarks.score_rows [WEEKS]

Ingests flights and trains a champion in a folder of its own, then scores WEEKS weeks (default 8) in this process, and
one partition that holds a week's rows 50 times: what a step costs beside its rows is the same for both.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.cold_week import Clock, Week
from include.perennial.contracts import PartitionRef, PartitionVersion, Validated
from include.perennial.digests import file_sha256
from include.perennial.models import frames
from include.perennial.models.behaviour import positive_probability
from include.perennial.models.model_cache import ModelCache
from include.perennial.partitions import Partition, Period, span
from include.perennial.steps.score import score_partition
from include.perennial.stores.ledger import Champion
from include.perennial.stores.prediction_log import PredictionLog
from include.perennial.tables import write_parquet

TRAINED = span(*(Partition.of_key(key, Period.WEEK) for key in ("2013-01-07", "2013-03-04")))
MANY_ROWS, REPEATED = "2014-01-06", 50


def main(n_weeks: int) -> None:
    """Print seconds per partition and rows per second of each way to score."""
    with tempfile.TemporaryDirectory(prefix="perennial-bench-") as home:
        week, clock = _open(Path(home)), Clock()
        keys = [TRAINED[-1].shift(n).key for n in range(1, n_weeks + 1)]
        for key in [partition.key for partition in TRAINED] + keys:
            week.ingest(key, clock)
        week.train(TRAINED[-1].key, clock)
        champion = week.ledger.champion(week.pipeline.spec.name)
        if champion is None:
            raise SystemExit("The gate rejected the model: nothing to score with.")
        _publish_many_rows(week, keys[-1], Path(home))
        table = Table("partitions", "rows", "way", "ms per partition (median)", "rows per second")
        for title, scored in ((f"{n_weeks} weeks", keys), (f"a week {REPEATED} times", [MANY_ROWS])):
            _measure(week, champion, scored, title, table)
        Console(width=120).print(table)


def _open(home: Path) -> Week:
    os.environ["PERENNIAL_HOME"] = str(home)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    return Week("flight_delays")


def _publish_many_rows(week: Week, key: str, home: Path) -> None:
    name = week.pipeline.spec.name
    version = week.data.find(name, key)
    if version is None:
        raise SystemExit(f"Partition {key} was not published.")
    source, path = _path(week, version), home / "many.parquet"
    write_parquet(pa.concat_tables([pq.read_table(source)] * REPEATED), path)
    validated = Validated(
        pipeline=name,
        key=MANY_ROWS,
        snapshot_digest=version.snapshot_digest,
        object_key="",
        sha256=file_sha256(path),
        n_bytes=path.stat().st_size,
        rows=version.rows * REPEATED,
        rows_quarantined=0,
        quarantine_key=None,
        quarantine_reasons={},
        docs_key=None,
        suite_digest=version.suite_digest,
        columns={},
    )
    week.data.publish(validated, path)


def _path(week: Week, version: PartitionVersion) -> Path:
    ref = PartitionRef(key=version.key, sha256=version.sha256, rows=version.rows)
    return week.data.fetch(version.pipeline, [ref], version.commit)[0]


def _measure(week: Week, champion: Champion, keys: list[str], title: str, table: Table) -> None:
    cache, name = ModelCache.open(week.settings, week.tracking.download), week.pipeline.spec.name
    model = cache.load(champion.model)
    versions = {key: version for key in keys if (version := week.data.find(name, key))}
    frame_of = {key: frames.read_features(_path(week, versions[key]), week.pipeline.spec.data) for key in keys}

    def bare(key: str) -> None:
        positive_probability(model, frame_of[key])

    def script(key: str) -> None:
        frame = frames.read_features(_path(week, versions[key]), week.pipeline.spec.data)
        positive_probability(cache.load(champion.model), frame)

    def step(key: str) -> None:
        score_partition(week.pipeline, key, registry=week.data, store=week.objects, ledger=week.ledger, models=cache)

    ways: dict[str, Callable[[str], None]] = {
        "predict_proba on the frame in memory": bare,
        "the same, partition and model read first": script,
        "score_partition": step,
        "score_partition, already scored": step,
    }
    bare(keys[0])
    rows = sum(len(frame) for frame in frame_of.values())
    for way, score in ways.items():
        seconds = [_seconds(score, key) for key in keys]
        table.add_row(title, f"{rows:,}", way, f"{1000 * float(np.median(seconds)):.0f}", f"{rows / sum(seconds):,.0f}")
    for key in keys:
        if not np.array_equal(
            PredictionLog(week.objects).served(name, key)["p"], positive_probability(model, frame_of[key])
        ):
            raise SystemExit(f"The prediction log of {key} does not hold what the model predicts.")


def _seconds(score: Callable[[str], None], key: str) -> float:
    start = time.perf_counter()
    score(key)
    return time.perf_counter() - start


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
