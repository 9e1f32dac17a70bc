"""A sample of a scored partition that is too large to be held: the same rows each time it is measured."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from include.perennial import blocks
from include.perennial.blocks import Blocks, Bools, of_parquet
from include.perennial.contracts import PartitionRef, PartitionVersion
from include.perennial.errors import IntegrityError
from include.perennial.gate.arrays import Floats
from include.perennial.gate.tasks import task_of
from include.perennial.models import frames
from include.perennial.pipeline_folder import Pipeline
from include.perennial.quality.repeated import among, hashes_of
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import Champion
from include.perennial.stores.prediction_log import PredictionLog, Source
from include.perennial.tables import schema


@dataclass(frozen=True)
class SampledRows:
    """Rows with predictions and labels (NaN for a gap), in one order; ``rows`` is of how many they are a sample."""

    predictions: pd.DataFrame
    x: pd.DataFrame
    y: Floats
    rows: int


def sampled_rows(
    pipeline: Pipeline, version: PartitionVersion, champion: Champion, log: PredictionLog, registry: DataRegistry
) -> SampledRows:
    """At most ``ROWS_AT_ONCE`` of the rows that ``champion`` has scored of these very bytes; none if it was not asked.

    Raises:
        IntegrityError: the file of the partition or of its predictions is damaged, or they are not of the same rows.
        Unavailable: a store does not answer.
    """
    data = pipeline.spec.data
    source = Source(version.pipeline, version.key, version.sha256, champion.version, shadow=False)
    with log.opened(source) as opened:
        if opened is None:
            return SampledRows(pd.DataFrame(), pd.DataFrame(), np.empty(0), 0)
        logged, said = opened
        names = list(dict.fromkeys((data.time, *data.key)))
        chosen = _chosen(logged.rows, pipeline.spec.seed, version.key)
        predictions = said.pick(chosen)
        ref = PartitionRef(key=version.key, sha256=version.sha256, rows=version.rows)
        [path] = registry.fetch(version.pipeline, [ref], version.commit)
        partition = of_parquet(path, schema(data.columns))
        if partition.rows != logged.rows:
            # Scoring has refused rows; those that it kept are in the order of the partition.
            chosen = np.flatnonzero(_scored(partition, said, names))[chosen]
    rows = partition.pick(chosen)
    if not rows[names].equals(predictions[names]):
        raise IntegrityError(
            f"Predictions of partition {version.key} of {version.pipeline} are not of its rows, or not in their order. "
            "Remove them from the prediction log and score the partition again."
        )
    x, y = frames.with_gaps(rows, data, task_of(pipeline.spec))
    return SampledRows(predictions, x, y, logged.rows)


def _chosen(rows: int, seed: int, key: str) -> blocks.Integers:
    if rows <= blocks.ROWS_AT_ONCE:
        return np.arange(rows)
    random = np.random.default_rng([seed, int(re.sub(r"\D", "", key)), blocks.ROWS_AT_ONCE])
    return np.sort(random.choice(rows, blocks.ROWS_AT_ONCE, replace=False, shuffle=False))


def _scored(partition: Blocks, said: Blocks, names: list[str]) -> Bools:
    """Which rows of the partition have a prediction; the caller compares keys."""
    known = np.sort(np.concatenate([hashes_of(frame) for frame in said.frames(names)]))
    return np.concatenate([among(hashes_of(frame), known) for frame in partition.frames(names)])
