"""Experiment runs on MLflow: one per candidate and one per decision, with the model that was decided on.

The experiment of a pipeline has the pipeline's name. Every run carries the tag ``perennial.key``, by which it
is found again after a lost reply or a retry, so that repeating a step makes no second run. What is logged here
is for people: nothing is decided from what MLflow says.
"""

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.exceptions import MlflowException

from include.perennial.contracts import ModelFile
from include.perennial.digests import canonical_json
from include.perennial.errors import BadInput
from include.perennial.messages import clipped
from include.perennial.settings import Settings
from include.perennial.stores.tracking import logged_models
from include.perennial.stores.tracking.client import connect, sent_once, speaking_to
from include.perennial.stores.tracking.model_folder import ModelPackage
from include.perennial.stores.tracking.registry import MISSING, Registry

KEY_TAG = "perennial.key"
_DIGEST_CHARS = 36  # the most that MLflow keeps of a dataset's digest; the source holds all of it
_VALUE_CHARS = 5000
_POINTS_PER_CALL = 500


@dataclass(frozen=True)
class DatasetRecord:
    """Partitions that a run used: ``digest`` names their content, ``source`` (JSON) says where they are."""

    name: str
    context: str
    digest: str
    source: Mapping[str, Any]


@dataclass(frozen=True)
class RunRecord:
    """A run to be: ``key`` identifies it among all runs of ``pipeline``."""

    pipeline: str
    key: str
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    inputs: Sequence[DatasetRecord] = ()


