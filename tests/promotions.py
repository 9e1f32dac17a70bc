"""Decisions about synthetic models, for tests of registering and promoting.

A model is a folder with a text file; its quality is the ``score`` in its model digest, and
``rejudge`` compares scores as the gate would compare models.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from include.perennial.contracts import (
    Decision,
    FileRecord,
    Judgement,
    ModelFile,
    PartitionRef,
    Registration,
    TrainingPlan,
    TrainingRequest,
    Trigger,
    Verdict,
)
from include.perennial.digests import digest, file_sha256
from include.perennial.stores.ledger import Champion

if TYPE_CHECKING:
    from mlflow import MlflowClient

CUTOFF = "2013-03-04"


@dataclass(frozen=True)
class StoredModel:
    """Files in MLflow under a run; several decisions may share them."""

    run_id: str
    uri: str
    files: tuple[FileRecord, ...]


def store_model(client: "MlflowClient", text: str = "a model") -> StoredModel:
    """Log a model folder of two small files under a run of its own."""
    experiment = client.get_experiment_by_name("models")
    run_id = client.create_run(
        experiment.experiment_id if experiment else client.create_experiment("models")
    ).info.run_id
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "MLmodel").write_text("flavors: {}\n")
        (folder / "model.txt").write_text(text)
        client.log_artifacts(run_id, scratch, "model")
        files = tuple(
            FileRecord(name=path.name, sha256=file_sha256(path), n_bytes=path.stat().st_size)
            for path in sorted(folder.iterdir())
        )
    return StoredModel(run_id, f"runs:/{run_id}/model", files)


def model_file(score: float, run_key: str, stored: StoredModel | None = None) -> ModelFile:
    uri, files = (stored.uri, stored.files) if stored else ("runs:/r/model", ())
    return ModelFile(model_uri=uri, files=files, model_digest=f"{score}:{run_key}", trusted_types=())


def score_of(model: ModelFile) -> float:
    return float(model.model_digest.partition(":")[0])


def registration(pipeline: str, version: str = "1", *, score: float = 0.7, cutoff: str = CUTOFF) -> Registration:
    run_key = f"run-{version}"
    model = model_file(score, run_key)
    return Registration(pipeline=pipeline, run_key=run_key, version=version, model=model, cutoff=cutoff)


def judgement_of(model: ModelFile, champion: Champion | None, verdict: Verdict | None = None) -> Judgement:
    """Passed if there is no champion or its score is strictly worse, unless ``verdict`` says otherwise."""
    better = champion is None or score_of(model) > score_of(champion.model)
    verdict = verdict or (Verdict.PASSED if better else Verdict.REJECTED)
    beaten = f"champion {score_of(champion.model)}" if champion else "no champion"
    return Judgement(
        verdict=verdict,
        sentence=f"{verdict}: score {score_of(model)} against {beaten}.",
        checks=(),
        champion_seq=champion.seq if champion else None,
        champion_version=champion.version if champion else None,
    )


def rejudge(decision: Decision, champion: Champion) -> Judgement:
    assert decision.model is not None
    return judgement_of(decision.model, champion)


def decide(
    pipeline: str,
    run_key: str,
    stored: StoredModel | None,
    *,
    score: float = 0.7,
    champion: Champion | None = None,
    verdict: Verdict | None = None,
    cutoff: str = CUTOFF,
    dry_run: bool = False,
) -> Decision:
    """A decision on a model of ``score``, judged against ``champion``."""
    model = model_file(score, run_key, stored) if stored else None
    request = TrainingRequest(pipeline=pipeline, as_of=cutoff, trigger=Trigger.SCHEDULE, dry_run=dry_run)
    plan = TrainingPlan(
        run_key=run_key,
        pipeline=pipeline,
        as_of=cutoff,
        request=request,
        train=(PartitionRef(key="2013-01-07", sha256="a", rows=10),),
        holdout=(PartitionRef(key=cutoff, sha256="b", rows=10),),
        candidates=("logistic",),
        window_digest="window",
        spec_digest="spec",
        code_digest="code",
        data_commit="data",
        code_commit="commit",
        code_dirty=False,
        environment_digest="environment",
        seed=0,
    )
    return Decision(
        plan=plan,
        winner="logistic",
        fits=(),
        metrics={"roc_auc": score},
        champion_metrics={},
        judgement=judgement_of(model_file(score, run_key), champion, verdict),
        mlflow_run_id=stored.run_id if stored else "none",
        model=model,
        cutoff=cutoff,
        prediction_digest=digest([run_key, score]),
    )
