"""A contender against the champion in place: the gate, the ledger's events, and the crown if it passes.

The same steps as ``steps.judge`` and ``steps.promote``, from the same parts. The ledger is a real one, of this
replay and policy alone.
"""

from pathlib import Path

from threadpoolctl import threadpool_limits

from include.perennial.contracts import REGISTERED_VERDICTS, Decision, Judgement, Registration, TrainingPlan, Verdict
from include.perennial.gate import judgement as gate
from include.perennial.gate.evidence import Evidence
from include.perennial.models.metrics import measure_all
from include.perennial.pipeline_folder import Pipeline
from include.perennial.replay.contenders import NO_RUN, Contender
from include.perennial.replay.service import Service
from include.perennial.steps.evidence import gather
from include.perennial.steps.standing import Stores, stand
from include.perennial.stores.ledger import EventKind

ACTOR = "replay"


def contest(
    plan: TrainingPlan, contender: Contender, folder: Path, pipeline: Pipeline, service: Service, stores: Stores
) -> Decision:
    """The decision of the training run ``plan``, in the ledger; a contender that passed is champion afterwards."""
    with threadpool_limits(limits=1):
        evidence = _evidence(plan, contender, folder, pipeline, service, stores)
        judgement = gate.judge(pipeline.spec.gate, evidence, seed=plan.seed)
    if refitted := pipeline.spec.refit and judgement.verdict in REGISTERED_VERDICTS:
        judgement = gate.judge_refit(judgement, pipeline.spec.gate, contender.final_behaviour, evidence.task)
    decision = _decision(plan, contender, evidence, judgement, plan.refit_cutoff if refitted else plan.candidate_cutoff)
    stores.ledger.append(plan.pipeline, EventKind.JUDGED, plan.run_key, decision.model_dump(mode="json"), ACTOR)
    if judgement.verdict is Verdict.PASSED:
        _crown(decision, contender, stores)
    return decision


def _evidence(
    plan: TrainingPlan, contender: Contender, folder: Path, pipeline: Pipeline, service: Service, stores: Stores
) -> Evidence:
    candidate = contender.read_predictions(folder)
    standing = stand(
        pipeline,
        plan.refit_cutoff if pipeline.spec.refit else plan.candidate_cutoff,
        stores.ledger.champion(plan.pipeline),
        candidate,
        lambda: service.window(plan.holdout).x,
        stores,
    )
    return gather(pipeline, candidate, standing, None if pipeline.spec.refit else contender.judged_digest)


def _decision(plan: TrainingPlan, contender: Contender, seen: Evidence, judgement: Judgement, cutoff: str) -> Decision:
    return Decision(
        plan=plan,
        winner=contender.winner,
        fits=contender.fits,
        metrics=measure_all(seen.y, seen.p_candidate, seen.training_rate, seen.task),
        champion_metrics=(
            {} if seen.p_champion is None else measure_all(seen.y, seen.p_champion, seen.training_rate, seen.task)
        ),
        judgement=judgement,
        mlflow_run_id=NO_RUN,
        model=contender.final,
        cutoff=cutoff,
        prediction_digest=contender.prediction_digest,
        predictions=contender.predictions,
    )


def _crown(decision: Decision, contender: Contender, stores: Stores) -> None:
    plan, judgement = decision.plan, decision.judgement
    registration = Registration(
        pipeline=plan.pipeline,
        run_key=plan.run_key,
        version=plan.as_of,
        model=contender.final,
        cutoff=decision.cutoff,
    )
    stores.ledger.promote(
        registration,
        decision.prediction_digest,
        judgement.champion_seq,
        reason=judgement.sentence,
        actor=ACTOR,
        key=plan.run_key,
        evidence={"forced": False, "judgement": judgement.model_dump(mode="json")},
    )
