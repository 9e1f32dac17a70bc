"""Promoters killed at any point and promoters that race, against a real MLflow server."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from include.perennial.contracts import Decision, PromotionStatus
from include.perennial.partitions import Partition, Period
from include.perennial.settings import Settings
from include.perennial.stores.ledger import Anchor, Champion, Ledger
from include.perennial.stores.tracking.client import connect
from include.perennial.stores.tracking.registry import LEDGER_HEAD_TAG, RUN_KEY_TAG, Registry
from tests.integration.promoter import CALLS, LINES, Job, Outcome, Promoter
from tests.promotions import StoredModel, decide, store_model

pytestmark = pytest.mark.server
WEEK_0 = Partition.of_key("2013-01-07", Period.WEEK)
_names = (f"raced_{n}" for n in range(10_000))


@pytest.fixture(scope="module")
def promoter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Promoter]:
    promoter = Promoter(tmp_path_factory.mktemp("promoter") / "log")
    yield promoter
    promoter.close()


@dataclass
class World:
    """One pipeline, its stores, and the process that promotes."""

    name: str
    ledger_url: str
    uri: str
    stored: StoredModel
    promoter: Promoter

    def __post_init__(self) -> None:
        self.ledger = Ledger.open(self.ledger_url)
        self.models = Registry.open(Settings.from_env({"MLFLOW_TRACKING_URI": self.uri}))

    @property
    def champion(self) -> Champion | None:
        return self.ledger.champion(self.name)

    def decide(self, run_key: str, week: int, score: float) -> Decision:
        cutoff = WEEK_0.shift(week).key
        return decide(self.name, run_key, self.stored, score=score, cutoff=cutoff, champion=self.champion)

    def job(self, decision: Decision, **given: object) -> Job:
        return Job(decision.model_dump(mode="json"), self.ledger_url, self.uri, **given)

    def run(self, *jobs: Job) -> list[Outcome]:
        outcomes = self.promoter.run(*jobs)
        assert [outcome.error for outcome in outcomes if outcome.error] == []
        return outcomes

    def assert_one_truth(self, run_key: str) -> None:
        """One champion, the alias equal to it, one version per run key, the chain whole and anchored."""
        champion = self.champion
        assert champion is not None
        assert champion.run_key == run_key
        assert self.models.aliases(self.name) == {"champion": champion.version}
        versions = self.models.tag_values(self.name, RUN_KEY_TAG)
        assert max(Counter(versions.values()).values()) == 1
        assert versions[champion.version] == run_key
        anchors = [Anchor.parse(text) for text in self.models.tag_values(self.name, LEDGER_HEAD_TAG).values()]
        assert len(anchors) == len(versions)
        assert self.ledger.verify(anchors=anchors) == []


@pytest.fixture
def world(mlflow_server: str, tmp_path: Path, promoter: Promoter) -> World:
    client = connect(Settings.from_env({"MLFLOW_TRACKING_URI": mlflow_server}))
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    return World(next(_names), url, mlflow_server, store_model(client), promoter)


# --- killed ---------------------------------------------------------------------------------


def where_it_died(world: World, before: Champion | None, run_key: str) -> str:
    """Which stretch of registering and promoting was cut."""
    if world.champion == before:
        versions = world.models.tag_values(world.name, RUN_KEY_TAG).values()
        return "before the crown" if run_key in versions else "before the version"
    assert world.champion is not None
    alias = world.models.get_alias(world.name, "champion")
    return "after the alias" if alias == world.champion.version else "between crown and alias"


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(20, id="20"),
        pytest.param(200, id="200", marks=[pytest.mark.heavy, pytest.mark.timeout(1800)]),
    ],
)
def test_a_killed_promotion_is_completed_by_one_retry(world: World, kills: int) -> None:
    chance = random.Random(kills)
    died = Counter[str]()
    whole = {}
    for week, counted in enumerate([LINES, CALLS]):
        decision = world.decide(f"run-{week}", week, 0.5 + week / 1e4)
        whole[counted] = world.run(world.job(decision, counted=counted))[0]

    for week in range(2, kills + 2):
        before, run_key = world.champion, f"run-{week}"
        decision = world.decide(run_key, week, 0.5 + week / 1e4)
        counted = chance.choice([LINES, CALLS])
        # Half of them while registering, most of which is early, and half while promoting.
        registered_at, steps = whole[counted].registered_at, whole[counted].steps
        stretches = [(1, registered_at // 3), (registered_at // 3, registered_at), *[(registered_at, steps)] * 2]
        kill_at = chance.randint(*stretches[week % 4])

        killed = world.run(world.job(decision, counted=counted, kill_at=kill_at))[0]
        if killed.status is None:
            died[where_it_died(world, before, run_key)] += 1
        retried = world.run(world.job(decision, counted=counted))[0]

        assert retried.status in {PromotionStatus.PROMOTED, PromotionStatus.ALREADY_CHAMPION}, (week, counted, kill_at)
        world.assert_one_truth(run_key)
        if retried.status == PromotionStatus.PROMOTED:
            whole[counted] = retried

    # The points must have covered the whole way, the gap between ledger and alias included.
    assert died.total() >= kills * 0.9
    assert min(died[where] for where in ("before the version", "before the crown", "between crown and alias")) > 0
    print(f"{kills} kills: {dict(died)}")


# --- raced ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "races",
    [
        pytest.param(6, id="6"),
        pytest.param(200, id="200", marks=[pytest.mark.heavy, pytest.mark.timeout(1800)]),
    ],
)
def test_of_two_racing_promoters_the_better_is_champion(world: World, races: int) -> None:
    chance = random.Random(races)
    first = world.decide("first", 0, 0.5)
    world.run(world.job(first))
    rejudged = 0

    for race in range(1, races + 1):
        scores = [0.5 + race / 1e3, 0.5 + race / 1e3 + 1e-4]
        rivals = [world.decide(f"race-{race}-{n}", race, score) for n, score in enumerate(scores)]
        jobs = [world.job(rival, pause_s=chance.choice([0, 0, 0.01])) for rival in rivals]
        chance.shuffle(jobs)

        statuses = Counter(outcome.status for outcome in world.run(*jobs))

        assert statuses[PromotionStatus.PROMOTED] >= 1, race
        rejudged += statuses[PromotionStatus.KEPT_CHAMPION]
        world.assert_one_truth(rivals[1].plan.run_key)

    print(f"{races} races: the worse was second and judged again in {rejudged}")
