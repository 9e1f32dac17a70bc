"""Reproduce one version."""

import tempfile
from pathlib import Path

from include.perennial.models import predictions
from include.perennial.settings import PROJECT_ROOT, Settings
from include.perennial.steps.registered import decision_of, find_registered
from include.perennial.steps.reproduce.code import recorded_code, run_rebuild
from include.perennial.steps.reproduce.comparison import (
    compare,
    environment_notes,
    kept_predictions,
    pipeline_notes,
    stored_model,
)
from include.perennial.steps.reproduce.outcome import Compared, Reproduction, outcome_of, sentence_of
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.tracking.registry import Registry


def reproduce(name: str, version: str, settings: Settings, project_root: Path = PROJECT_ROOT) -> Reproduction:
    """Rebuild ``version`` of pipeline ``name`` and compare; nothing that is stored changes.

    ``project_root`` is a checkout whose Git repository has the recorded commit.

    Raises:
        BadInput: there is no such version.
        Unavailable: a store does not answer.
    """
    ledger = Ledger.open(settings.ledger_url)
    registration, judged = find_registered(name, version, ledger)
    decision = decision_of(judged)
    with tempfile.TemporaryDirectory(prefix="perennial-reproduce-") as scratch:
        folder = Path(scratch)
        stored, problems = stored_model(registration.model, Registry.open(settings), folder)
        kept, lost = kept_predictions(decision, ObjectStore.open(settings))
        code = recorded_code(decision, project_root, folder / "code")
        rebuilt = run_rebuild(judged.payload, decision, code, settings, folder)
        problems += lost + ([str(rebuilt["error"])] if "error" in rebuilt else [])
        notes = [*code.notes, *environment_notes(decision, stored)]
        compared: list[Compared] = []
        if "error" not in rebuilt:
            notes += pipeline_notes(decision, rebuilt)
            again = predictions.from_parquet((folder / "predictions.parquet").read_bytes())
            compared = compare(decision, registration.model, rebuilt, kept, again)
    outcome = outcome_of(compared, problems, failed="error" in rebuilt)
    return Reproduction(
        pipeline=name,
        version=version,
        run_key=registration.run_key,
        code_commit=decision.plan.code_commit,
        data_commit=decision.plan.data_commit,
        outcome=outcome,
        sentence=sentence_of(name, version, outcome, compared, problems),
        compared=tuple(compared),
        problems=tuple(problems),
        notes=tuple(notes),
    )
