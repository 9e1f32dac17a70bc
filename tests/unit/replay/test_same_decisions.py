"""A replay decides what the steps of the DAGs decide: the same weeks through both, with a real MLflow store."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest

from include.perennial.contracts import Decision, TrainingPlan, TrainingRequest, Trigger
from include.perennial.models.model_cache import ModelCache
from include.perennial.monitor.decision import Outcome, TriggerDecision
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.replay.agreement import agreement
from include.perennial.replay.policies import parse_policy
from include.perennial.replay.records import Walk
from include.perennial.replay.walk import walk
from include.perennial.settings import Settings
from include.perennial.sources.connections import SettingsConnections
from include.perennial.steps.decide import decide_partition, record_measurement
from include.perennial.steps.fit import fit_candidate
from include.perennial.steps.judge import judge, rejudge
from include.perennial.steps.measure import measure_partition
from include.perennial.steps.plan import plan_training
from include.perennial.steps.promote import promote
from include.perennial.steps.register import register
from include.perennial.steps.score import score_partition
from include.perennial.steps.snapshot import take_snapshot
from include.perennial.steps.validate import validate
from include.perennial.steps.version import publish_partition
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.tracking.registry import Registry
from include.perennial.stores.tracking.runs import Tracking
from tests.unit.replay.conftest import World, keys

pytestmark = pytest.mark.long

FIRST_WEEK, LAST_WEEK = 3, 9


@dataclass(frozen=True)
class Live:
    """The steps as the DAGs call them, one week after the other."""

    pipeline: Pipeline
    registry: DataRegistry
    store: ObjectStore
    tracking: Tracking
    models: Registry
    ledger: Ledger
    settings: Settings

    @classmethod
    def open(cls, pipeline: Pipeline, settings: Settings) -> "Live":
        stores = DataRegistry.open(settings), ObjectStore.open(settings), Tracking.open(settings)
        return cls(pipeline, *stores, Registry.open(settings), Ledger.open(settings.ledger_url), settings)

    def ingest(self, key: str) -> None:
        partition = Partition.of_key(key, self.pipeline.spec.period)
        snapshot = take_snapshot(self.pipeline, partition, self.store, SettingsConnections(self.settings))
        publish_partition(validate(self.pipeline, snapshot, self.store), self.store, self.registry, self.ledger)

    def monitor(self, key: str) -> TriggerDecision | None:
        """Score, measure and decide; None where nobody is champion yet."""
        cache = ModelCache.open(self.settings, self.tracking.download)
        stores = {"registry": self.registry, "store": self.store, "ledger": self.ledger, "models": cache}
        if score_partition(self.pipeline, key, **stores).champion is None:
            return None
        measurement = measure_partition(self.pipeline, key, **stores).measurement
        record_measurement(measurement, self.ledger, "tests")
        asked = decide_partition(
            measurement, self.pipeline, self.ledger, evaluation=key, training_runs=lambda: 0, actor="tests"
        )
        return asked.decision

    def train(self, key: str, trigger: Trigger) -> Decision:
        plan = plan_training(TrainingRequest(pipeline="toy", as_of=key, trigger=trigger), self.pipeline, self.registry)
        assert isinstance(plan, TrainingPlan)
        fits = [fit_candidate(plan, name, self.pipeline, self.registry, self.tracking) for name in plan.candidates]
        stores: dict[str, Any] = {
            "registry": self.registry,
            "store": self.store,
            "tracking": self.tracking,
            "ledger": self.ledger,
        }
        decision = judge(plan, fits, self.pipeline, **stores)
        if registration := register(decision, self.ledger, self.models):
            again = lambda late, champion: rejudge(late, champion, self.pipeline, **stores)  # noqa: E731
            promote(registration, decision, self.ledger, self.models, again, actor="tests")
        return decision


@pytest.fixture(scope="module")
def live(changed_world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    home = tmp_path_factory.mktemp("live")
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    yield Live.open(changed_world.pipeline, Settings.from_env({"PERENNIAL_HOME": str(home)}))
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


@pytest.fixture(scope="module")
def lived(live: Live) -> tuple[list[TriggerDecision | None], list[Decision]]:
    """Each week's evaluation, and the decisions of the training runs, under the policy of the spec."""
    evaluations, decisions = [], []
    for key in keys(0, LAST_WEEK):
        live.ingest(key)
        if key < keys(FIRST_WEEK, FIRST_WEEK)[0]:
            continue
        evaluations.append(live.monitor(key))
        trigger = _trigger(live, evaluations[-1])
        decisions += [live.train(key, trigger)] if trigger else []
    return evaluations, decisions


def _trigger(live: Live, evaluation: TriggerDecision | None) -> Trigger | None:
    if live.ledger.champion("toy") is None:
        return Trigger.SCHEDULE
    return evaluation.trigger if evaluation and evaluation.outcome is Outcome.ASKED else None


@pytest.fixture(scope="module")
def replayed(changed_world: World) -> Walk:
    return walk(changed_world.course(FIRST_WEEK, LAST_WEEK), parse_policy("drift+performance"))


def test_every_evaluation_is_the_same(
    lived: tuple[list[TriggerDecision | None], list[Decision]], replayed: Walk
) -> None:
    compared = {"key", "as_of", "outcome", "trigger", "reason", "evidence"}
    dumped = [[d and d.model_dump(include=compared) for d in side] for side in (lived[0], _evaluations(replayed))]

    assert dumped[0] == dumped[1]
    assert Outcome.ASKED in {decision.outcome for decision in lived[0] if decision}


def test_every_judgement_is_the_same(
    lived: tuple[list[TriggerDecision | None], list[Decision]], replayed: Walk
) -> None:
    live = [(d.plan.run_key, d.winner, d.judgement.verdict, d.judgement.delta) for d in lived[1]]

    assert live == [(t.run_key, t.winner, t.verdict, t.delta) for t in replayed.trainings]
    assert len({verdict for _, _, verdict, _ in live}) > 1


def _evaluations(walked: Walk) -> list[TriggerDecision | None]:
    return [tick.decision for tick in walked.ticks]


def test_the_check_against_the_ledger_finds_them_equal(live: Live, lived: object, replayed: Walk) -> None:
    found = agreement(replayed, "toy", live.ledger)

    assert (found.compared, found.same, found.differences) == (len(replayed.trainings), found.compared, ())
    assert found.compared >= 3


def test_the_check_names_a_decision_that_differs(live: Live, lived: object, replayed: Walk) -> None:
    first, *others = replayed.ticks
    assert first.training is not None
    edited = first.model_copy(update={"training": first.training.model_copy(update={"winner": "nobody"})})

    found = agreement(replayed.model_copy(update={"ticks": (edited, *others)}), "toy", live.ledger)

    assert found.same == found.compared - 1
    [difference] = found.differences
    assert difference.startswith(f"{first.key}: replay winner nobody, ")


def test_the_check_of_an_empty_ledger_has_nothing_to_compare(tmp_path: Path, replayed: Walk) -> None:
    found = agreement(replayed, "toy", Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}"))

    assert found.compared == 0
    assert "no training run" in found.sentence
