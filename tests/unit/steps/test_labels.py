"""Labels of a second source: joined by key once they are due, as a new dataset version that train and monitor see."""

import io
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from include.perennial.contracts import Decision, PartitionVersion, Snapshot, TrainingPlan, TrainingRequest, Trigger
from include.perennial.errors import BadInput, DataError, SpecError
from include.perennial.models.model_cache import ModelCache
from include.perennial.monitor.measurement import LabelStatus
from include.perennial.pipeline_folder import Pipeline, load_pipeline
from include.perennial.settings import PROJECT_ROOT, Settings
from include.perennial.sources.connections import SettingsConnections
from include.perennial.steps.describe_partition import describe_partition
from include.perennial.steps.fit import fit_candidate
from include.perennial.steps.judge import judge, rejudge
from include.perennial.steps.labels import NoLabels, take_labels
from include.perennial.steps.measure import measure_partition
from include.perennial.steps.plan import NotReady, plan_training
from include.perennial.steps.promote import promote
from include.perennial.steps.register import register
from include.perennial.steps.score import score_partition
from include.perennial.steps.snapshot import take_snapshot
from include.perennial.steps.validate import validate
from include.perennial.steps.version import publish_partition
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.objects import LocalObjects
from include.perennial.stores.tracking.registry import Registry
from include.perennial.stores.tracking.runs import Tracking
from tests.training_runs import FIRST, ROWS, SPEC, make_toy, toy_frame

DELAY = 2
OUTCOMES = {"kind": "files", "path": "outcomes/{key}.csv", "format": "csv"}
EXPECTATIONS = """
import great_expectations.expectations as gxe
BATCH = [gxe.ExpectColumnMeanToBeBetween(column="label", min_value=0.2, max_value=0.8)]
ROWS = []
"""
SOURCE = """
import shutil
from pathlib import Path

import pandas as pd

def deliver_labels(partition, folder, outcomes):
    shutil.copy(Path(outcomes) / f"{partition.key}.csv", folder / "labels.csv")

def assemble_labels(partition, folder):
    return pd.read_csv(folder / "labels.csv")
"""


@dataclass(frozen=True)
class Shop:
    """A pipeline whose source delivers rows without labels, and a home."""

    pipeline: Pipeline
    settings: Settings

    @classmethod
    def below(cls, root: Path, labels: dict[str, object] | None = None, weeks: int = 1) -> "Shop":
        data = {**SPEC["data"], "label_delay_periods": DELAY, "labels": labels or {"source": OUTCOMES}}
        pipeline = make_toy(root, data=data, monitor={"drift": {"min_rows": 50}, "performance": {"min_rows": 50}})
        (pipeline.folder / "expectations.py").write_text(EXPECTATIONS)
        for name in ("delivery", "outcomes"):
            (pipeline.folder / name).mkdir(exist_ok=True)
        pipeline = load_pipeline("toy", root / "pipelines")
        shop = cls(pipeline, Settings.from_env({"PERENNIAL_HOME": str(root / "home")}))
        for n in range(weeks):
            shop.deliver(n)
        return shop

    def file(self, folder: str, n: int) -> Path:
        return self.pipeline.folder / folder / f"{FIRST.shift(n).key}.csv"

    def deliver(self, n: int, **columns: object) -> None:
        """The rows of week ``n``, without labels."""
        rows = toy_frame(n).drop(columns="label").astype({"noise": "Int64"}).assign(**columns)
        rows.to_csv(self.file("delivery", n), index=False)

    def say(self, n: int, without: int = 0) -> None:
        """Deliver the labels of week ``n``, but for the first rows."""
        toy_frame(n)[["id", "label"]].iloc[without:].to_csv(self.file("outcomes", n), index=False)

    @property
    def data(self) -> DataRegistry:
        return DataRegistry.open(self.settings)

    @property
    def store(self) -> LocalObjects:
        return LocalObjects(Path(self.settings.store_url))

    @property
    def ledger(self) -> Ledger:
        return Ledger.open(self.settings.ledger_url)

    @property
    def connections(self) -> SettingsConnections:
        url = f"sqlite:///{self.pipeline.folder / 'outcomes.db'}"
        return SettingsConnections(self.settings, (("outcomes", url),))

    def ingest(self, n: int, weeks_later: int = 0) -> PartitionVersion:
        now = FIRST.shift(n + weeks_later).end_utc
        return self.publish(take_snapshot(self.pipeline, FIRST.shift(n), self.store, self.connections, now_utc=now))

    def join(self, n: int, weeks_later: int = DELAY) -> PartitionVersion | NoLabels:
        stores = {"registry": self.data, "store": self.store, "connections": self.connections}
        now = FIRST.shift(n + weeks_later).end_utc
        found = take_labels(self.pipeline, FIRST.shift(n), now_utc=now, **stores)
        return found if isinstance(found, NoLabels) else self.publish(found)

    def publish(self, snapshot: Snapshot) -> PartitionVersion:
        validated = validate(self.pipeline, snapshot, self.store)
        version = publish_partition(validated, self.store, self.data, self.ledger)
        describe_partition(self.pipeline, validated, version, ledger=self.ledger, store=self.store)
        return version

    def rows(self, version: PartitionVersion) -> pd.DataFrame:
        name = f"partitions/toy/{version.key}/{version.sha256}.parquet"
        return pq.read_table(io.BytesIO(self.store.get_bytes(name))).to_pandas()

    def plan(self, n: int) -> TrainingPlan | NotReady:
        asked = TrainingRequest(pipeline="toy", as_of=FIRST.shift(n).key, trigger=Trigger.SCHEDULE)
        return plan_training(asked, self.pipeline, self.data, PROJECT_ROOT)

    def train(self, n: int) -> Decision:
        tracking, models = Tracking.open(self.settings), Registry.open(self.settings)
        stores = {"store": self.store, "registry": self.data, "tracking": tracking, "ledger": self.ledger}
        plan = self.plan(n)
        assert isinstance(plan, TrainingPlan), plan
        fits = [fit_candidate(plan, "logistic", self.pipeline, self.data, tracking)]
        decision = judge(plan, fits, self.pipeline, **stores)
        registered = register(decision, self.ledger, models, forced=False)
        assert registered is not None, decision.judgement.sentence
        again = lambda judged, champion: rejudge(judged, champion, self.pipeline, **stores)  # noqa: E731
        promote(registered, decision, self.ledger, models, again, force=False, reason="", actor="tests")
        return decision


