"""Model files on MLflow, as logged models: ``models:/m-…``.

A logged model carries the tag ``perennial.key``, made of run key and digest: a repeat after a lost reply finds
it and writes the same bytes again, and other bytes never replace those of a recorded file.
"""

import tempfile
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput
from mlflow.exceptions import MlflowException

from include.perennial.contracts import ModelFile
from include.perennial.errors import IntegrityError
from include.perennial.folder_records import folder_records
from include.perennial.stores.tracking import model_folder
from include.perennial.stores.tracking.client import sent_once
from include.perennial.stores.tracking.model_folder import ModelPackage

KEY_TAG = "perennial.key"


def store(client: MlflowClient, experiment: str, run_id: str, package: ModelPackage) -> ModelFile:
    """Upload the model of ``package`` as an output of run ``run_id``; may be repeated."""
    logged = _ensure(client, experiment, run_id, package)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "model")
        model_folder.write(
            package, folder, model_id=logged.model_id, run_id=run_id, created_ms=logged.creation_timestamp
        )
        files = folder_records(folder)
        client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, "READY")
    _link(client, run_id, logged.model_id)
    return ModelFile(
        model_uri=f"models:/{logged.model_id}",
        files=files,
        model_digest=package.digest,
        trusted_types=package.trusted_types,
    )


def model_id(model: ModelFile) -> str:
    """``m-…`` of ``models:/m-…``.

    Raises:
        IntegrityError: the recorded URI is of another form.
    """
    name = model.model_uri.removeprefix("models:/")
    if name == model.model_uri or "/" in name:
        raise IntegrityError(f"Model URI {model.model_uri!r} does not name a logged model: expected models:/<id>.")
    return name


def _ensure(client: MlflowClient, experiment: str, run_id: str, package: ModelPackage) -> LoggedModel:
    key = f"{package.run_key}:{package.digest}"
    if found := _find(client, experiment, key):
        return found
    try:
        with sent_once():
            return client.create_logged_model(
                experiment,
                name=package.pipeline,
                source_run_id=run_id,
                tags={KEY_TAG: key},
                model_type=package.candidate,
            )
    except MlflowException as error:
        # The reply may be lost and the model made: the look-up tells.
        if (found := _find(client, experiment, key)) is None:
            raise error
        return found


def _find(client: MlflowClient, experiment: str, key: str) -> LoggedModel | None:
    found = client.search_logged_models(
        [experiment],
        f"tags.`{KEY_TAG}` = '{key}'",
        max_results=1,
        order_by=[{"field_name": "creation_timestamp", "ascending": True}],
    )
    return found[0] if found else None


def _link(client: MlflowClient, run_id: str, name: str) -> None:
    if _is_linked(client, run_id, name):
        return
    try:
        with sent_once():
            client.log_outputs(run_id, [LoggedModelOutput(name, step=0)])
    except MlflowException as error:
        # MLflow refuses a second link, so after a lost reply only a look tells.
        if not _is_linked(client, run_id, name):
            raise error


def _is_linked(client: MlflowClient, run_id: str, name: str) -> bool:
    outputs = client.get_run(run_id).outputs
    return outputs is not None and any(output.model_id == name for output in outputs.model_outputs)
