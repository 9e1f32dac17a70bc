"""Runs and models on a real MLflow server: one of each per key, whatever is lost on the way."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.contracts import ModelFile
from include.perennial.errors import BadInput, IntegrityError, Unavailable
from include.perennial.folder_records import folder_records
from include.perennial.models import estimators, model_file
from include.perennial.models.frames import Labelled
from include.perennial.settings import Settings
from include.perennial.stores.tracking.model_folder import ModelPackage
from include.perennial.stores.tracking.registry import Registry
from include.perennial.stores.tracking.runs import DatasetRecord, RunRecord, Tracking
from tests.servers import free_port, mlflow_server
from tests.training_runs import make_toy, toy_frame

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("mlflow")
    with mlflow_server(home) as uri:
        yield Settings.from_env({"PERENNIAL_HOME": str(home), "MLFLOW_TRACKING_URI": uri})


@pytest.fixture
def tracking(settings: Settings) -> Tracking:
    return Tracking.open(settings)


@pytest.fixture(scope="module")
def client(settings: Settings) -> MlflowClient:
    return MlflowClient(settings.tracking_uri)


@pytest.fixture
def record(request: pytest.FixtureRequest) -> RunRecord:
    return RunRecord(
        pipeline="toy",
        key=f"{request.node.name}:decision",
        name="2013-02-04 decision",
        params={"candidate": "logistic", "model.C": 0.5, "long": "x" * 9000},
        tags={"perennial.reason": "late data", "mlflow.source.git.commit": "abc"},
        inputs=[DatasetRecord("toy weeks", "training", "f" * 64, {"data_registry_commit": "c0ffee"})],
    )


@pytest.fixture(scope="module")
def rows() -> Labelled:
    frame = toy_frame(0)
    return Labelled(frame, frame.pop("label").to_numpy())


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, rows: Labelled) -> tuple[SklearnPipeline, ModelPackage]:
    root = tmp_path_factory.mktemp("toy")
    toy = make_toy(root)
    model = estimators.build(toy, "boosting", {}, seed=7)
    estimators.fit(model, rows, "boosting")
    saved = model_file.save(model, toy.model_sources(), root / "model")
    example = rows.x.head(3)
    return model, ModelPackage("toy", "key", "boosting", root / "model", saved.digest, saved.trusted_types, (), example)


@pytest.fixture
def package(fitted: tuple[SklearnPipeline, ModelPackage], request: pytest.FixtureRequest) -> ModelPackage:
    return replace(fitted[1], run_key=request.node.name)


def test_a_run_carries_parameters_tags_metrics_inputs_and_artifacts(
    tracking: Tracking, client: MlflowClient, record: RunRecord, tmp_path: Path
) -> None:
    run_id = tracking.start(record)
    tracking.finish(run_id, {"holdout_roc_auc": 0.7}, {"decision.json": b"{}"})

    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == record.name
    assert run.data.params["model.C"] == "0.5"
    assert len(run.data.params["long"]) == 5000
    assert run.data.tags.items() >= record.tags.items()
    assert run.data.metrics == {"holdout_roc_auc": 0.7}
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest, used.tags[0].value) == ("toy weeks", "f" * 36, "training")
    assert json.loads(used.dataset.source) == {"data_registry_commit": "c0ffee"}
    assert Path(client.download_artifacts(run_id, "decision.json", str(tmp_path))).read_bytes() == b"{}"


def test_repeating_a_step_makes_no_second_run_and_no_second_point(
    tracking: Tracking, settings: Settings, client: MlflowClient, record: RunRecord
) -> None:
    first = tracking.start(record)
    tracking.finish(first, {"roc_auc": 0.7})

    again = Tracking.open(settings)
    second = again.start(record)
    again.finish(second, {"roc_auc": 0.7})

    assert second == first
    assert len(client.get_metric_history(first, "roc_auc")) == 1


def test_the_link_of_a_run_leads_to_mlflows_page(tracking: Tracking, record: RunRecord, settings: Settings) -> None:
    run_id = tracking.start(record)

    url = tracking.run_url("toy", run_id)

    assert url.startswith(f"{settings.tracking_uri}/#/experiments/")
    assert url.endswith(f"/runs/{run_id}")


def test_a_stored_model_comes_back_as_it_was_recorded(
    tracking: Tracking, record: RunRecord, package: ModelPackage, tmp_path: Path, rows: Labelled, fitted: Any
) -> None:
    model = tracking.store_model(tracking.start(record), package)

    folder = tracking.download(model, tmp_path)

    assert folder_records(folder) == model.files
    assert {file.name: file.sha256 for file in model.files}["model.skops"] == model.model_digest == package.digest
    loaded = model_file.load(folder, model.files, model.trusted_types)
    assert np.array_equal(loaded.predict_proba(rows.x), fitted[0].predict_proba(rows.x))


def test_storing_a_model_again_writes_the_same_files_of_the_same_model(
    tracking: Tracking, settings: Settings, record: RunRecord, package: ModelPackage
) -> None:
    run_id = tracking.start(record)
    first = tracking.store_model(run_id, package)

    assert Tracking.open(settings).store_model(run_id, package) == first


def test_other_bytes_of_the_same_run_never_replace_those_of_a_recorded_model(
    tracking: Tracking, record: RunRecord, package: ModelPackage, tmp_path: Path
) -> None:
    run_id = tracking.start(record)
    first = tracking.store_model(run_id, package)

    second = tracking.store_model(run_id, replace(package, digest="0" * 64))

    assert second.model_uri != first.model_uri
    assert folder_records(tracking.download(first, tmp_path)) == first.files


def test_the_metrics_of_a_decision_stand_on_the_models_page(
    tracking: Tracking, client: MlflowClient, record: RunRecord, package: ModelPackage
) -> None:
    run_id = tracking.start(record)
    model = tracking.store_model(run_id, package)
    tracking.finish(run_id, {"holdout_roc_auc": 0.7}, model=model)

    logged = client.get_logged_model(model.model_uri.removeprefix("models:/"))
    assert [(metric.key, metric.value) for metric in logged.metrics or ()] == [("holdout_roc_auc", 0.7)]
    assert logged.source_run_id == run_id


def test_a_stored_model_becomes_one_version(
    tracking: Tracking, settings: Settings, record: RunRecord, package: ModelPackage
) -> None:
    run_id = tracking.start(record)
    model = tracking.store_model(run_id, package)
    registry = Registry.open(settings)

    versions = [registry.ensure_version("toy", package.run_key, model.model_uri, run_id, {}, "") for _ in range(2)]

    assert versions[0] == versions[1]


def test_mlflows_own_loaders_read_the_model(
    tracking: Tracking,
    record: RunRecord,
    package: ModelPackage,
    rows: Labelled,
    fitted: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tracking.store_model(tracking.start(record), package)
    monkeypatch.setitem(os.environ, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    expected = fitted[0].predict_proba(rows.x)

    served = mlflow.pyfunc.load_model(model.model_uri)

    assert np.array_equal(mlflow.sklearn.load_model(model.model_uri).predict_proba(rows.x), expected)
    naive = rows.x.assign(at=rows.x["at"].dt.tz_localize(None))
    assert np.array_equal(served.predict(naive), expected)
    assert served.metadata.get_input_schema().input_names() == list(rows.x.columns)


def test_the_input_example_is_one_that_mlflow_reads(
    tracking: Tracking, record: RunRecord, package: ModelPackage, tmp_path: Path
) -> None:
    folder = tracking.download(tracking.store_model(tracking.start(record), package), tmp_path)

    description = Model.load(str(folder))

    assert description.load_input_example(str(folder))["id"].tolist() == package.example["id"].tolist()
    assert "dataframe_split" in (description.get_serving_input(str(folder)) or "")
    assert any(line.startswith("scikit-learn==") for line in (folder / "requirements.txt").read_text().splitlines())


class _LosesReplies(MlflowClient):
    """The server does what it is asked, and the first reply to each kind of creation is lost."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._lost: set[str] = set()

    def create_run(self, *args: Any, **kwargs: Any) -> Any:
        return self._lose("create_run", super().create_run(*args, **kwargs))

    def create_logged_model(self, *args: Any, **kwargs: Any) -> Any:
        return self._lose("create_logged_model", super().create_logged_model(*args, **kwargs))

    def create_experiment(self, *args: Any, **kwargs: Any) -> Any:
        return self._lose("create_experiment", super().create_experiment(*args, **kwargs))

    def log_outputs(self, *args: Any, **kwargs: Any) -> Any:
        return self._lose("log_outputs", super().log_outputs(*args, **kwargs))

    def _lose(self, call: str, reply: Any) -> Any:
        if call in self._lost:
            return reply
        self._lost.add(call)
        raise MlflowException(f"the reply to {call} was lost")


