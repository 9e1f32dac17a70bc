"""Rebuild a registered model from its recorded plan: the part of ``reproduce`` that runs as a process of its own.

It runs with the code of the recorded commit on its path and uses little of it, so that it fits commits before and
after its own: the data registry, the pipeline folder, fitting, predicting. Reads one JSON object from stdin
(``plan``, ``winner``, ``chosen``: parameters that the winner's search has found, ``refitted``, ``pipelines``: folders
to look for the pipeline in, ``out``: an existing folder), writes ``predictions.parquet`` to ``out`` and one JSON object
to ``out/rebuilt.json``.
"""

import json
import sys
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from include.perennial.contracts import TrainingPlan
from include.perennial.errors import PerennialError
from include.perennial.gate.tasks import task_of
from include.perennial.models import frames, predictions
from include.perennial.pipeline_folder import Pipeline, load_pipeline
from include.perennial.settings import Settings
from include.perennial.steps.evidence import fit_and_save, predict_holdout
from include.perennial.steps.training_rows import training_rows
from include.perennial.stores.datasets import DataRegistry


def main() -> int:
    """Rebuild what stdin asks for. Exit status: 0 done, 1 it could not be rebuilt; ``out/rebuilt.json`` says why."""
    asked = json.load(sys.stdin)
    out = Path(asked["out"])
    try:
        result, status = rebuild(asked, out), 0
    except PerennialError as error:
        result, status = {"error": str(error)}, 1
    (out / "rebuilt.json").write_text(json.dumps(result))
    return status


def rebuild(asked: dict[str, Any], out: Path) -> dict[str, Any]:
    """Fit the winner of the plan again and predict the holdout; what came of it, as JSON.

    Raises:
        IntegrityError: the data registry no longer holds the recorded bytes.
        SpecError: none of the folders has the pipeline.
    """
    plan = TrainingPlan.model_validate(asked["plan"])
    pipeline = _pipeline(plan, [Path(folder) for folder in asked["pipelines"]])
    task, winner, chosen = task_of(pipeline.spec), asked["winner"], asked.get("chosen")
    registry = DataRegistry.open(Settings.from_env())
    train = training_rows(plan, plan.train, pipeline, winner, registry)
    holdout = frames.read(registry.fetch(plan.pipeline, plan.holdout, plan.data_commit), pipeline.spec.data, task)
    # One thread, as when it was judged: sums never depend on how many there are.
    with threadpool_limits(limits=1):
        fitted = fit_and_save(plan, pipeline, winner, train, holdout, out / "judged", chosen)
        predicted = predict_holdout(plan, pipeline, winner, fitted, holdout, task.baseline(train.y))
        if asked["refitted"]:
            everything = training_rows(plan, (*plan.train, *plan.holdout), pipeline, winner, registry)
            fitted = fit_and_save(plan, pipeline, winner, everything, holdout, out / "refitted", chosen)
    (out / "predictions.parquet").write_bytes(predictions.to_parquet(predicted))
    return {
        "model_digest": fitted.saved.digest,
        "prediction_digest": predicted.digest,
        "spec_digest": pipeline.spec_digest,
        "code_digest": pipeline.code_digest,
        "pipeline_folder": str(pipeline.folder),
        "task": pipeline.spec.task.value,
        "classes": list(pipeline.spec.classes or ()),
    }


def _pipeline(plan: TrainingPlan, roots: list[Path]) -> Pipeline:
    """The recorded pipeline; if no folder has it, the first one that there is, whose digests tell."""
    found = [load_pipeline(plan.pipeline, root) for root in roots if (root / plan.pipeline).is_dir()]
    recorded = (plan.spec_digest, plan.code_digest)
    same = [pipeline for pipeline in found if (pipeline.spec_digest, pipeline.code_digest) == recorded]
    return [*same, *found, *([] if found else [load_pipeline(plan.pipeline, roots[0])])][0]


if __name__ == "__main__":
    sys.exit(main())
