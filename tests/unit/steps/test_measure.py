"""A scored partition is measured under the champion that scored it; where that cannot be, the status says so."""

import datetime as dt
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from include.perennial.contracts import Registration
from include.perennial.errors import BadInput, IntegrityError
from include.perennial.models import estimators
from include.perennial.models.frames import Labelled
from include.perennial.models.model_cache import ModelCache
from include.perennial.monitor.measurement import LabelStatus, Measurement, MeasurementStatus, SignalKind
from include.perennial.partitions import UTC
from include.perennial.pipeline_folder import Pipeline
from include.perennial.settings import Settings
from include.perennial.spec import ColumnType
from include.perennial.spec.monitor import Drift, Monitor
from include.perennial.steps.calibrate import calibration_key
from include.perennial.steps.measure import measure_partition
from include.perennial.steps.report import Reported, report_partition
from include.perennial.steps.score import score_partition
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import EventKind, Ledger
from include.perennial.stores.objects import LocalObjects
from include.perennial.stores.prediction_log import Online, PredictionLog
from include.perennial.stores.tracking.runs import RunRecord, Tracking
from include.perennial.tables import from_frame
from tests.large_partitions import held_at_once
from tests.model_shelf import Shelf
from tests.promotions import decide as judged
from tests.training_runs import FIRST, Data, make_plan, publish_frame, publish_weeks, toy_frame

WEEK = [FIRST.shift(n).key for n in range(12)]
CUTOFF = 4  # the champion was fitted on weeks 1 to 3, judged on 4 and refitted with it
LATER = dt.datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class World:
    """Weeks 0 to 5 of ``toy`` published, a champion that has seen weeks 1 to 4, and the stores to measure it with."""

    pipeline: Pipeline
    data: Data
    objects: LocalObjects
    ledger: Ledger
    shelf: Shelf
    models: ModelCache
    folder: Path
    run_id: str = "run"  # of the champion's decision on MLflow

    def crown(self, version: str, last: int = CUTOFF) -> None:
        plan = make_plan(self.pipeline, self.data, last=last, salt=version)
        frame = pd.concat([toy_frame(n) for n in range(last - 3, last + 1)], ignore_index=True)
        model = estimators.build(self.pipeline, "logistic", {}, seed=7)
        estimators.fit(model, Labelled(frame, frame.pop("label").to_numpy()), "logistic")
        decision = judged("toy", plan.run_key, None, score=0.8, cutoff=WEEK[last])
        decision = decision.model_copy(update={"plan": plan, "metrics": {"roc_auc": 0.8}, "mlflow_run_id": self.run_id})
        self.ledger.append("toy", EventKind.JUDGED, plan.run_key, decision.model_dump(mode="json"), "test")
        stored = self.shelf.put(version, model, self.pipeline)
        given = Registration(pipeline="toy", run_key=plan.run_key, version=version, model=stored, cutoff=WEEK[last])
        champion = self.ledger.champion("toy")
        expected = champion.seq if champion else None
        self.ledger.promote(given, version, expected, reason="", actor="test", key=version, evidence={})

    def publish(self, week: int, frame: pd.DataFrame) -> None:
        version = publish_frame(self.folder, self.pipeline, self.data.registry, WEEK[week], frame)
        self.announce(version.key, version.sha256)

    def announce(self, key: str, sha256: str) -> None:
        payload = {"key": key, "sha256": sha256}
        self.ledger.append("toy", EventKind.PARTITION_PUBLISHED, f"{key}:{sha256}", payload, "test")

    def score(self, week: int) -> None:
        score_partition(
            self.pipeline,
            WEEK[week],
            registry=self.data.registry,
            store=self.objects,
            ledger=self.ledger,
            models=self.models,
        )

    def measure(self, week: int, now_utc: dt.datetime = LATER) -> Measurement:
        measured = measure_partition(
            self.pipeline,
            WEEK[week],
            registry=self.data.registry,
            store=self.objects,
            ledger=self.ledger,
            models=self.models,
            now_utc=now_utc,
        )
        return measured.measurement

    def report(self, week: int, tracking: Tracking) -> Reported | None:
        return report_partition(
            self.pipeline,
            WEEK[week],
            registry=self.data.registry,
            store=self.objects,
            ledger=self.ledger,
            models=self.models,
            tracking=tracking,
        )

    def arrive(self, week: int, frame: pd.DataFrame | None = None) -> Measurement:
        """Publish, score and measure a week."""
        self.publish(week, toy_frame(week) if frame is None else frame)
        self.score(week)
        return self.measure(week)


@pytest.fixture(scope="module")
def published(toy: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Data]:
    """Publishing takes seconds: each test gets a copy of the registry's home."""
    root = tmp_path_factory.mktemp("published")
    return root / "home", publish_weeks(root, toy, 6)


