"""``iris`` and ``bike_demand`` through their loops, on their real data."""

import importlib.metadata
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from include.perennial.contracts import Verdict
from include.perennial.errors import DataError
from include.perennial.monitor.measurement import LabelStatus, MeasurementStatus
from include.perennial.pipeline_folder import load_pipeline
from include.perennial.settings import PROJECT_ROOT
from include.perennial.sources import read
from tests.example_loops import Example


def _has_bikes() -> bool:
    try:
        importlib.metadata.distribution("ISLP")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


needs_bikes = pytest.mark.skipif(not _has_bikes(), reason="ISLP is not installed, see bike_demand/README.md")


@pytest.mark.long
def test_iris_is_trained_judged_and_promoted_week_after_week(tmp_path: Path) -> None:
    iris = Example.below(tmp_path, "iris")
    assert [iris.ingest(n) for n in range(4)] == [30] * 4
    first, promoted = iris.train(2)
    assert first.judgement.verdict is Verdict.PASSED, first.judgement.sentence
    assert promoted is not None
    assert promoted.status == "promoted"
    assert first.metrics["accuracy"] > 0.9
    measured = iris.measure(3)
    assert measured.status is MeasurementStatus.TOO_FEW_ROWS
    second, _ = iris.train(3)
    assert second.judgement.champion_version == "1"
    assert second.judgement.delta_interval is not None


def test_iris_has_no_flowers_after_five_weeks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no rows"):
        Example.below(tmp_path, "iris").ingest(5)


def test_no_flower_is_measured_twice(tmp_path: Path) -> None:
    pipeline = load_pipeline("iris", PROJECT_ROOT / "include" / "pipelines")
    source, iris = pipeline.load_module("source"), Example.below(tmp_path, "iris")
    source.deliver(iris.partition(0), tmp_path)
    flowers = [flower for n in range(5) for flower in read(pipeline, iris.partition(n), tmp_path)["flower"]]
    assert sorted(flowers) == list(range(150))


@needs_bikes
@pytest.mark.long
def test_bikes_of_a_sql_table_are_forecast_scored_and_measured_day_by_day(tmp_path: Path) -> None:
    bikes = Example.below(tmp_path, "bike_demand")
    assert all(8 <= bikes.ingest(n) <= 24 for n in range(36))
    decision, promoted = bikes.train(34)
    assert decision.judgement.verdict is Verdict.PASSED, decision.judgement.sentence
    assert promoted is not None
    assert decision.metrics["poisson_deviance_skill"] > 0.8
    measured = bikes.measure(35)
    assert measured.status is MeasurementStatus.MEASURED
    assert measured.labels is LabelStatus.MATURED
    assert measured.matured is not None
    assert measured.matured.metric == "mean_poisson_deviance"


@needs_bikes
def test_the_table_leaves_out_what_adds_up_to_the_target(tmp_path: Path) -> None:
    bikes = Example.below(tmp_path, "bike_demand")
    bikes.pipeline.load_module("database").build(tmp_path / "bikes.db")
    with closing(sqlite3.connect(tmp_path / "bikes.db")) as database:
        names = [name for _, name, *_ in database.execute("PRAGMA table_info(hours)")]
        [(rows, hours)] = database.execute("SELECT count(*), count(DISTINCT at) FROM hours")
    assert set(names) == set(bikes.pipeline.spec.data.columns)
    assert rows == hours == 8645


def test_without_its_package_the_bikes_say_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bikes = Example.below(tmp_path, "bike_demand")
    monkeypatch.setattr(bikes.pipeline.load_module("database"), "PACKAGE", "no-such-package")
    with pytest.raises(DataError, match="uv pip install --no-deps ISLP"):
        bikes.ingest(0)
    assert not list(bikes.settings.home.rglob("*.db"))