def test_rows_are_stored_without_labels_and_get_them_when_they_are_due(tmp_path: Path) -> None:
    shop = Shop.below(tmp_path)

    bare = shop.ingest(0)
    early, missing = shop.join(0, weeks_later=1), shop.join(0)
    shop.say(0, without=5)
    joined = shop.join(0)
    again = shop.join(0)

    assert (bare.rows, bare.rows_labelled) == (ROWS, 0)
    assert isinstance(early, NoLabels)
    assert "are due on 2013-01-28 00:00 UTC" in early.sentence
    assert isinstance(missing, NoLabels)
    assert "no file" in missing.sentence
    assert isinstance(joined, PartitionVersion)
    assert (joined.rows, joined.rows_labelled) == (ROWS, ROWS - 5)
    assert joined.previous_sha256 == bare.sha256
    assert isinstance(again, PartitionVersion)
    assert not again.changed
    told = toy_frame(0).set_index("id")["label"].iloc[5:]
    found = shop.rows(joined).set_index("id")["label"]
    assert found.isna().sum() == 5
    assert found[told.index].astype(int).tolist() == told.tolist()
    assert (
        "the labels of 5 have not come"
        in shop.store.get_bytes(
            next(name for name in shop.store.list("docs/toy/") if name.endswith(".md") and joined.sha256[:16] in name)
        ).decode()
    )


def test_the_features_stay_as_they_were_delivered_when_labels_are_joined(tmp_path: Path) -> None:
    shop = Shop.below(tmp_path)
    bare = shop.ingest(0)
    shop.deliver(0, signal=9.0)
    shop.say(0)

    joined = shop.join(0)

    assert isinstance(joined, PartitionVersion)
    assert shop.rows(joined)["signal"].tolist() == shop.rows(bare)["signal"].tolist()


def test_what_is_ingested_after_labels_are_due_has_them_at_once(tmp_path: Path) -> None:
    shop = Shop.below(tmp_path)
    with pytest.raises(DataError, match="no file"):
        shop.ingest(0, weeks_later=DELAY)
    shop.say(0)

    assert shop.ingest(0, weeks_later=DELAY).rows_labelled == ROWS


