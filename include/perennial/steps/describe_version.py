"""Describe: the model card of a registered version, where the pages and MLflow show it.

For people: nothing is decided from a card, and writing it again from the same state gives the same.
"""

from include.perennial.card_places import CardKeys
from include.perennial.cards.model_card import HISTORY_KINDS, model_card
from include.perennial.contracts import Decision, Registration
from include.perennial.models import estimators
from include.perennial.pipeline_folder import Pipeline
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.tracking.runs import Tracking


def describe_version(
    registration: Registration,
    decision: Decision,
    pipeline: Pipeline,
    *,
    ledger: Ledger,
    store: ObjectStore,
    tracking: Tracking,
) -> CardKeys:
    """Keep the card of ``registration`` in the object store and with the MLflow run of its decision.

    Written when the version waits for an answer, and again when its promotion was decided.

    Raises:
        IntegrityError: an event about the version was edited.
        Unavailable: the object store, MLflow or the ledger does not answer.
    """
    plan, name = decision.plan, pipeline.spec.name
    # While a version waited for an answer, its candidate may have been taken out of the spec.
    known = decision.winner in pipeline.spec.candidates
    params = estimators.parameters(pipeline, decision.winner, plan.request.overrides) if known else {}
    params |= {name.removeprefix("model__"): value for name, value in decision.chosen.items()}
    card = model_card(registration, decision, pipeline.spec, params, ledger.events(name, HISTORY_KINDS))
    files = {"model_card.md": card.markdown.encode(), "model_card.html": card.page}
    tracking.log_files(decision.mlflow_run_id, files)
    keys = CardKeys.model(name, plan.as_of, registration.version)
    store.put_bytes(keys.markdown, files["model_card.md"])
    store.put_bytes(keys.html, files["model_card.html"])
    return keys
