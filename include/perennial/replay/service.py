"""The champion at work: its predictions of a partition, how good they were, and whether another would do better."""

import functools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.contracts import ModelFile, PartitionRef
from include.perennial.gate.arrays import Floats, Integers
from include.perennial.gate.bootstrap import PairedDifference, paired_difference
from include.perennial.gate.tasks import task_of
from include.perennial.models import model_file
from include.perennial.models.frames import Labelled
from include.perennial.pipeline_folder import Pipeline
from include.perennial.replay.records import SHOWN
from include.perennial.replay.supply import Supply

# A champion is used for many partitions in a row, and a partition by a champion and its challenger.
_MODELS_IN_MEMORY = 4
_PARTITIONS_IN_MEMORY = 12
_PREDICTIONS_IN_MEMORY = 200


class LocalModels:
    """Models of a replay lie in folders: ``model_uri`` is the path."""

    def download(self, model: ModelFile, target: Path) -> Path:
        """The folder with the files of ``model``."""
        return Path(model.model_uri)


class Service:
    """Predictions of ``pipeline``'s models over the partitions of ``supply``."""

    def __init__(self, pipeline: Pipeline, supply: Supply) -> None:
        self._pipeline, self._supply = pipeline, supply
        self.rows = functools.lru_cache(_PARTITIONS_IN_MEMORY)(self._rows)
        self.model = functools.lru_cache(_MODELS_IN_MEMORY)(self._model)
        self.predictions = functools.lru_cache(_PREDICTIONS_IN_MEMORY)(self._predictions)

    def metrics(self, model: ModelFile, key: str) -> dict[str, float]:
        """The metrics that a replay shows, of ``model`` on partition ``key``; undefined ones left out."""
        y, p, task = self.rows(key).y, self.predictions(model, key), task_of(self._pipeline.spec)
        shown = [metric for metric in SHOWN if metric in task.comparable]
        values = {str(metric): task.measure(metric, y, p) for metric in shown}
        return {name: value for name, value in values.items() if math.isfinite(value)}

    def improvement(self, new: ModelFile, old: ModelFile, keys: Sequence[str]) -> PairedDifference:
        """How much better than ``old`` ``new`` is on all rows of ``keys``, with the gate's clustered interval."""
        compare = self._pipeline.spec.gate.compare
        return paired_difference(
            compare.metric,
            np.concatenate([self.rows(key).y for key in keys]),
            np.concatenate([self.predictions(new, key) for key in keys]),
            np.concatenate([self.predictions(old, key) for key in keys]),
            self._clusters(keys),
            resamples=compare.resamples,
            confidence=compare.confidence,
            seed=self._pipeline.spec.seed,
            task=task_of(self._pipeline.spec),
        )

    def window(self, refs: Sequence[PartitionRef]) -> Labelled:
        """The rows of ``refs``, in their order."""
        return self._supply.read(self._pipeline, refs)

    def _predictions(self, model: ModelFile, key: str) -> Floats:
        """Predictions of partition ``key``, one per row."""
        return task_of(self._pipeline.spec).predict(self.model(model), self.rows(key).x)

    def _rows(self, key: str) -> Labelled:
        return self._supply.read(self._pipeline, [self._supply.ref(key)])

    def _model(self, model: ModelFile) -> SklearnPipeline:
        return model_file.load(
            Path(model.model_uri), model.files, model.trusted_types, self._pipeline.spec.trusted_types
        )

    def _clusters(self, keys: Sequence[str]) -> Integers:
        columns = list(self._pipeline.spec.gate.compare.cluster)
        rows = pd.concat([self.rows(key).x[columns] for key in keys])
        return rows.groupby(columns, dropna=False).ngroup().to_numpy()
