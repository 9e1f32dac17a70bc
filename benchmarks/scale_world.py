"""A world of any size for ``benchmarks.scale``: payments of a week, in no order, some of them broken.

A payment has a moment, two identifiers, three texts and six numbers; ``disputed`` follows amount, hour and shop. One
row in 2,000 comes twice, one in 1,000 has an impossible amount, one in 50 lacks its distance.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from include.perennial.partitions import Partition

NAME = "payments"
_PIECE = 250_000
_SHOPS = np.array([f"shop {n:03d}" for n in range(400)])
_DEVICES = np.array(["phone", "tablet", "till", "web"])
_COUNTRIES = np.array(["AT", "BE", "DE", "DK", "ES", "FR", "IT", "NL", "PL", "SE"])
_SPEC: dict[str, Any] = {
    "name": NAME,
    "title": "Disputed payments",
    "description": "Synthetic payments for benchmarks.",
    "owner": "benchmarks",
    "period": "week",
    "schedule": {"ingest": "0 4 * * 1", "train": "0 6 * * 1", "start": "2024-01-01"},
    "source": {"kind": "files", "format": "parquet"},
    "data": {
        "time": "at",
        "key": ["payment"],
        "target": "disputed",
        "quarantine_quota": 0.01,
        "columns": {
            "at": "timestamp",
            "payment": "integer",
            "customer": "integer",
            "shop": "string",
            "device": "string",
            "country": "string",
            "amount": "float",
            "items": "integer",
            "distance_km": "float",
            "age_days": "integer",
            "balance": "float",
            "score": "float",
            "disputed": "integer",
        },
    },
    "window": {"partitions": 4},
    "features": "features.Features",
    "candidates": {
        "boosting": {
            "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
            "params": {"max_iter": 60, "max_leaf_nodes": 15},
        }
    },
    "gate": {
        "min_rows": 1000,
        "min_positives": 100,
        "floors": {"roc_auc": 0.6},
        "first_floors": {"roc_auc": 0.6},
        "compare": {"metric": "roc_auc", "margin": 0.05, "cluster": ["shop"], "resamples": 200},
        "slices": {"columns": ["device", "country"], "min_rows": 300, "max_regression": 0.3},
        "behaviour": {"max_ms_per_1000_rows": 1000, "max_megabytes": 20},
        "plausibility": {"max_roc_auc": 0.99, "max_single_feature_auc": 0.99},
    },
    "seed": 11,
}
_FEATURES = """
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

NUMBERS = ("amount", "items", "distance_km", "age_days", "balance", "score")
TEXTS = ("shop", "device", "country")


class Features(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.levels_ = {name: sorted(set(X[name].dropna())) for name in TEXTS}
        return self

    def transform(self, X):
        texts = [X[name].map({value: n for n, value in enumerate(self.levels_[name])}) for name in TEXTS]
        moments = [X["at"].dt.hour, X["at"].dt.dayofweek]
        numbers = [X[name] for name in NUMBERS] + [np.log1p(X["amount"]), X["amount"] / (X["balance"] + 1)]
        return np.column_stack([column.to_numpy(dtype=float) for column in (*numbers, *moments, *texts)])

    def get_feature_names_out(self, names=None):
        return np.array([*NUMBERS, "log_amount", "share", "hour", "weekday", *TEXTS], dtype=object)
"""
_EXPECTATIONS = """
from great_expectations import expectations as gxe

BATCH = [
    gxe.ExpectTableRowCountToBeBetween(min_value=1000),
    gxe.ExpectColumnMeanToBeBetween(column="disputed", min_value=0.01, max_value=0.6),
    gxe.ExpectColumnMedianToBeBetween(column="amount", min_value=1, max_value=200),
    gxe.ExpectColumnUniqueValueCountToBeBetween(column="shop", min_value=300, max_value=500),
    gxe.ExpectColumnDistinctValuesToBeInSet(column="device", value_set=["phone", "tablet", "till", "web"]),
    gxe.ExpectColumnValuesToNotBeNull(column="distance_km", mostly=0.9),
]
ROWS = [
    gxe.ExpectColumnValuesToNotBeNull(column="disputed"),
    gxe.ExpectColumnValuesToBeInSet(column="disputed", value_set=[0, 1]),
    gxe.ExpectColumnValuesToBeBetween(column="amount", min_value=0, max_value=100000),
    gxe.ExpectColumnValuesToBeBetween(column="items", min_value=1, max_value=500),
    gxe.ExpectColumnValueLengthsToBeBetween(column="country", min_value=2, max_value=2),
]
"""


def write_pipeline(folder: Path, deliveries: Path) -> None:
    """The pipeline folder, whose deliveries are ``<key>.parquet`` in ``deliveries``."""
    folder.mkdir(parents=True)
    source = {**_SPEC["source"], "path": str(deliveries / "{key}.parquet")}
    (folder / "pipeline.yaml").write_text(yaml.safe_dump({**_SPEC, "source": source}, sort_keys=False))
    (folder / "features.py").write_text(_FEATURES)
    (folder / "expectations.py").write_text(_EXPECTATIONS)


def write_delivery(path: Path, partition: Partition, rows: int) -> None:
    """``rows`` payments of the partition, written in pieces."""
    random = np.random.default_rng(partition.ordinal)
    with pq.ParquetWriter(path, _piece(random, partition, 0, 1).schema) as writer:
        for first in range(0, rows, _PIECE):
            writer.write_table(_piece(random, partition, first, min(_PIECE, rows - first)))


def _piece(random: np.random.Generator, partition: Partition, first: int, n: int) -> pa.Table:
    seconds = random.integers(0, int(partition.length.total_seconds()), n)
    payment = np.arange(first, first + n)
    payment = np.where(random.random(n) < 1 / 2000, np.maximum(payment - 1, 0), payment)
    amount, hour = random.lognormal(3.5, 1.0, n).round(2), seconds // 3600 % 24
    shop = random.integers(0, len(_SHOPS), n)
    odds = -2.5 + 1.2 * (np.log1p(amount) - 3.5) + 1.5 * (hour < 6) + 1.2 * (shop % 7 == 0) + random.normal(0, 0.3, n)
    return pa.table(
        {
            "at": pa.array(np.datetime64(partition.start_utc.replace(tzinfo=None), "ms") + seconds * 1000).cast(
                pa.timestamp("ms", "UTC")
            ),
            "payment": payment,
            "customer": random.integers(0, 5_000_000, n),
            "shop": _SHOPS[shop],
            "device": _DEVICES[random.integers(0, len(_DEVICES), n)],
            "country": _COUNTRIES[random.integers(0, len(_COUNTRIES), n)],
            "amount": np.where(random.random(n) < 1 / 1000, -amount, amount),
            "items": random.integers(1, 40, n),
            "distance_km": pa.array(random.gamma(2.0, 20.0, n).round(1), mask=random.random(n) < 1 / 50),
            "age_days": random.integers(0, 4000, n),
            "balance": random.lognormal(6.0, 1.2, n).round(2),
            "score": random.normal(0, 1, n).round(4),
            "disputed": (random.random(n) < 1 / (1 + np.exp(-odds))).astype(int),
        }
    )
