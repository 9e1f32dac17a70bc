"""A partition is scored with the champion of its time, once, and whatever happens to MLflow."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.perennial.contracts import PartitionVersion, Registration, Verdict
from include.perennial.errors import BadInput, DataError, Unavailable
from include.perennial.models import estimators
from include.perennial.models.behaviour import positive_probability
from include.perennial.models.frames import Labelled
from include.perennial.models.model_cache import ModelCache
from include.perennial.pipeline_folder import Pipeline
from include.perennial.quality.suite import Suite
from include.perennial.settings import Settings
from include.perennial.spec import Score
from include.perennial.steps.score import score_partition
from include.perennial.steps.scored import Scored, ScoreVerdict
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import EventKind, Ledger, Registered
from include.perennial.stores.objects import LocalObjects
from include.perennial.stores.prediction_log import PredictionLog
from include.perennial.stores.tracking.runs import Tracking
from tests.large_partitions import held_at_once
from tests.model_shelf import Shelf
from tests.servers import free_port
from tests.training_runs import FIRST, ROWS, Data, publish_frame, toy_frame

WEEK = [FIRST.shift(n).key for n in range(8)]
LABELLED_ONLY = """
import great_expectations.expectations as gxe
BATCH = [
    gxe.ExpectColumnMeanToBeBetween(column="label", min_value=0.99),
    gxe.ExpectTableColumnCountToEqual(value=6),
    gxe.ExpectTableRowCountToBeBetween(min_value=1),
]
ROWS = [gxe.ExpectColumnValuesToNotBeNull(column="label")]
"""


@dataclass
class World:
    """Stores of one test; models are stored on a shelf."""

    pipeline: Pipeline
    registry: DataRegistry
    objects: LocalObjects
    ledger: Ledger
    shelf: Shelf
    models: ModelCache

    @property
    def log(self) -> PredictionLog:
        return PredictionLog(self.objects)

    def score(self, week: int, **options: Any) -> Scored:
        return score_partition(
            self.pipeline,
            WEEK[week],
            registry=self.registry,
            store=self.objects,
            ledger=self.ledger,
            models=self.models,
            **options,
        )

    def model_of(self, version: str, cutoff: int) -> Registration:
        """A stored model, fitted on its cutoff's week alone."""
        frame = toy_frame(cutoff)
        model = estimators.build(self.pipeline, "logistic", {}, seed=7)
        estimators.fit(model, Labelled(frame, frame.pop("label").to_numpy()), "logistic")
        stored = self.shelf.put(version, model, self.pipeline)
        return Registration(
            pipeline="toy", run_key=f"run-{version}", version=version, model=stored, cutoff=WEEK[cutoff]
        )

    def crown(self, version: str, cutoff: int) -> None:
        champion = self.ledger.champion("toy")
        self.ledger.promote(
            self.model_of(version, cutoff),
            "digest",
            champion.seq if champion else None,
            reason="",
            actor="test",
            key=version,
            evidence={},
        )

    def challenge(self, version: str, cutoff: int) -> None:
        given = self.model_of(version, cutoff)
        registered = Registered(**given.model_dump(), verdict=Verdict.PASSED, sentence="", forced=False)
        self.ledger.append("toy", EventKind.REGISTERED, version, registered.model_dump(mode="json"), "test")

    def expect(self, text: str) -> None:
        """Another expectations.py from now on."""
        self.pipeline = replace(self.pipeline, sources={**self.pipeline.sources, "expectations.py": text})

    def publish(self, week: int, frame: pd.DataFrame, folder: Path, *, passed: str | None = None) -> PartitionVersion:
        """Publish ``frame``, which has passed the suite with the digest ``passed``."""
        return publish_frame(folder, self.pipeline, self.registry, WEEK[week], frame, suite_digest=passed or "suite")


@pytest.fixture
def world(toy: Pipeline, weeks: Data, ledger: Ledger, tmp_path: Path) -> World:
    shelf = Shelf(tmp_path / "shelf")
    cache = ModelCache(tmp_path / "cache", shelf.download)
    return World(toy, weeks.registry, LocalObjects(tmp_path / "objects"), ledger, shelf, cache)


