"""Register: a model that passed the gate becomes exactly one MLflow version, and the challenger."""

import tempfile
from pathlib import Path

from include.perennial.contracts import REGISTERED_VERDICTS, Decision, ModelFile, Registration
from include.perennial.digests import file_sha256
from include.perennial.errors import BadInput, IntegrityError
from include.perennial.steps.reconcile import reconcile
from include.perennial.stores.ledger import Event, EventKind, Ledger, Registered
from include.perennial.stores.tracking.registry import LEDGER_HEAD_TAG, Registry

_SHOWN_FILES = 5


def register(decision: Decision, ledger: Ledger, registry: Registry, *, forced: bool = False) -> Registration | None:
    """The registered version of ``decision``; None when its verdict does not register and nobody forced it.

    A retry finds what the first attempt left: one version and one ``registered`` event per run key.

    Raises:
        BadInput: forced, but the model was not stored.
        IntegrityError: MLflow's files are not those that were judged.
        Unavailable: MLflow or the ledger does not answer.
    """
    if decision.plan.request.dry_run or not (forced or decision.judgement.verdict in REGISTERED_VERDICTS):
        return None
    plan, model = decision.plan, decision.model
    if model is None:
        raise BadInput(
            f"Run {plan.run_key} of {plan.pipeline} has no stored model to register "
            f"(verdict {decision.judgement.verdict}). Train again with force to store it."
        )
    _check_files(model, registry)
    version = registry.ensure_version(
        plan.pipeline,
        plan.run_key,
        model.model_uri,
        decision.mlflow_run_id,
        _tags(decision),
        f"{decision.winner}, trained up to {decision.cutoff}. {decision.judgement.sentence}",
    )
    event = _record(decision, model, version, forced, ledger)
    registry.set_tags(plan.pipeline, version, {LEDGER_HEAD_TAG: str(ledger.head(plan.pipeline))})
    reconcile(plan.pipeline, ledger, registry)
    return Registered.model_validate(event.payload).registration


def _check_files(model: ModelFile, registry: Registry) -> None:
    with tempfile.TemporaryDirectory(prefix="perennial-register-") as scratch:
        folder = registry.download(model.model_uri, Path(scratch))
        stored = {p.relative_to(folder).as_posix(): file_sha256(p) for p in sorted(folder.rglob("*")) if p.is_file()}
    judged = {file.name: file.sha256 for file in model.files}
    different = sorted(name for name in stored.keys() | judged.keys() if stored.get(name) != judged.get(name))
    if different:
        raise IntegrityError(
            f"{len(different)} files of model {model.model_uri} are not those that were judged: "
            f"{', '.join(different[:_SHOWN_FILES])}. Nothing was registered. Find out who changed the artifact "
            "store, then train again."
        )


def _tags(decision: Decision) -> dict[str, str]:
    plan = decision.plan
    return {
        "perennial.verdict": decision.judgement.verdict.value,
        "perennial.sentence": decision.judgement.sentence,
        "perennial.trigger": plan.request.trigger.value,
        "perennial.reason": plan.request.reason,
        "perennial.as_of": plan.as_of,
        "perennial.cutoff": decision.cutoff,
        "perennial.window_digest": plan.window_digest,
        "perennial.spec_digest": plan.spec_digest,
        "perennial.code_digest": plan.code_digest,
        "perennial.data_commit": plan.data_commit,
        "perennial.code_commit": plan.code_commit,
        "perennial.prediction_digest": decision.prediction_digest,
        "perennial.winner": decision.winner,
    }


def _record(decision: Decision, model: ModelFile, version: str, forced: bool, ledger: Ledger) -> Event:
    plan, judgement = decision.plan, decision.judgement
    payload = Registered(
        pipeline=plan.pipeline,
        run_key=plan.run_key,
        version=version,
        model=model,
        cutoff=decision.cutoff,
        verdict=judgement.verdict,
        sentence=judgement.sentence,
        forced=forced,
    ).model_dump(mode="json")
    actor = plan.request.requested_by or plan.request.trigger.value
    first, after_deletion = registered_keys(plan.run_key, version)
    event = ledger.append(plan.pipeline, EventKind.REGISTERED, first, payload, actor)
    if event.payload["version"] == version:
        return event
    return ledger.append(plan.pipeline, EventKind.REGISTERED, after_deletion, payload, actor)


def registered_keys(run_key: str, version: str) -> tuple[str, str]:
    """Ledger keys of ``registered``: of a run's version, and of one made anew since that was deleted from MLflow."""
    return run_key, f"{run_key}/{version}"
