"""Prove that a version can serve before a person crowns it: its files, its loading, its predictions.

The gate has judged a version once. Since then its files may have been deleted or changed, the columns of the
pipeline may have moved on, or a library may read the same file differently. All of that shows here, not after it
was crowned.
"""

import tempfile
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.contracts import PartitionRef, PartitionVersion, Registration
from include.perennial.errors import BadInput, IntegrityError, SpecError
from include.perennial.gate.evidence import Floats
from include.perennial.gate.tasks import task_of
from include.perennial.messages import first_line
from include.perennial.models import frames, model_file
from include.perennial.pipeline_folder import Pipeline
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.prediction_log import PredictionLog

# Larger differences come from another computation; smaller ones from another order of the same sums.
TOLERANCE = 1e-6
_MAX_ROWS = 2000
_CANNOT_SCORE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class VersionStore(Protocol):
    """Where versions and their files are: ``stores.tracking.registry.Registry``."""

    def version_exists(self, pipeline: str, version: str) -> bool:
        """Whether ``version`` is registered and was not deleted."""

    def download(self, model_uri: str, target: Path) -> Path:
        """The stored files of a model in a folder under ``target``, unchecked."""


class NotFit(BadInput):
    """The version must not be crowned; the message says what is wrong with it."""


def prove(
    pipeline: Pipeline, version: Registration, *, models: VersionStore, data: DataRegistry, objects: ObjectStore
) -> tuple[str, ...]:
    """What was checked of ``version``, one sentence each.

    Raises:
        NotFit: it was deleted, its files are not those of the ledger, or it does not predict as it should.
        Unavailable: a store does not answer; nothing is known of the version.
    """
    name, who = pipeline.spec.name, f"Version {version.version} of {pipeline.spec.name}"
    if not models.version_exists(name, version.version):
        raise NotFit(f"{who} was deleted from MLflow: choose another version, or train a new one.")
    with tempfile.TemporaryDirectory(prefix="perennial-proof-") as folder:
        model = _loaded(version, models, Path(folder), who, pipeline.spec.trusted_types)
    partitions = data.partitions(name)
    scored = _scores_newest(pipeline, model, partitions, data, who)
    compared = _predicts_as_recorded(
        pipeline, version.version, model, partitions, data, PredictionLog(objects, task_of(pipeline.spec))
    )
    return (f"its {len(version.model.files)} files have the SHA-256 of the ledger and load", scored, compared)


def _loaded(
    version: Registration, models: VersionStore, folder: Path, who: str, trusted: tuple[str, ...]
) -> SklearnPipeline:
    try:
        downloaded = models.download(version.model.model_uri, folder)
        return model_file.load(downloaded, version.model.files, version.model.trusted_types, trusted)
    except (IntegrityError, SpecError) as error:
        raise NotFit(f"{who} cannot be loaded: {error}") from error


def _scores_newest(
    pipeline: Pipeline,
    model: SklearnPipeline,
    partitions: dict[str, PartitionVersion],
    data: DataRegistry,
    who: str,
) -> str:
    if not partitions:
        raise NotFit(f"{who} cannot be tried: the data registry has no partition of {pipeline.spec.name}.")
    newest = partitions[max(partitions)]
    rows = _rows(pipeline, newest, data).iloc[:_MAX_ROWS]
    task, p = task_of(pipeline.spec), _predicted(pipeline, model, rows, who, newest.key)
    if not task.are_sound(p):
        raise NotFit(f"{who} gives no {task.given_words} for partition {newest.key}: expected {task.expected_words}.")
    mean = f"mean {task.mean_words} {task.mean_prediction(p):.3f}"
    return f"it scores {len(rows):,} rows of partition {newest.key}, {mean}"


def _predicts_as_recorded(
    pipeline: Pipeline,
    version: str,
    model: SklearnPipeline,
    partitions: dict[str, PartitionVersion],
    data: DataRegistry,
    log: PredictionLog,
) -> str:
    """Hold the model against what the prediction log has of it, on the newest partition that did not change since."""
    name, who = pipeline.spec.name, f"Version {version} of {pipeline.spec.name}"
    for key in reversed(log.partitions_of(name, version)):
        logged = log.read(name, key)
        known = partitions.get(key)
        logged = logged[logged["model_version"] == version]
        if known is None or logged.empty or set(logged["dataset_sha256"]) != {known.sha256}:
            continue
        x, expected = _matched(pipeline, _rows(pipeline, known, data), logged)
        p = _predicted(pipeline, model, x, who, key)
        worst = float(np.abs(p - expected).max())
        if not worst <= TOLERANCE:
            raise NotFit(
                f"{who} does not predict what it predicted before: on partition {key} {len(x):,} logged "
                f"{log.task.given_words} differ by up to {worst:.2g}, allowed {TOLERANCE:g}. Compare the installed "
                "libraries with the model's requirements.txt."
            )
        return f"it predicts what it predicted before: {len(x):,} logged rows of partition {key}, to {worst:.1g}"
    return "it has never scored, so there are no predictions to compare"


def _matched(pipeline: Pipeline, rows: pd.DataFrame, logged: pd.DataFrame) -> tuple[pd.DataFrame, Floats]:
    """Up to 2,000 logged rows: their features, and the predictions that were logged."""
    columns = list(dict.fromkeys((pipeline.spec.data.time, *pipeline.spec.data.key)))
    at = pd.Series(range(len(rows)), index=pd.MultiIndex.from_frame(rows[columns].astype(str)))
    at = at[~at.index.duplicated(keep=False)]
    wanted = pd.MultiIndex.from_frame(logged[columns].astype(str))
    found = at.reindex(wanted).to_numpy()
    chosen = np.flatnonzero(~np.isnan(found))[:_MAX_ROWS]
    if not len(chosen):
        raise NotFit(f"None of {len(logged):,} logged predictions is about a row of its partition: score it again.")
    return rows.iloc[found[chosen].astype(int)], task_of(pipeline.spec).read_logged(logged)[chosen]


def _rows(pipeline: Pipeline, partition: PartitionVersion, data: DataRegistry) -> pd.DataFrame:
    ref = PartitionRef(key=partition.key, sha256=partition.sha256, rows=partition.rows)
    [path] = data.fetch(pipeline.spec.name, [ref], partition.commit)
    return frames.read_features(path, pipeline.spec.data)


def _predicted(pipeline: Pipeline, model: SklearnPipeline, x: pd.DataFrame, who: str, key: str) -> Floats:
    try:
        return task_of(pipeline.spec).predict(model, x)
    except _CANNOT_SCORE as error:
        raise NotFit(
            f"{who} cannot score partition {key}: {type(error).__name__}: {first_line(error)}. It was trained on "
            "other columns than pipeline.yaml declares now: restore them, or train a model on these."
        ) from error