@pytest.fixture
def own(world: World, tmp_path: Path) -> World:
    """A world with a registry of its own, still empty."""
    world.registry = DataRegistry.open(Settings.from_env({"PERENNIAL_HOME": str(tmp_path / "home")}))
    return world


def test_a_new_partition_is_scored_with_the_champion(world: World) -> None:
    world.crown("1", cutoff=2)

    scored = world.score(3)

    assert scored.verdict is ScoreVerdict.SCORED
    assert scored.champion is not None
    assert (scored.champion.version, scored.champion.rows, scored.rows_refused) == ("1", ROWS, 0)
    logged = world.log.read("toy", WEEK[3])
    frame = toy_frame(3)
    champion = world.ledger.champion("toy")
    assert champion is not None
    expected = pd.Series(positive_probability(world.models.load(champion.model), frame), index=frame["id"])
    assert np.array_equal(logged["p"], expected[logged["id"]])
    assert set(logged["dataset_sha256"]) == {scored.dataset_sha256}
    assert scored.champion.mean_p == pytest.approx(logged["p"].mean())


def test_the_result_survives_the_way_through_xcom(world: World) -> None:
    world.crown("1", cutoff=2)
    scored = world.score(3)

    assert Scored.model_validate(scored.model_dump(mode="json")) == scored


@pytest.mark.parametrize(
    ("cutoff", "says"), [(None, "no model was promoted yet"), (3, f"has seen data up to {WEEK[3]}")]
)
def test_a_partition_without_a_champion_in_its_time_is_not_scored(cutoff: int | None, says: str, world: World) -> None:
    if cutoff is not None:
        world.crown("1", cutoff)

    scored = world.score(3)

    assert (scored.verdict, scored.champion) == (ScoreVerdict.NO_CHAMPION, None)
    assert says in scored.sentence
    assert world.log.read("toy", WEEK[3]).empty


def test_a_backfilled_week_has_the_champion_that_it_had_then(world: World) -> None:
    for version, cutoff in (("1", 1), ("2", 3), ("3", 5)):
        world.crown(version, cutoff)

    versions = [scored.champion.version for week in (2, 3, 4, 5, 6) if (scored := world.score(week)).champion]

    assert versions == ["1", "1", "2", "2", "3"]


def test_the_ledger_can_be_asked_as_it_stood_at_a_moment(world: World) -> None:
    world.crown("1", cutoff=1)
    before = dt.datetime.now(dt.timezone.utc)
    world.crown("2", cutoff=2)

    scored = world.score(3, champion_as_of=before)

    assert scored.champion is not None
    assert scored.champion.version == "1"


def test_a_partition_scored_twice_is_logged_once(world: World) -> None:
    world.crown("1", cutoff=2)
    first = world.score(3)

    again = world.score(3)

    assert again.verdict is ScoreVerdict.ALREADY_SCORED
    assert again.champion == first.champion
    assert len(world.log.read("toy", WEEK[3])) == ROWS


def test_a_champion_promoted_late_scores_the_partition_again_beside_the_first(world: World) -> None:
    world.crown("1", cutoff=1)
    world.score(3)
    world.crown("2", cutoff=2)

    scored = world.score(3)

    assert scored.verdict is ScoreVerdict.SCORED
    assert set(world.log.read("toy", WEEK[3])["model_version"]) == {"1", "2"}
    assert set(world.log.served("toy", WEEK[3])["model_version"]) == {"2"}


def test_a_partition_that_came_again_is_scored_again(own: World, tmp_path: Path) -> None:
    own.crown("1", cutoff=0)
    own.publish(3, toy_frame(3), tmp_path)
    first = own.score(3)
    corrected = own.publish(3, toy_frame(3).iloc[:-5], tmp_path)

    again = own.score(3)

    assert again.verdict is ScoreVerdict.SCORED
    assert (again.dataset_sha256, again.champion and again.champion.rows) == (corrected.sha256, ROWS - 5)
    assert again.dataset_sha256 != first.dataset_sha256
    assert len(own.log.read("toy", WEEK[3])) == ROWS - 5


