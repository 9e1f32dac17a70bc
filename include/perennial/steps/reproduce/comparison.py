"""What was recorded of a version, held against what is stored and what was rebuilt."""

from pathlib import Path
from typing import Any

import numpy as np

from include.perennial.contracts import Decision, ModelFile
from include.perennial.errors import IntegrityError
from include.perennial.folder_records import differences, folder_records
from include.perennial.gate.tasks import task_named
from include.perennial.messages import clipped
from include.perennial.models import predictions
from include.perennial.models.metrics import measure_all
from include.perennial.models.predictions import HoldoutPredictions, champion_scored
from include.perennial.provenance import environment_digest, installed_packages
from include.perennial.spec import TaskKind
from include.perennial.steps.reproduce.outcome import Compared
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.tracking.registry import Registry

_REQUIREMENTS = "requirements.txt"


def stored_model(model: ModelFile, registry: Registry, folder: Path) -> tuple[Path | None, list[str]]:
    """The stored model's folder, if there is one, and what differs in it from the record."""
    target = folder / "stored"
    target.mkdir()
    try:
        downloaded = registry.download(model.model_uri, target)
    except IntegrityError as error:
        return None, [str(error)]
    found = differences(model.files, folder_records(downloaded))
    return downloaded, [
        f"The stored model is not what was recorded: {clipped('; '.join(found), 600)}."
    ] if found else []


def kept_predictions(decision: Decision, objects: ObjectStore) -> tuple[HoldoutPredictions | None, list[str]]:
    """The recorded predictions of the holdout, if they are intact."""
    if decision.predictions is None:
        return None, ["No predictions of the holdout were recorded."]
    try:
        data = objects.get_bytes(decision.predictions.name, decision.predictions.sha256)
    except IntegrityError as error:
        return None, [str(error)]
    return predictions.from_parquet(data), []


def environment_notes(decision: Decision, stored: Path | None) -> list[str]:
    """What is installed otherwise than for the training run, as far as the model\'s requirements tell."""
    if decision.plan.environment_digest == environment_digest():
        return []
    installed = dict(package.split("==", 1) for package in installed_packages())
    listed = (stored / _REQUIREMENTS).read_text() if stored and (stored / _REQUIREMENTS).exists() else ""
    recorded = dict(line.split("==", 1) for line in listed.split() if "==" in line)
    changed = [
        f"{package} {version} then, {installed.get(package, 'not installed')} now"
        for package, version in recorded.items()
        if installed.get(package) != version
    ]
    what = "; ".join(changed) or "none of the model's own libraries"
    return [f"The installed packages are not those of the training run. Changed: {what}."]


def pipeline_notes(decision: Decision, rebuilt: dict[str, Any]) -> list[str]:
    """Whether the pipeline folder that was used is the recorded one."""
    plan = decision.plan
    changed = [
        what
        for what, then, now in (
            ("pipeline.yaml", plan.spec_digest, rebuilt["spec_digest"]),
            ("the Python files", plan.code_digest, rebuilt["code_digest"]),
        )
        if then != now
    ]
    if not changed:
        return []
    return [f"The pipeline folder is not the recorded one, {' and '.join(changed)} differ: {plan.pipeline}."]


def compare(
    decision: Decision,
    model: ModelFile,
    rebuilt: dict[str, Any],
    kept: HoldoutPredictions | None,
    again: HoldoutPredictions,
) -> list[Compared]:
    """Everything that can be compared; without the ``kept`` predictions only digests."""
    compared = [
        _texts("model.skops sha256", model.model_digest, rebuilt["model_digest"]),
        _texts("holdout predictions digest", decision.prediction_digest, rebuilt["prediction_digest"]),
    ]
    if kept is None or kept.p.shape != again.p.shape:
        return compared
    worst = float(np.abs(kept.p - again.p).max())
    compared.append(
        Compared(
            name=f"predictions of {len(kept.p):,} holdout rows, mean",
            recorded=float(kept.p.mean()),
            rebuilt=float(again.p.mean()),
            identical=worst == 0,
            difference=worst,
        )
    )
    # The judgement is about the rows that the champion of that time could be held against.
    rows = champion_scored(kept.p_champion) if kept.p_champion is not None else np.ones(len(kept.p), dtype=bool)
    # A recorded commit from before there were other tasks says nothing of its own.
    task = task_named(rebuilt.get("task", TaskKind.BINARY), rebuilt.get("classes", ()))
    metrics = measure_all(again.y[rows], again.p[rows], again.facts.training_rate, task)
    return compared + [
        Compared(
            name=metric,
            recorded=value,
            rebuilt=metrics[metric],
            identical=value == metrics[metric],
            difference=abs(value - metrics[metric]),
        )
        for metric, value in decision.metrics.items()
        if metric in metrics
    ]


def _texts(name: str, recorded: str, rebuilt: str) -> Compared:
    return Compared(name=name, recorded=recorded, rebuilt=rebuilt, identical=recorded == rebuilt)