def test_a_lost_reply_makes_nothing_twice(
    settings: Settings, client: MlflowClient, record: RunRecord, package: ModelPackage
) -> None:
    losing = Tracking(_LosesReplies(settings.tracking_uri))
    record = replace(record, pipeline="lossy")

    run_id = losing.start(record)
    losing.store_model(run_id, replace(package, pipeline="lossy"))

    experiment = client.get_experiment_by_name("lossy")
    assert experiment is not None
    assert [run.info.run_id for run in client.search_runs([experiment.experiment_id])] == [run_id]
    assert len(client.search_logged_models([experiment.experiment_id])) == 1


def test_a_deleted_experiment_is_a_message_with_the_remedy(settings: Settings, record: RunRecord) -> None:
    tracking = Tracking.open(settings)
    client = MlflowClient(settings.tracking_uri)
    client.delete_experiment(client.create_experiment("deleted"))

    with pytest.raises(BadInput, match="mlflow experiments restore"):
        tracking.start(replace(record, pipeline="deleted"))


def test_a_server_that_is_down_is_unavailable(record: RunRecord, tmp_path: Path) -> None:
    down = Tracking.open(
        Settings.from_env({"PERENNIAL_HOME": str(tmp_path), "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"})
    )

    with pytest.raises(Unavailable, match="does not answer"):
        down.start(record)


def test_a_model_uri_of_another_form_is_refused(tracking: Tracking) -> None:
    model = ModelFile(model_uri="runs:/a/model", files=(), model_digest="0", trusted_types=())

    with pytest.raises(IntegrityError, match="models:/<id>"):
        tracking.finish("run", {}, model=model)
