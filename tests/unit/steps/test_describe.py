"""Cards are where the pages and MLflow look for them, and writing them again gives the same."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from include.perennial.card_places import CardKeys
from include.perennial.contracts import PartitionVersion, Validated
from include.perennial.digests import file_sha256
from include.perennial.errors import IntegrityError
from include.perennial.pipeline_folder import Pipeline
from include.perennial.settings import Settings
from include.perennial.steps.describe_partition import describe_partition
from include.perennial.steps.describe_version import describe_version
from include.perennial.steps.promote import promote
from include.perennial.steps.register import register
from include.perennial.stores.ledger import EventKind, Ledger
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.tracking.registry import Registry
from include.perennial.stores.tracking.runs import Tracking
from include.perennial.tables import from_frame, write_parquet
from tests.promotions import StoredModel, decide, rejudge
from tests.training_runs import FIRST, toy_frame


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(Settings.from_env({"PERENNIAL_HOME": str(tmp_path / "home")}))


def test_the_model_card_is_in_the_store_and_with_the_run_and_the_same_when_written_again(
    toy: Pipeline,
    ledger: Ledger,
    models: Registry,
    stored: StoredModel,
    runs: Tracking,
    store: ObjectStore,
    mlflow_client: MlflowClient,
    tmp_path: Path,
) -> None:
    decision = decide("toy", "run-described", stored)
    registration = register(decision, ledger, models)
    promote(registration, decision, ledger, models, rejudge, actor="tester")
    ended = mlflow_client.get_run(decision.mlflow_run_id).info.end_time

    stores = {"ledger": ledger, "store": store, "tracking": runs}
    written = [
        (keys, store.get_bytes(keys.markdown), store.get_bytes(keys.html))
        for keys in (describe_version(registration, decision, toy, **stores) for _ in range(2))
    ]

    keys, markdown, page = written[0]
    assert written[1] == written[0]
    assert keys == CardKeys.model("toy", decision.plan.as_of, registration.version)
    assert b"Crowned champion on" in markdown
    for name, content in (("model_card.md", markdown), ("model_card.html", page)):
        artifact = mlflow_client.download_artifacts(decision.mlflow_run_id, name, str(tmp_path))
        assert Path(artifact).read_bytes() == content
    assert mlflow_client.get_run(decision.mlflow_run_id).info.end_time == ended


class Ingest:
    """Published weeks of ``toy``, each with its card."""

    def __init__(self, pipeline: Pipeline, ledger: Ledger, store: ObjectStore, folder: Path) -> None:
        self.pipeline, self.ledger, self.store, self.folder = pipeline, ledger, store, folder

    def publish(self, n: int, rows: int = 600) -> tuple[Validated, PartitionVersion]:
        path = self.folder / f"{n}-{rows}.parquet"
        key = FIRST.shift(n).key
        write_parquet(from_frame(toy_frame(n, rows), self.pipeline.spec.data.columns, path.name), path)
        record = self.store.put_file(f"partitions/toy/{key}/{file_sha256(path)}.parquet", path)
        validated = Validated(
            pipeline="toy",
            key=key,
            snapshot_digest="s",
            object_key=record.name,
            sha256=record.sha256,
            n_bytes=record.n_bytes,
            rows=rows,
            rows_quarantined=3,
            quarantine_key="quarantine/toy/q.parquet",
            quarantine_reasons={"late": 3},
            docs_key=None,
            suite_digest="e",
            columns={},
        )
        version = PartitionVersion(
            **validated.model_dump(include=set(PartitionVersion.model_fields)), md5="m", commit="c"
        )
        payload = version.model_dump(mode="json")
        self.ledger.append("toy", EventKind.PARTITION_PUBLISHED, f"{key}:{version.sha256}", payload, "ingest")
        return validated, version

    def card(self, n: int, rows: int = 600) -> str:
        keys = describe_partition(self.pipeline, *self.publish(n, rows), ledger=self.ledger, store=self.store)
        return self.store.get_bytes(keys.markdown).decode()


@pytest.fixture
def ingest(toy: Pipeline, ledger: Ledger, store: ObjectStore, tmp_path: Path) -> Ingest:
    return Ingest(toy, ledger, store, tmp_path)


def test_the_data_card_compares_with_the_eight_partitions_before(ingest: Ingest) -> None:
    cards = [ingest.card(n) for n in range(11)]

    assert "first partition on record" in cards[0]
    lines = cards[-1].splitlines()
    table = lines[lines.index("| partition | rows | set aside | values missing |") + 2 :]
    assert [line.split(" | ")[0].strip("| ") for line in table] == [FIRST.shift(n).key for n in range(2, 11)]


def test_the_data_card_is_the_same_when_written_again_and_another_for_other_bytes(ingest: Ingest) -> None:
    ingest.card(0)
    assert ingest.card(1) == ingest.card(1)

    corrected = ingest.card(1, rows=100)

    assert "100 rows, where 600 are usual" in corrected
    assert len([key for key in ingest.store.list("docs/toy/") if key.endswith(".html")]) == 3


def test_a_partition_from_before_there_were_cards_is_left_out(ingest: Ingest) -> None:
    ingest.publish(0)
    assert "first partition on record" in ingest.card(1)


def test_bytes_that_are_not_the_partition_have_no_card(ingest: Ingest) -> None:
    validated, version = ingest.publish(0)
    ingest.store.put_bytes(validated.object_key, b"other")

    with pytest.raises(IntegrityError):
        describe_partition(ingest.pipeline, validated, version, ledger=ingest.ledger, store=ingest.store)
