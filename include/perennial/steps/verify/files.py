"""Predictions and decisions: the files beside the ledger that explain and compare."""

import json
from functools import partial

from include.perennial.contracts import Decision
from include.perennial.errors import IntegrityError
from include.perennial.steps.verify.finding import Area, Finding, Found, Stores
from include.perennial.stores.ledger import EventKind
from include.perennial.stores.prediction_log import PredictionLog

_DECISION = "decision.json"


def predictions(name: str, stores: Stores) -> tuple[int, list[Found]]:
    """The holdout predictions of each decision have their digest, and the prediction log can be read."""
    records = [one.predictions for one in _decisions(name, stores) if one.predictions is not None]
    found = []
    for record in records:
        try:
            stores.objects.get_bytes(record.name, record.sha256)
        except IntegrityError as error:
            found.append(Found(_prediction_finding(name, record.name, f"sha256 {record.sha256}", str(error))))
    log = PredictionLog(stores.objects)
    names = log.names(name)
    for file in names:
        try:
            log.read_file(file)
        except IntegrityError as error:
            found.append(Found(_prediction_finding(name, file, "a readable file of the prediction log", str(error))))
    return len(records) + len(names), found


def decisions(name: str, stores: Stores) -> tuple[int, list[Found]]:
    """The decision that MLflow shows with each run is the one of the ledger."""
    judged = _decisions(name, stores)
    found = []
    for decision in judged:
        shown = stores.tracking.read_artifact(decision.mlflow_run_id, _DECISION)
        if shown is not None and _says(shown, decision):
            continue
        finding = Finding(
            pipeline=name,
            area=Area.DECISIONS,
            what="the decision that MLflow shows is not the ledger's",
            where=f"{_DECISION} of MLflow run {decision.mlflow_run_id}",
            expected=decision.judgement.sentence,
            found="no such file" if shown is None else "other content",
            fix="`verify --repair` writes it again from the ledger.",
            repairable=True,
        )
        data = json.dumps(decision.model_dump(mode="json"), indent=2).encode()
        repair = partial(stores.tracking.finish, decision.mlflow_run_id, {}, {_DECISION: data})
        found.append(Found(finding, repair))
    return len(judged), found


def _decisions(name: str, stores: Stores) -> list[Decision]:
    return [Decision.model_validate(event.payload) for event in stores.ledger.intact_events(name, [EventKind.JUDGED])]


def _says(data: bytes, decision: Decision) -> bool:
    try:
        return bool(json.loads(data) == decision.model_dump(mode="json"))
    except ValueError:
        return False


def _prediction_finding(name: str, where: str, expected: str, found: str) -> Finding:
    return Finding(
        pipeline=name,
        area=Area.PREDICTIONS,
        what="a file of predictions is not what was recorded",
        where=where,
        expected=expected,
        found=found,
        fix="Restore the object from a backup; of the prediction log, remove the file and score the partition again.",
    )
