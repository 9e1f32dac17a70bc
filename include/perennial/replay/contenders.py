"""What the training run of a window makes, before any champion is looked at: fitted once, shared by all policies.

A contender is kept under the digest of everything that it depends on. Thresholds of the gate and the monitor are
not among that, so that trying others of them fits nothing again.
"""

import logging
import os
import shutil
import tempfile
import time
from pathlib import Path

from threadpoolctl import threadpool_limits

from include.perennial.contracts import CandidateFit, Contract, FileRecord, ModelFile, TrainingPlan, chosen_of
from include.perennial.digests import bytes_sha256, digest
from include.perennial.folder_records import folder_records
from include.perennial.gate.evidence import Behaviour
from include.perennial.gate.tasks import task_of
from include.perennial.models import predictions
from include.perennial.models.frames import Labelled
from include.perennial.models.predictions import HoldoutPredictions
from include.perennial.pipeline_folder import Pipeline
from include.perennial.replay.supply import Supply
from include.perennial.spec import TaskKind
from include.perennial.steps.evidence import FittedModel, fit_and_save, predict_holdout
from include.perennial.steps.fit import fit_and_measure
from include.perennial.steps.judge import best

log = logging.getLogger(__name__)

_RECORD = "contender.json"
_PREDICTIONS = "predictions.parquet"
_MODEL = "model"
# Raised when what is kept changes its meaning, so that older ones are made anew.
_EDITION = 1
_FITTED_BY = {"name", "data", "features", "candidates", "selection_metric", "refit", "weights", "trusted_types"}
NO_RUN = "replay"


class Contender(Contract):
    """The winner of a window: its holdout predictions, and the model that would be crowned.

    ``judged_digest`` names the model that was judged; ``final`` is the one to crown (refitted if the spec says so)
    and ``final_behaviour`` what was seen of it. Seconds are processor time of this window's training run alone.
    """

    winner: str
    fits: tuple[CandidateFit, ...]
    predictions: FileRecord
    prediction_digest: str
    judged_digest: str
    final: ModelFile
    final_behaviour: Behaviour
    cpu_s: float
    refit_cpu_s: float

    def read_predictions(self, folder: Path) -> HoldoutPredictions:
        """Predictions of the holdout by the judged, not refitted candidate."""
        return predictions.from_parquet((folder / self.predictions.name).read_bytes())


def folder_of(plan: TrainingPlan, pipeline: Pipeline, home: Path) -> Path:
    """Where the contender of ``plan`` is kept."""
    spec = pipeline.spec
    content = [
        _EDITION,
        spec.model_dump(mode="json", include=_FITTED_BY),
        predictions.kept_columns(spec),
        plan.seed,
        plan.code_digest,
        plan.environment_digest,
        [[ref.key, ref.sha256] for ref in plan.train],
        [[ref.key, ref.sha256] for ref in plan.holdout],
        *([] if spec.task is TaskKind.BINARY else [spec.task, spec.classes]),
    ]
    return home / "contenders" / f"{plan.as_of}-{digest(content)[:24]}"


def make(plan: TrainingPlan, pipeline: Pipeline, supply: Supply, home: Path) -> Contender:
    """The contender of ``plan``, found or made. Several processes may make the same one: the first stays.

    Raises:
        BadInput: a candidate cannot be built or fitted.
    """
    target = folder_of(plan, pipeline, home)
    if (target / _RECORD).exists():
        return Contender.model_validate_json((target / _RECORD).read_bytes())
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unfinished-") as name, threadpool_limits(limits=1):
        work = Path(name) / target.name
        work.mkdir()
        contender = _made(plan, pipeline, supply, work, target)
        (work / _RECORD).write_bytes(contender.model_dump_json().encode())
        try:
            os.rename(work, target)
        except OSError:
            # Another process was first. What it kept is equal up to the seconds that it took.
            log.info("%s %s: another process has made this contender", plan.pipeline, plan.as_of)
    return Contender.model_validate_json((target / _RECORD).read_bytes())


def _made(plan: TrainingPlan, pipeline: Pipeline, supply: Supply, work: Path, target: Path) -> Contender:
    started, spec = time.process_time(), pipeline.spec
    train, holdout = supply.read(pipeline, plan.train), supply.read(pipeline, plan.holdout)
    fits = _fits(plan, pipeline, supply)
    winner = best(fits, pipeline.spec.selection_metric)
    chosen = chosen_of(winner, fits)
    judged = fit_and_save(plan, pipeline, winner, train, holdout, work / _MODEL, chosen)
    candidate = predict_holdout(plan, pipeline, winner, judged, holdout, task_of(spec).baseline(train.y))
    predicted = predictions.to_parquet(candidate)
    (work / _PREDICTIONS).write_bytes(predicted)
    judged_cpu_s, final = time.process_time() - started, judged
    if pipeline.spec.refit:
        shutil.rmtree(work / _MODEL)
        everything = supply.read(pipeline, (*plan.train, *plan.holdout))
        final = fit_and_save(plan, pipeline, winner, everything, holdout, work / _MODEL, chosen)
    return Contender(
        winner=winner,
        fits=fits,
        predictions=FileRecord(name=_PREDICTIONS, sha256=bytes_sha256(predicted), n_bytes=len(predicted)),
        prediction_digest=candidate.digest,
        judged_digest=judged.saved.digest,
        final=_model_file(final, target / _MODEL),
        final_behaviour=final.behaviour,
        cpu_s=judged_cpu_s,
        refit_cpu_s=time.process_time() - started - judged_cpu_s,
    )


def _fits(plan: TrainingPlan, pipeline: Pipeline, supply: Supply) -> tuple[CandidateFit, ...]:
    """As ``steps.fit``: without the selection partition, measured on it."""
    train, selection = supply.read(pipeline, plan.train[:-1]), supply.read(pipeline, plan.train[-1:])
    return tuple(_fit(plan, name, pipeline, train, selection) for name in plan.candidates)


def _fit(plan: TrainingPlan, name: str, pipeline: Pipeline, train: Labelled, selection: Labelled) -> CandidateFit:
    measured = fit_and_measure(plan, name, pipeline, train, selection)
    return measured.fit.model_copy(update={"mlflow_run_id": NO_RUN})


def _model_file(fitted: FittedModel, folder: Path) -> ModelFile:
    return ModelFile(
        model_uri=str(folder),
        files=tuple(folder_records(fitted.folder)),
        model_digest=fitted.saved.digest,
        trusted_types=fitted.saved.trusted_types,
    )
