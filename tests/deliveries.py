"""A small pipeline folder in a temporary place, and deliveries for it."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from include.perennial.contracts import Snapshot, Validated
from include.perennial.partitions import Partition, Period
from include.perennial.pipeline_folder import Pipeline, load_pipeline
from include.perennial.settings import Settings
from include.perennial.sources import SettingsConnections
from include.perennial.steps.snapshot import take_snapshot
from include.perennial.steps.validate import validate
from include.perennial.stores.objects import ObjectStore

WEEK = Partition.of_key("2013-06-03", Period.WEEK)
COLUMNS = {"at": "timestamp", "id": "string", "count": "integer", "size": "float", "ok": "boolean", "day": "date"}
HEADER = ",".join(COLUMNS)
EXPECTATIONS = """
import great_expectations.expectations as gxe

BATCH = [
    gxe.ExpectTableRowCountToBeBetween(min_value=2, max_value=1000),
    gxe.ExpectColumnMeanToBeBetween(column="size", min_value=0, max_value=100),
]
ROWS = [gxe.ExpectColumnValuesToBeBetween(column="count", min_value=0, max_value=99)]
"""
_SPEC = {
    "name": "small",
    "title": "Small",
    "description": "A pipeline for tests.",
    "owner": "tests",
    "period": "week",
    "schedule": {"ingest": "0 4 * * 1", "train": "0 6 * * 1", "start": "2013-01-07"},
    "window": {"partitions": 2},
    "candidates": {"logistic": {"estimator": "sklearn.linear_model.LogisticRegression"}},
    "gate": {
        "min_rows": 1,
        "min_positives": 1,
        "floors": {"roc_auc": 0.5},
        "first_floors": {"roc_auc": 0.5},
        "compare": {"metric": "log_loss", "margin": 0.01, "cluster": ["id"]},
        "behaviour": {"max_ms_per_1000_rows": 1000, "max_megabytes": 10},
        "plausibility": {"max_roc_auc": 0.99, "max_single_feature_auc": 0.99},
    },
}


def make_pipeline(
    root: Path,
    source: Mapping[str, object] | None = None,
    *,
    columns: Mapping[str, str] = COLUMNS,
    key: tuple[str, ...] = ("id",),
    target: str = "ok",
    quota: float = 0.2,
    expectations: str = EXPECTATIONS,
    source_py: str | None = None,
    **more: object,
) -> Pipeline:
    """The pipeline ``small`` below ``root``; its source is ``delivery/{key}.csv`` unless told otherwise.

    ``more`` are further keys of ``data``.
    """
    folder = root / "pipelines" / "small"
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "time": next(iter(columns)),
        "key": list(key),
        "target": target,
        "columns": dict(columns),
        "quarantine_quota": quota,
        **more,
    }
    spec = {**_SPEC, "source": source or files("delivery/{key}.csv"), "data": data}
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(spec, allow_unicode=True, sort_keys=False))
    (folder / "features.py").write_text("class Features:\n    pass\n")
    (folder / "expectations.py").write_text(expectations)
    if source_py is not None:
        (folder / "source.py").write_text(source_py)
    return load_pipeline("small", root / "pipelines")


def files(path: str, kind: str = "csv", **more: object) -> dict[str, object]:
    """The ``source`` section of files at ``path``."""
    return {"kind": "files", "path": path, "format": kind, **more}


def row(n: int, **changes: object) -> dict[str, object]:
    """A valid row of the small pipeline, unless ``changes`` break it."""
    values = {
        "at": f"2013-06-03T{n % 24:02d}:00:00Z",
        "id": f"r{n:03d}",
        "count": n % 50,
        "size": n / 4,
        "ok": n % 2 == 0,
        "day": "2013-06-03",
    }
    return values | changes


def csv(rows: list[dict[str, object]], columns: tuple[str, ...] = tuple(COLUMNS)) -> str:
    """Rows as comma-separated text; None is an empty cell."""
    lines = [",".join("" if r[c] is None else str(r[c]) for c in columns) for r in rows]
    return "\n".join([",".join(columns), *lines]) + "\n"


def jsonl(rows: list[dict[str, object]]) -> str:
    """Rows as JSON lines."""
    return "".join(json.dumps(r) + "\n" for r in rows)


def gz(text: str) -> bytes:
    """``text`` as a gzip file."""
    return gzip.compress(text.encode(), mtime=0)


def put(pipeline: Pipeline, name: str, content: str | bytes) -> Path:
    """Write a delivery into the pipeline's ``delivery`` folder."""
    path = pipeline.folder / "delivery" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def settings(root: Path) -> Settings:
    """Everything embedded, below ``root``."""
    return Settings.from_env({"PERENNIAL_HOME": str(root / "home"), "PERENNIAL_PIPELINES": str(root / "pipelines")})


def snapshot_of(pipeline: Pipeline, root: Path, partition: Partition = WEEK) -> tuple[Snapshot, ObjectStore]:
    """Take the partition's snapshot into the embedded store."""
    store = ObjectStore.open(settings(root))
    return take_snapshot(pipeline, partition, store, SettingsConnections(settings(root))), store


def ingest(pipeline: Pipeline, root: Path, partition: Partition = WEEK) -> tuple[Validated, ObjectStore]:
    """Snapshot and validate."""
    snapshot, store = snapshot_of(pipeline, root, partition)
    return validate(pipeline, snapshot, store), store
