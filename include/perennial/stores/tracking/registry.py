"""MLflow's model registry: versions, aliases and downloads.

The registered model of a pipeline has the pipeline's name. Every version carries the tag
``perennial.run_key``, by which it is found again when a reply was lost.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode

from include.perennial.errors import IntegrityError, Unavailable
from include.perennial.settings import Settings
from include.perennial.stores.tracking.client import connect, sent_once, shown_uri, speaking_to

T = TypeVar("T")
RUN_KEY_TAG = "perennial.run_key"
LEDGER_HEAD_TAG = "perennial.ledger_head"
TAG_VALUE_LIMIT = 5000
_ALREADY_EXISTS = ErrorCode.Name(RESOURCE_ALREADY_EXISTS)
MISSING = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)
# Any error of its database but an outage, a violated primary key among them.
_CONFLICT = ErrorCode.Name(BAD_REQUEST)
# Written by MLflow's client next to what it downloads; not part of the stored model.
_DOWNLOAD_NOTE = "registered_model_meta"


class Registry:
    """Registered models of one MLflow server. Every method raises ``Unavailable`` when it does not answer."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._uri = client.tracking_uri

    @classmethod
    def open(cls, settings: Settings) -> "Registry":
        """The registry of the tracking server of ``settings``; nothing is sent yet."""
        return cls(connect(settings))

    def ensure_version(
        self, pipeline: str, run_key: str, source: str, run_id: str, tags: Mapping[str, str], description: str
    ) -> str:
        """The one version of ``run_key``, made from model URI ``source`` of run ``run_id`` if there is none.

        The lowest number of a run key is its version, whoever made it: MLflow has no unique
        key, so two processes may both find nothing and create. Each looks again afterwards
        and deletes what is not the lowest.

        Raises:
            BadInput: MLflow refuses ``source``, for instance since the run does not hold it.
            IntegrityError: the version of ``run_key`` was made from something else.
        """
        with speaking_to(self._uri):
            versions = self._of_run_key(pipeline, run_key)
            if not versions:
                self._create(pipeline, run_key, source, run_id, tags, description)
                versions = self._of_run_key(pipeline, run_key)
            for duplicate in versions[1:]:
                # A copy that a person made names another source. Missing: the other process was faster.
                if duplicate.source == source:
                    _unless_missing(partial(self._client.delete_model_version, pipeline, str(duplicate.version)))
        if not versions:
            raise Unavailable(f"The version of {pipeline} made for run {run_key} was deleted meanwhile. Retry.")
        if versions[0].source != source:
            raise IntegrityError(
                f"Version {versions[0].version} of {pipeline} carries run key {run_key} but was made from "
                f"{versions[0].source}, not from {source}. Delete that version if it is not wanted, then retry."
            )
        return str(versions[0].version)

    def version_exists(self, pipeline: str, version: str) -> bool:
        """Whether ``version`` is registered and was not deleted."""
        return self.tags(pipeline, version) is not None

    def tags(self, pipeline: str, version: str) -> dict[str, str] | None:
        """Tags of ``version``, or None if there is no such version."""
        with speaking_to(self._uri):
            found = _unless_missing(lambda: self._client.get_model_version(pipeline, version))
        return None if found is None else dict(found.tags)

    def set_tags(self, pipeline: str, version: str, tags: Mapping[str, str]) -> None:
        """Set tags of ``version``; values are cut at 5,000 characters."""
        with speaking_to(self._uri):
            for key, value in _bounded(tags).items():
                _until_written(partial(self._client.set_model_version_tag, pipeline, version, key, value))

    def tag_values(self, pipeline: str, key: str) -> dict[str, str]:
        """Value of tag ``key`` by version, of the versions that carry it."""
        with speaking_to(self._uri):
            versions = self._client.search_model_versions(f"name = '{pipeline}'")
        return {str(version.version): version.tags[key] for version in versions if key in version.tags}

    def aliases(self, pipeline: str) -> dict[str, str]:
        """Version by alias, dangling aliases included; empty if the pipeline has no registered model."""
        with speaking_to(self._uri):
            model = _unless_missing(lambda: self._client.get_registered_model(pipeline))
        return {alias: str(version) for alias, version in model.aliases.items()} if model else {}

    def get_alias(self, pipeline: str, alias: str) -> str | None:
        """The version that ``alias`` names, which may be a deleted one; None if there is no such alias."""
        return self.aliases(pipeline).get(alias)

    def set_alias(self, pipeline: str, alias: str, version: str) -> None:
        """Point ``alias`` to ``version``, wherever it pointed before.

        Raises:
            BadInput: there is no such version.
        """
        with speaking_to(self._uri):
            _until_written(partial(self._client.set_registered_model_alias, pipeline, alias, version))

    def delete_alias(self, pipeline: str, alias: str) -> None:
        """Remove ``alias``; nothing happens if there is none."""
        with speaking_to(self._uri):
            _until_written(partial(self._client.delete_registered_model_alias, pipeline, alias))

    def download(self, model_uri: str, target: Path) -> Path:
        """The stored files of a model (``models:/…`` or ``runs:/…``) in a folder under ``target``, unchecked.

        Raises:
            IntegrityError: MLflow has no such files.
        """
        fetch = mlflow.artifacts.download_artifacts
        with speaking_to(self._uri):
            path = _unless_missing(lambda: fetch(model_uri, dst_path=str(target), tracking_uri=self._uri))
        if path is None:
            raise IntegrityError(
                f"The files of model {model_uri} are gone from MLflow at {shown_uri(self._uri)}. "
                "Restore its artifact store from a backup, or train again."
            )
        folder = Path(path)
        (folder / _DOWNLOAD_NOTE).unlink(missing_ok=True)
        return folder

    def _of_run_key(self, pipeline: str, run_key: str) -> list[ModelVersion]:
        """Versions that carry ``run_key``, lowest number first."""
        found = self._client.search_model_versions(f"name = '{pipeline}' and tags.`{RUN_KEY_TAG}` = '{run_key}'")
        return sorted(found, key=lambda version: int(version.version))

    def _create(
        self, pipeline: str, run_key: str, source: str, run_id: str, tags: Mapping[str, str], description: str
    ) -> None:
        try:
            self._client.create_registered_model(pipeline)
        except MlflowException as error:
            if error.error_code != _ALREADY_EXISTS:
                raise
        try:
            with sent_once():
                self._client.create_model_version(
                    pipeline,
                    source,
                    run_id,
                    tags=_bounded(tags) | {RUN_KEY_TAG: run_key},
                    description=description[:TAG_VALUE_LIMIT],
                    await_creation_for=0,
                    model_id=_model_id(source),
                )
        except MlflowException as error:
            # The reply may be lost and the version made: the look-up that follows tells.
            if not self._of_run_key(pipeline, run_key):
                raise error


def _unless_missing(call: Callable[[], T]) -> T | None:
    """What ``call`` gives, or None when MLflow says that the thing does not exist."""
    try:
        return call()
    except MlflowException as error:
        if error.error_code != MISSING:
            raise
        return None


def _until_written(write: Callable[[], object]) -> None:
    """Repeat ``write`` when another writer of the same row was faster, which MLflow's server takes for an error."""
    for pause_s in (0.05, 0.2, 0.5):
        try:
            write()
            return
        except MlflowException as error:
            if error.error_code != _CONFLICT:
                raise
        time.sleep(pause_s)
    write()


def _model_id(source: str) -> str | None:
    """``m-…`` of a ``models:/m-…`` address, which MLflow wants beside the address itself."""
    name = source.removeprefix("models:/")
    return name if name != source and name.startswith("m-") and "/" not in name else None


def _bounded(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value[:TAG_VALUE_LIMIT] for key, value in tags.items()}
