"""A small pipeline whose labels follow a known rule, its partitions in a data registry, and plans over them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from include.perennial.contracts import (
    PartitionRef,
    PartitionVersion,
    TrainingPlan,
    TrainingRequest,
    Trigger,
    Validated,
)
from include.perennial.digests import digest, file_sha256
from include.perennial.partitions import Partition, Period
from include.perennial.pipeline_folder import Pipeline, load_pipeline
from include.perennial.settings import Settings
from include.perennial.stores.datasets import DataRegistry
from include.perennial.tables import from_frame, write_parquet

FIRST = Partition.of_key("2013-01-07", Period.WEEK)
ROWS = 600
FEATURES = """
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


class Features(TransformerMixin, BaseEstimator):
    def __init__(self, use_noise=True):
        self.use_noise = use_noise

    def fit(self, X, y=None):
        self.groups_ = set(X["group"])
        self.center_ = float(X["signal"].mean())
        return self

    def transform(self, X):
        known = X["group"].isin(self.groups_)
        columns = [X["signal"] - self.center_, X["group"].where(known).map({"a": 0.0, "b": 1.0, "c": 2.0}).fillna(-1)]
        columns += [X["noise"].fillna(0)] if self.use_noise else []
        return np.column_stack([column.to_numpy(dtype=float) for column in columns])

    def get_feature_names_out(self, names=None):
        return np.array(["signal", "group", *(["noise"] if self.use_noise else [])], dtype=object)
"""
MODEL = """
from sklearn.linear_model import LogisticRegression


def strong(C=1.0, random_state=None):
    return LogisticRegression(C=C, random_state=random_state)