@pytest.fixture
def world(toy: Pipeline, ledger: Ledger, published: tuple[Path, Data], tmp_path: Path) -> World:
    home = shutil.copytree(published[0], tmp_path / "home", symlinks=True)
    data = replace(published[1], registry=DataRegistry.open(Settings.from_env({"PERENNIAL_HOME": str(home)})))
    shelf = Shelf(tmp_path / "shelf")
    models = ModelCache(tmp_path / "cache", shelf.download)
    world = World(toy, data, LocalObjects(tmp_path / "objects"), ledger, shelf, models, tmp_path)
    for ref in data.refs:
        world.announce(ref.key, ref.sha256)
    world.crown("1")
    return world


def test_a_scored_week_is_measured_with_its_labels(world: World) -> None:
    measurement = world.arrive(5)

    assert measurement.status is MeasurementStatus.MEASURED
    assert (measurement.champion_version, measurement.champion_cutoff) == ("1", WEEK[CUTOFF])
    assert measurement.labels is LabelStatus.MATURED
    assert measurement.matured is not None
    assert measurement.matured.holdout_value == 0.8
    assert measurement.violations == ()
    assert not measurement.is_worse


def test_what_was_answered_online_is_what_is_measured(world: World) -> None:
    before = world.arrive(5)
    frame = toy_frame(5)
    asked = from_frame(frame[["at", "id"]], {"at": ColumnType.TIMESTAMP, "id": ColumnType.STRING}, "asked")
    upside_down = Online(
        *(asked, np.where(frame["signal"] > 0, 0.01, 0.99), np.full(len(frame), "1")),
        at_utc=LATER,
        shadow=False,
    )
    PredictionLog(world.objects).append_online("toy", WEEK[5], [upside_down])

    after = world.measure(5)

    assert (before.rows_online, after.rows_online) == (0, after.rows)
    assert after.online_gap is not None
    assert after.online_gap > 0.5
    assert after.matured is not None
    assert after.matured.value < 0.5
    assert after.is_worse
    assert f"; {after.rows} of {after.rows} rows as answered online, up to 0." in after.sentence


def test_the_calibration_is_made_once_and_kept_with_the_champion(world: World) -> None:
    first = world.arrive(5)
    key = calibration_key(world.pipeline, "1")
    kept = world.objects.get_bytes(key)
    world.shelf.is_down = True

    again = world.measure(5)

    assert again == first
    assert world.objects.get_bytes(key) == kept
    assert str(first.calibration_sha256) in again.model_dump_json()


def test_other_settings_make_another_calibration(world: World) -> None:
    world.arrive(5)
    spec = world.pipeline.spec.model_copy(update={"monitor": Monitor(drift=Drift(sample_rows=500, min_rows=500))})

    world.pipeline = replace(world.pipeline, spec=spec)

    assert world.measure(5).sample_rows == 500