def test_scoring_goes_on_while_mlflow_is_down(world: World, tmp_path: Path) -> None:
    world.crown("1", cutoff=2)
    world.score(3)
    uri = f"http://127.0.0.1:{free_port()}"
    tracking = Tracking.open(Settings.from_env({"PERENNIAL_HOME": str(tmp_path), "MLFLOW_TRACKING_URI": uri}))
    world.models = ModelCache(tmp_path / "cache", tracking.download)

    assert world.score(4).verdict is ScoreVerdict.SCORED


def test_an_outage_is_never_taken_for_no_champion(world: World) -> None:
    world.crown("1", cutoff=2)
    world.shelf.is_down = True

    with pytest.raises(Unavailable):
        world.score(3)

    assert world.log.read("toy", WEEK[3]).empty


def test_an_unknown_partition_is_told_to_be_ingested(own: World) -> None:
    own.crown("1", cutoff=2)

    with pytest.raises(BadInput, match="is not in the data registry: ingest it first"):
        own.score(3)


def _unlabelled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(label=None)


def _new_category(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(group=["never seen", *frame["group"].iloc[1:]])


@pytest.mark.parametrize(
    "change",
    [
        _unlabelled,
        _new_category,
        lambda frame: frame.assign(noise=None),
        lambda frame: frame.assign(signal=1.0),
        lambda frame: frame.iloc[:1],
    ],
    ids=["labels not known yet", "a new category", "an all-null column", "a constant column", "one row"],
)
def test_odd_partitions_are_scored_all_the_same(
    change: Callable[[pd.DataFrame], pd.DataFrame], own: World, tmp_path: Path
) -> None:
    own.crown("1", cutoff=0)
    frame = change(toy_frame(3))
    own.publish(3, frame, tmp_path)

    scored = own.score(3)

    assert scored.champion is not None
    assert scored.champion.rows == len(frame)


@pytest.mark.parametrize("passed", [None, "this"], ids=["another suite", "this suite"])
def test_an_empty_partition_is_refused(passed: str | None, own: World, tmp_path: Path) -> None:
    own.crown("1", cutoff=0)
    digest = Suite.load(own.pipeline.load_module("expectations")).digest if passed else None
    own.publish(3, toy_frame(3).iloc[:0], tmp_path, passed=digest)

    with pytest.raises(DataError, match="no rows"):
        own.score(3)


def test_a_column_that_the_champion_needs_and_the_spec_dropped_is_named(world: World) -> None:
    world.crown("1", cutoff=2)
    data = world.pipeline.spec.data
    fewer = data.model_copy(update={"columns": {name: kind for name, kind in data.columns.items() if name != "signal"}})
    world.pipeline = replace(world.pipeline, spec=world.pipeline.spec.model_copy(update={"data": fewer}))

    with pytest.raises(BadInput, match=r"Version 1 of toy cannot score .*KeyError: 'signal'.*restore them, or train"):
        world.score(3)


def test_expectations_about_the_label_do_not_guard_scoring(own: World, tmp_path: Path) -> None:
    own.crown("1", cutoff=0)
    own.publish(3, _unlabelled(toy_frame(3)), tmp_path)
    own.expect(LABELLED_ONLY)

    scored = own.score(3)

    assert (scored.verdict, scored.rows_refused) == (ScoreVerdict.SCORED, 0)


def test_expectations_of_today_guard_partitions_of_yesterday(world: World) -> None:
    world.crown("1", cutoff=2)
    gx = "import great_expectations.expectations as gxe\n"
    world.expect(gx + "BATCH = [gxe.ExpectColumnMinToBeBetween(column='signal', min_value=0)]\nROWS = []\n")

    with pytest.raises(DataError, match=rf"partition {WEEK[3]} of toy breaks 1 of its expectations"):
        world.score(3)


@pytest.mark.parametrize("at_once", [1_000_000, 100], ids=["at once", "in blocks"])
def test_rows_that_today_would_be_set_aside_are_not_scored_and_counted(world: World, at_once: int) -> None:
    world.crown("1", cutoff=2)
    gx = "import great_expectations.expectations as gxe\n"
    world.expect(gx + "BATCH = []\nROWS = [gxe.ExpectColumnValuesToBeBetween(column='signal', max_value=2.0)]\n")
    refused = int((toy_frame(3)["signal"] > 2.0).sum())

    with held_at_once(at_once, block=256):
        scored = world.score(3)

    assert scored.rows_refused == refused > 0
    assert not set(world.log.read("toy", WEEK[3])["id"]) & set(toy_frame(3).query("signal > 2.0")["id"])


def test_a_suite_that_the_bytes_have_passed_is_not_run_again(
    own: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.crown("1", cutoff=0)
    own.publish(3, toy_frame(3), tmp_path, passed=Suite.load(own.pipeline.load_module("expectations")).digest)
    monkeypatch.setattr(Suite, "run", lambda *_: pytest.fail("the suite ran again"))

    assert own.score(3).verdict is ScoreVerdict.SCORED


def _shadowed(world: World) -> World:
    spec = world.pipeline.spec.model_copy(update={"score": Score(shadow=True)})
    world.pipeline = replace(world.pipeline, spec=spec)
    return world


def test_a_challenger_scores_in_shadow_where_the_spec_asks(world: World) -> None:
    world.crown("1", cutoff=1)
    world.challenge("2", cutoff=2)
    assert world.score(3).shadow is None

    scored = _shadowed(world).score(4)

    assert scored.champion is not None
    assert scored.shadow is not None
    assert (scored.champion.version, scored.shadow.version, scored.shadow_problem) == ("1", "2", None)
    logged = world.log.read("toy", WEEK[4])
    assert logged.groupby("model_version")["shadow"].unique().explode().to_dict() == {"1": False, "2": True}
    assert set(world.log.served("toy", WEEK[4])["model_version"]) == {"1"}


def test_a_challenger_does_not_score_what_it_has_seen(world: World) -> None:
    world.crown("1", cutoff=1)
    world.challenge("2", cutoff=3)

    assert _shadowed(world).score(3).shadow is None


def test_a_challenger_that_cannot_score_does_not_stop_the_champion(world: World) -> None:
    world.crown("1", cutoff=1)
    world.score(2)
    world.challenge("2", cutoff=2)
    world.shelf.is_down = True

    scored = _shadowed(world).score(3)

    assert scored.verdict is ScoreVerdict.SCORED
    assert scored.shadow is None
    assert scored.shadow_problem == "The shelf does not answer."


def test_a_challenger_that_became_champion_is_logged_as_champion(world: World) -> None:
    world.crown("1", cutoff=1)
    world.challenge("2", cutoff=2)
    _shadowed(world).score(3)
    world.crown("2", cutoff=2)

    world.score(3)

    assert set(world.log.served("toy", WEEK[3])["model_version"]) == {"2"}


def test_a_large_partition_is_scored_in_blocks_as_it_is_at_once(world: World, tmp_path: Path) -> None:
    world.crown("1", cutoff=2)
    at_once = world.score(3)
    logged = world.log.read("toy", WEEK[3])
    world.objects = LocalObjects(tmp_path / "other objects")

    with held_at_once(100, block=64):
        in_blocks = world.score(3)
        again = world.score(3)

    assert in_blocks.champion
    assert at_once.champion
    assert (in_blocks.champion.rows, again.verdict) == (ROWS, ScoreVerdict.ALREADY_SCORED)
    assert in_blocks.champion.mean_p == pytest.approx(at_once.champion.mean_p)
    facts = ["scored_at", "p"]
    other = world.log.read("toy", WEEK[3])
    pd.testing.assert_frame_equal(other.drop(columns=facts), logged.drop(columns=facts))
    # A dot product of other rows at once may round its last bit otherwise.
    assert np.allclose(other["p"], logged["p"], rtol=1e-14, atol=0)