"""
SPEC: dict[str, Any] = {
    "name": "toy",
    "title": "Toy",
    "description": "Labels that follow one column.",
    "owner": "tests",
    "period": "week",
    "schedule": {"ingest": "0 4 * * 1", "train": "0 6 * * 1", "start": "2013-01-07"},
    "source": {"kind": "files", "path": "delivery/{key}.csv", "format": "csv"},
    "data": {
        "time": "at",
        "key": ["id"],
        "target": "label",
        "quarantine_quota": 0.1,
        "columns": {
            "at": "timestamp",
            "id": "string",
            "group": "string",
            "signal": "float",
            "noise": "integer",
            "label": "integer",
        },
    },
    "window": {"partitions": 3},
    "candidates": {
        "logistic": {"estimator": "sklearn.linear_model.LogisticRegression"},
        "boosting": {
            "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
            "params": {"max_iter": 10, "max_features": 0.5},
        },
        "forest": {"estimator": "sklearn.ensemble.RandomForestClassifier", "params": {"n_estimators": 5}},
    },
    "gate": {
        "min_rows": 100,
        "min_positives": 20,
        "floors": {"roc_auc": 0.6},
        "first_floors": {"roc_auc": 0.6},
        "compare": {"metric": "roc_auc", "margin": 0.05, "cluster": ["group", "at"], "resamples": 200},
        "slices": {"columns": ["group"], "min_rows": 50, "max_regression": 0.3},
        "behaviour": {"max_ms_per_1000_rows": 10000, "max_megabytes": 10},
        "plausibility": {"max_roc_auc": 0.99, "max_single_feature_auc": 0.99},
    },
    "seed": 7,
}


def make_toy(root: Path, *, features: str = FEATURES, model: str = MODEL, **changes: Any) -> Pipeline:
    """The pipeline ``toy`` below ``root``; ``changes`` replace sections of its spec."""
    folder = root / "pipelines" / "toy"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pipeline.yaml").write_text(yaml.safe_dump({**SPEC, **changes}, sort_keys=False))
    (folder / "features.py").write_text(features)
    (folder / "expectations.py").write_text("BATCH = []\nROWS = []\n")
    (folder / "model.py").write_text(model)
    return load_pipeline("toy", root / "pipelines")


def toy_frame(n: int, rows: int = ROWS) -> pd.DataFrame:
    """The ``n``-th week: ``label`` is likelier the larger ``signal``; some ``noise`` is missing."""
    random = np.random.default_rng(n)
    signal = random.normal(size=rows)
    noise = pd.Series(random.integers(0, 9, rows), dtype=float)
    noise[random.random(rows) < 0.1] = np.nan
    hours = pd.to_timedelta(random.integers(0, 24, rows) // 4, "h")
    return pd.DataFrame(
        {
            "at": pd.Timestamp(FIRST.shift(n).start_utc) + hours,
            "id": [f"w{n}-{i}" for i in range(rows)],
            "group": random.choice(["a", "b", "c"], rows),
            "signal": signal,
            "noise": noise,
            "label": (random.random(rows) < 1 / (1 + np.exp(-1.5 * signal))).astype(int),
        }
    )


@dataclass(frozen=True)
class Data:
    """Published weeks of ``toy``, and their files."""

    registry: DataRegistry
    commit: str
    refs: tuple[PartitionRef, ...]


def publish_weeks(root: Path, pipeline: Pipeline, weeks: int) -> Data:
    """Publish the first ``weeks`` weeks through a real data registry below ``root``."""
    registry = DataRegistry.open(Settings.from_env({"PERENNIAL_HOME": str(root / "home")}))
    refs = []
    for n in range(weeks):
        version = publish_frame(root, pipeline, registry, FIRST.shift(n).key, toy_frame(n))
        refs.append(PartitionRef(key=version.key, sha256=version.sha256, rows=ROWS))
    return Data(registry, registry.head(), tuple(refs))


def publish_frame(
    root: Path,
    pipeline: Pipeline,
    registry: DataRegistry,
    key: str,
    frame: pd.DataFrame,
    *,
    suite_digest: str = "suite",
) -> PartitionVersion:
    """Publish ``frame`` as partition ``key``, as if the suite of ``suite_digest`` had passed it."""
    path = root / f"{key}.parquet"
    write_parquet(from_frame(frame, pipeline.spec.data.columns, path.name), path)
    validated = Validated(
        pipeline="toy",
        key=key,
        snapshot_digest="snapshot",
        object_key=f"validated/toy/{key}.parquet",
        sha256=file_sha256(path),
        n_bytes=path.stat().st_size,
        rows=len(frame),
        rows_quarantined=0,
        quarantine_key=None,
        quarantine_reasons={},
        docs_key=None,
        suite_digest=suite_digest,
        columns={},
    )
    return registry.publish(validated, path)


def make_plan(
    pipeline: Pipeline,
    data: Data,
    *,
    last: int,
    window: int = 3,
    holdout: int = 1,
    salt: str = "",
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    **request: Any,
) -> TrainingPlan:
    """A plan whose newest holdout partition is week ``last``; ``salt`` makes another run of the same week."""
    refs: Sequence[PartitionRef] = data.refs[last + 1 - window - holdout : last + 1]
    asked = TrainingRequest(
        pipeline="toy",
        as_of=refs[-1].key,
        trigger=request.pop("trigger", Trigger.SCHEDULE),
        overrides={name: dict(params) for name, params in (overrides or {}).items()},
        **request,
    )
    parts = [[ref.key for ref in refs], holdout, pipeline.spec_digest, pipeline.code_digest, asked.overrides, salt]
    return TrainingPlan(
        run_key=digest(parts)[:24],
        pipeline="toy",
        as_of=refs[-1].key,
        request=asked,
        train=tuple(refs[:-holdout]),
        holdout=tuple(refs[-holdout:]),
        candidates=tuple(pipeline.spec.candidates),
        window_digest=digest([[ref.key, ref.sha256] for ref in refs]),
        spec_digest=pipeline.spec_digest,
        code_digest=pipeline.code_digest,
        data_commit=data.commit,
        code_commit="0" * 40,
        code_dirty=False,
        environment_digest="e" * 64,
        seed=pipeline.spec.seed,
    )


def with_gate(pipeline: Pipeline, **changes: Any) -> Pipeline:
    """The same pipeline with another gate, its digests untouched."""
    gate = pipeline.spec.gate.model_copy(update=changes)
    return replace(pipeline, spec=pipeline.spec.model_copy(update={"gate": gate}))