class Tracking:
    """Runs of one MLflow server. Every method raises ``Unavailable`` when it does not answer."""

    def __init__(self, client: MlflowClient, artifacts: Path | None = None) -> None:
        """``artifacts`` is where a store without a server keeps files; a server says so itself."""
        self._client = client
        self._uri = client.tracking_uri
        self._artifacts = artifacts
        self._experiments: dict[str, str] = {}

    @classmethod
    def open(cls, settings: Settings) -> "Tracking":
        """The tracking server of ``settings``; nothing is sent yet."""
        # MLflow prints an address for every finished run; a task's log has it as a link.
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        served = settings.tracking_uri.startswith("http")
        return cls(connect(settings), None if served else settings.home / "mlflow-artifacts")

    def run_url(self, pipeline: str, run_id: str) -> str:
        """Address of a run in MLflow's pages; empty when the store is a database and has none."""
        if not self._uri.startswith("http"):
            return ""
        with speaking_to(self._uri):
            return f"{self._uri.rstrip('/')}/#/experiments/{self._experiment(pipeline)}/runs/{run_id}"

    def start(self, record: RunRecord) -> str:
        """The id of the run of ``record.key``, made if there is none, with parameters, tags and inputs logged."""
        with speaking_to(self._uri):
            run_id = str(self._ensure_run(record).info.run_id)
            self._client.log_batch(
                run_id,
                params=[Param(key, clipped(str(value), _VALUE_CHARS)) for key, value in record.params.items()],
                tags=[RunTag(key, clipped(value, _VALUE_CHARS)) for key, value in record.tags.items()],
            )
            self._log_inputs(run_id, [_dataset_input(dataset) for dataset in record.inputs])
        return run_id

    def _log_inputs(self, run_id: str, inputs: list[DatasetInput]) -> None:
        # Candidates that are fitted side by side tell MLflow of the same dataset: it looks for it, finds none, and of
        # two that insert it the second is refused. Asked again, it finds the first one's.
        for _ in inputs:
            try:
                self._client.log_inputs(run_id, inputs)
            except MlflowException as error:
                if error.get_http_status_code() != HTTPStatus.BAD_REQUEST:
                    raise
            else:
                return
        self._client.log_inputs(run_id, inputs)

    def finish(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        artifacts: Mapping[str, bytes] | None = None,
        model: ModelFile | None = None,
    ) -> None:
        """Log metrics (finite numbers) and artifacts (bytes by file name) and end the run; may be repeated.

        With ``model`` the metrics are shown on the model's page too.
        """
        model_id = logged_models.model_id(model) if model else None
        with speaking_to(self._uri):
            # A repeat must not log the same point again: a logged model takes one per name and time.
            known, at_ms = self._client.get_run(run_id).data.metrics, time.time_ns() // 1_000_000
            new = {name: value for name, value in metrics.items() if known.get(name) != value}
            points = [Metric(name, value, at_ms, 0, model_id=model_id) for name, value in new.items()]
            self._client.log_batch(run_id, metrics=points)
            self.log_files(run_id, artifacts or {})
            self._client.set_terminated(run_id)

    def log_files(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Keep ``files`` (bytes by name) as artifacts of a run, ended or not; one of the same name is replaced."""
        if not files:
            return
        with speaking_to(self._uri), tempfile.TemporaryDirectory() as folder:
            for name, data in files.items():
                Path(folder, name).write_bytes(data)
            self._client.log_artifacts(run_id, folder)

    def log_points(self, run_id: str, values: Mapping[str, float], step: int, at_ms: int) -> None:
        """Add one point to each of a run's time series; the same point again changes nothing."""
        points = [Metric(name, value, at_ms, step) for name, value in sorted(values.items())]
        with speaking_to(self._uri):
            for start in range(0, len(points), _POINTS_PER_CALL):
                self._client.log_batch(run_id, metrics=points[start : start + _POINTS_PER_CALL])

    def store_model(self, run_id: str, package: ModelPackage) -> ModelFile:
        """Upload the model of ``package`` as a logged model of run ``run_id``; a repeat finds and rewrites it.

        A model is found again by run key and digest, so that other bytes never replace those of a recorded file.
        """
        with speaking_to(self._uri):
            return logged_models.store(self._client, self._experiment(package.pipeline), run_id, package)

    def download(self, model: ModelFile, target: Path) -> Path:
        """The stored files of ``model`` in a folder under ``target``, unchecked.

        Raises:
            IntegrityError: MLflow has no such files.
        """
        return Registry(self._client).download(model.model_uri, target)

    def restore_model(self, model: ModelFile, folder: Path) -> None:
        """Upload ``folder``, an intact copy of the files of ``model``, over what is stored."""
        with speaking_to(self._uri):
            self._client.log_model_artifacts(logged_models.model_id(model), str(folder))

    def read_artifact(self, run_id: str, name: str) -> bytes | None:
        """An artifact of a run; None if the run or the file is not there."""
        with speaking_to(self._uri), tempfile.TemporaryDirectory() as folder:
            try:
                if name not in {file.path for file in self._client.list_artifacts(run_id)}:
                    return None
                return Path(self._client.download_artifacts(run_id, name, folder)).read_bytes()
            except MlflowException as error:
                if error.error_code != MISSING:
                    raise
                return None

    def _experiment(self, pipeline: str) -> str:
        if pipeline not in self._experiments:
            self._experiments[pipeline] = self._find_experiment(pipeline) or self._create_experiment(pipeline)
        return self._experiments[pipeline]

    def _find_experiment(self, pipeline: str) -> str | None:
        experiment = self._client.get_experiment_by_name(pipeline)
        if experiment is None:
            return None
        if experiment.lifecycle_stage != "active":
            raise BadInput(
                f"MLflow experiment {pipeline!r} was deleted: restore it (`mlflow experiments restore "
                f"--experiment-id {experiment.experiment_id}`) or remove it for good (`mlflow gc`)."
            )
        return str(experiment.experiment_id)

    def _create_experiment(self, pipeline: str) -> str:
        try:
            location = str(self._artifacts / pipeline) if self._artifacts else None
            return str(self._client.create_experiment(pipeline, artifact_location=location))
        except MlflowException as error:
            # Candidates start at the same time: another one may have made it, or the reply was lost.
            if (found := self._find_experiment(pipeline)) is None:
                raise error
            return found

    def _ensure_run(self, record: RunRecord) -> Run:
        experiment = self._experiment(record.pipeline)
        if run := self._find_run(experiment, record.key):
            return run
        try:
            with sent_once():
                return self._client.create_run(experiment, tags={KEY_TAG: record.key}, run_name=record.name)
        except MlflowException as error:
            if (run := self._find_run(experiment, record.key)) is None:
                raise error
            return run

    def _find_run(self, experiment: str, key: str) -> Run | None:
        found = self._client.search_runs(
            [experiment], f"tags.`{KEY_TAG}` = '{key}'", max_results=1, order_by=["attributes.start_time ASC"]
        )
        return found[0] if found else None


def _dataset_input(record: DatasetRecord) -> DatasetInput:
    dataset = Dataset(
        name=record.name,
        digest=record.digest[:_DIGEST_CHARS],
        source_type="perennial_data_registry",
        source=canonical_json(dict(record.source)),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", record.context)])