def test_labels_may_come_from_one_table_of_sql_or_from_source_py(tmp_path: Path) -> None:
    sql = {"kind": "sql", "connection": "outcomes", "query": "SELECT id, label FROM outcomes", "delivery": "snapshot"}
    shop = Shop.below(tmp_path / "sql", {"source": sql, "key": ["id"]}, weeks=2)
    told = pd.concat([toy_frame(n)[["id", "label"]] for n in range(2)])
    with sqlite3.connect(shop.pipeline.folder / "outcomes.db") as connection:
        told.to_sql("outcomes", connection, index=False)
    connection.close()
    labels = {"source": {"kind": "python", "options": {"outcomes": str(tmp_path / "python/pipelines/toy/outcomes")}}}
    with pytest.raises(SpecError, match=r"source\.py:1: the file is missing"):
        Shop.below(tmp_path / "python", labels)
    (tmp_path / "python" / "pipelines" / "toy" / "source.py").write_text(SOURCE)
    python = Shop.below(tmp_path / "python", labels)
    python.say(0)

    for each in (shop, python):
        each.ingest(0)
        joined = each.join(0)
        assert isinstance(joined, PartitionVersion)
        assert joined.rows_labelled == ROWS


def test_a_row_with_two_labels_is_not_guessed(tmp_path: Path) -> None:
    shop = Shop.below(tmp_path)
    shop.ingest(0)
    labels = toy_frame(0)[["id", "label"]]
    labels = pd.concat([labels, labels.iloc[:7], labels.iloc[:1].assign(label=lambda one: 1 - one["label"])])
    labels.to_csv(shop.file("outcomes", 0), index=False)

    found = shop.join(0)

    assert isinstance(found, NoLabels)
    assert "1 rows with two labels, for example {'id': 'w0-0'}" in found.sentence


def test_expectations_of_the_target_are_asked_once_there_are_labels(tmp_path: Path) -> None:
    shop = Shop.below(tmp_path)
    shop.ingest(0)
    toy_frame(0)[["id", "label"]].assign(label=1).to_csv(shop.file("outcomes", 0), index=False)

    with pytest.raises(DataError, match=r"expect_column_mean_to_be_between\(label\)"):
        shop.join(0)


def test_labels_of_a_partition_that_is_not_there_or_of_a_pipeline_without_them_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="ingest it first"):
        Shop.below(tmp_path / "a").join(0)
    plain = make_toy(tmp_path / "b")
    shop = Shop(plain, Settings.from_env({"PERENNIAL_HOME": str(tmp_path / "home")}))
    with pytest.raises(BadInput, match=r"has no data\.labels"):
        shop.join(0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"label_delay_periods": 0}, r"data\.label_delay_periods is 0: expected 1 or more"),
        (
            {"labels": {"source": OUTCOMES, "key": ["idd"]}},
            r"data\.labels\.key names column 'idd', which is not declared",
        ),
        ({"labels": {"source": OUTCOMES, "key": ["label"]}}, r"data\.labels\.key holds the target"),
        ({"labels": {"source": {"kind": "sql", "connection": "c", "query": "SELECT 1"}}}, "does not use :start"),
    ],
    ids=["no delay", "unknown key", "target as key", "unbound query"],
)
def test_a_spec_that_cannot_be_joined_is_refused(tmp_path: Path, change: dict[str, object], says: str) -> None:
    data = {**SPEC["data"], "label_delay_periods": DELAY, "labels": {"source": OUTCOMES}, **change}
    with pytest.raises(SpecError, match=says):
        make_toy(tmp_path, data=data)


def test_the_whole_loop_with_labels_that_come_later(tmp_path: Path) -> None:
    shop = Shop.below(tmp_path, weeks=7)
    newest = 5
    for n in range(newest + 1):
        shop.ingest(n)
    for n in range(newest - DELAY):
        shop.say(n)
        shop.join(n)
    waiting = shop.plan(newest)
    shop.say(newest - DELAY, without=40)
    shop.join(newest - DELAY)
    decision = shop.train(newest)

    assert isinstance(waiting, NotReady)
    assert "is not in the data registry with labels" in waiting.sentence
    assert [ref.key for ref in decision.plan.holdout] == [FIRST.shift(newest - DELAY).key]
    assert decision.judgement.verdict == "passed"

    week = FIRST.shift(newest - DELAY + 1)
    cache = ModelCache.open(shop.settings, Tracking.open(shop.settings).download)
    stores = {"registry": shop.data, "store": shop.store, "ledger": shop.ledger, "models": cache}
    score_partition(shop.pipeline, week.key, **stores)
    before = measure_partition(shop.pipeline, week.key, **stores, now_utc=week.end_utc).measurement
    shop.say(newest - DELAY + 1, without=30)
    shop.join(newest - DELAY + 1)
    score_partition(shop.pipeline, week.key, **stores)
    after = measure_partition(shop.pipeline, week.key, **stores).measurement

    assert (before.labels, before.matured) == (LabelStatus.WAITING, None)
    assert after.labels is LabelStatus.MATURED
    assert after.matured is not None
    assert after.matured.rows == ROWS - 30
    assert f"on {ROWS - 30} of {ROWS} rows" in after.sentence