def _wide(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(signal=frame["signal"] + 2)


def _new_group(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(group=np.where(np.arange(len(frame)) % 2, "d", frame["group"]))


def _without_noise(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(noise=np.nan)


def _constant(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(signal=0.0)


@pytest.mark.parametrize(
    ("change", "kind", "name"),
    [
        pytest.param(_wide, SignalKind.FEATURE, "signal", id="a column has moved"),
        pytest.param(_new_group, SignalKind.NEW_CATEGORY, "group", id="a new category"),
        pytest.param(_without_noise, SignalKind.NULL_RATE, "noise", id="a column has no values"),
        pytest.param(_constant, SignalKind.FEATURE, "signal", id="a constant column"),
    ],
)
def test_what_has_changed_is_over_its_threshold(
    change: Callable[[pd.DataFrame], pd.DataFrame], kind: SignalKind, name: str, world: World
) -> None:
    measurement = world.arrive(5, change(toy_frame(5)))

    over = {(signal.kind, signal.name) for signal in measurement.signals if signal.is_over}
    assert (kind, name) in over


def test_a_tiny_partition_is_not_measured(world: World) -> None:
    measurement = world.arrive(5, toy_frame(5, rows=20))

    assert measurement.status is MeasurementStatus.TOO_FEW_ROWS
    assert measurement.signals == ()
    assert "20 rows" in measurement.sentence


def test_a_week_that_nobody_scored_says_so(world: World) -> None:
    assert world.measure(5).status is MeasurementStatus.NOT_SCORED


def test_a_week_that_came_again_since_it_was_scored_is_to_be_scored_again(world: World) -> None:
    world.arrive(5)
    world.publish(5, toy_frame(5).assign(noise=1.0))

    before = world.measure(5)
    world.score(5)

    assert before.status is MeasurementStatus.NOT_SCORED
    assert world.measure(5).status is MeasurementStatus.MEASURED


def test_scoring_twice_changes_nothing(world: World) -> None:
    first = world.arrive(5)
    world.score(5)

    assert world.measure(5) == first


def test_a_week_before_the_first_champion_has_nobody_to_measure(world: World) -> None:
    assert world.measure(3).status is MeasurementStatus.NO_CHAMPION


def test_a_champion_crowned_after_the_scoring_does_not_answer_for_it(world: World) -> None:
    first = world.arrive(5)
    world.crown("2", last=5)

    again = world.measure(5)

    assert again == first
    assert again.champion_version == "1"


def test_labels_that_have_gaps_are_not_used(world: World) -> None:
    frame = toy_frame(5)
    frame["label"] = frame["label"].astype("Int64")
    frame.loc[3, "label"] = pd.NA
    due = FIRST.shift(5).end_utc

    world.publish(5, frame)
    world.score(5)

    assert world.measure(5, now_utc=due).labels is LabelStatus.WAITING
    after = world.measure(5, now_utc=LATER)
    assert after.labels is LabelStatus.NEVER_CAME
    assert after.matured is None
    assert after.estimated is not None


def test_rows_that_scoring_refused_are_not_measured(world: World) -> None:
    text = """
import great_expectations.expectations as gxe
BATCH = []
ROWS = [gxe.ExpectColumnValuesToBeBetween(column="signal", max_value=2.0)]
"""
    sources = {**world.pipeline.sources, "expectations.py": text}
    world.pipeline = replace(world.pipeline, sources=sources)

    measurement = world.arrive(5)

    kept = int((toy_frame(5)["signal"] <= 2).sum())
    assert kept < len(toy_frame(5))
    assert measurement.rows == kept
    assert measurement.status is MeasurementStatus.MEASURED


def test_a_partition_that_was_never_ingested_is_named(world: World) -> None:
    with pytest.raises(BadInput, match=f"Partition {WEEK[9]} of toy is not in the data registry"):
        world.measure(9)


def test_a_champion_without_a_decision_cannot_be_measured_against(world: World) -> None:
    stored = world.shelf.put("9", world.models.load(world.ledger.champion("toy").model), world.pipeline)
    given = Registration(pipeline="toy", run_key="unknown", version="9", model=stored, cutoff=WEEK[CUTOFF])
    seq = world.ledger.champion("toy").seq
    world.ledger.promote(given, "9", seq, reason="", actor="test", key="9", evidence={})
    world.score(5)

    with pytest.raises(IntegrityError, match="no decision on run unknown"):
        world.measure(5)


def test_the_report_is_kept_and_its_numbers_are_points_of_the_champions_run(
    world: World, runs: Tracking, mlflow_client: MlflowClient
) -> None:
    world.run_id = runs.start(RunRecord(pipeline="toy", key="champion", name="champion"))
    world.crown("2")
    measurement = world.arrive(5)

    first, again = world.report(5, runs), world.report(5, runs)

    assert first is not None
    assert first == again
    assert WEEK[5].encode() in world.objects.get_bytes(first.html_key)
    assert json.loads(world.objects.get_bytes(first.json_key))["measurement"]["key"] == WEEK[5]
    [point] = mlflow_client.get_metric_history(world.run_id, "matured/roc_auc")
    assert measurement.matured is not None
    assert point.value == measurement.matured.value
    assert point.timestamp == FIRST.shift(5).end_utc.timestamp() * 1000
    [over] = mlflow_client.get_metric_history(world.run_id, "drift/signals over")
    assert (over.value, over.step) == (0.0, point.step)


def test_what_could_not_be_measured_has_no_report(world: World, runs: Tracking) -> None:
    world.publish(5, toy_frame(5))

    assert world.report(5, runs) is None


def test_of_a_large_partition_a_sample_is_measured_and_says_so(world: World) -> None:
    world.crown("1")
    whole = world.arrive(5)
    rows = len(toy_frame(5))

    with held_at_once(550, block=256):
        sampled = world.measure(5)
        again = world.measure(5)

    assert (sampled.rows, sampled.rows_read, whole.rows_read) == (rows, 550, None)
    assert f"in a sample of 550 of its {rows} rows" in sampled.sentence
    assert sampled.matured
    assert sampled.matured.rows == 550
    volume = [[s.value for s in one.signals if s.kind is SignalKind.VOLUME] for one in (whole, sampled)]
    assert volume[0] == volume[1]
    assert again == sampled


def test_where_scoring_has_refused_rows_the_others_are_measured_by_their_keys(world: World) -> None:
    world.crown("1")
    gx = "import great_expectations.expectations as gxe\n"
    text = gx + "BATCH = []\nROWS = [gxe.ExpectColumnValuesToBeBetween(column='signal', max_value=2.0)]\n"
    world.pipeline = replace(world.pipeline, sources={**world.pipeline.sources, "expectations.py": text})
    whole = world.arrive(5)
    rows = len(toy_frame(5))
    assert whole.rows < rows

    with held_at_once(rows - 1, block=256):
        assert world.measure(5) == whole
