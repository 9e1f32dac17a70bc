"""What is old and rests under nothing goes; nothing goes that a champion, one before it or a challenger needs."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.perennial.contracts import Decision, PartitionRef, Registration
from include.perennial.digests import digest
from include.perennial.errors import BadInput, IntegrityError
from include.perennial.pipeline_folder import Pipeline
from include.perennial.settings import Settings
from include.perennial.steps.retention import Retention, is_removable, needed_by, retain
from include.perennial.stores.ledger import EventKind, Ledger
from include.perennial.stores.objects import ObjectStore
from tests.promotions import decide, registration
from tests.training_runs import FIRST

WEEKS = [FIRST.shift(n).key for n in range(52)]


def sha(week: int, delivery: int = 0) -> str:
    return digest(["partition", week, delivery])


def snapshot(week: int, delivery: int = 0) -> str:
    return digest(["snapshot", week, delivery])


def objects_of(week: int, delivery: int = 0, pipeline: str = "toy") -> list[str]:
    """Every object that ingest leaves of one delivery."""
    key, data, raw = WEEKS[week], sha(week, delivery), snapshot(week, delivery)[:16]
    return [
        f"snapshots/{pipeline}/{key}/{raw}/flights.csv",
        f"snapshots/{pipeline}/{key}/{raw}/manifest.json",
        f"partitions/{pipeline}/{key}/{data}.parquet",
        f"quarantine/{pipeline}/{key}/{raw}.parquet",
        f"docs/{pipeline}/{key}/{raw}.html",
        f"docs/{pipeline}/{key}/{raw}.json",
        f"docs/{pipeline}/{key}/data-card-{data[:16]}.html",
        f"docs/{pipeline}/{key}/profile-{data[:16]}.json",
    ]


def objects_of_version(version: int, week: int) -> list[str]:
    return [f"docs/toy/{WEEKS[week]}/model-card-v{version}.md", f"monitor/toy/v{version}/{WEEKS[week]}.html"]


@dataclass
class History:
    """Weeks that were published, and versions that were trained on three of them, judged on the next, and crowned."""

    ledger: Ledger
    trained_to: dict[int, int] = field(default_factory=dict)

    def publish(self, week: int, delivery: int = 0) -> None:
        payload = {"key": WEEKS[week], "sha256": sha(week, delivery), "snapshot_digest": snapshot(week, delivery)}
        self.ledger.append("toy", EventKind.PARTITION_PUBLISHED, f"{week}:{delivery}", payload, "ingest")

    def register(self, version: int, week: int, verdict: str = "passed") -> Registration:
        """Version ``version``, judged on ``week`` and trained on the three weeks before it."""
        given = registration("toy", str(version), cutoff=WEEKS[week])
        decision = _trained(decide("toy", given.run_key, None), week)
        self.ledger.append("toy", EventKind.JUDGED, given.run_key, decision.model_dump(mode="json"), "tests")
        payload = given.model_dump(mode="json") | {"verdict": verdict, "sentence": "", "forced": False}
        self.ledger.append("toy", EventKind.REGISTERED, given.run_key, payload, "tests")
        self.trained_to[version] = week
        return given

    def crown(self, given: Registration) -> None:
        champion = self.ledger.champion("toy")
        seq = champion.seq if champion else None
        how = {"reason": "", "actor": "tests", "evidence": {}}
        self.ledger.promote(given, "digest", seq, key=f"{given.version}/{seq or 0}", **how)

    def needs(self, version: int) -> list[str]:
        week = self.trained_to[version]
        return [key for n in range(week - 3, week + 1) for key in objects_of(n)] + objects_of_version(version, week)


def _trained(decision: Decision, week: int) -> Decision:
    refs = tuple(PartitionRef(key=WEEKS[n], sha256=sha(n), rows=10) for n in range(week - 3, week + 1))
    plan = decision.plan.model_copy(update={"train": refs[:-1], "holdout": refs[-1:]})
    return decision.model_copy(update={"plan": plan})


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(Settings.from_env({"PERENNIAL_HOME": str(tmp_path)}))


@pytest.fixture
def year(ledger: Ledger, store: ObjectStore) -> History:
    """A year of weeks, a version of each from the fifth on, every one crowned; the last is not, it challenges."""
    history = History(ledger)
    for week in range(52):
        history.publish(week)
        for key in objects_of(week) + objects_of(week, pipeline="toys"):
            store.put_bytes(key, b"")
        if week >= 4:
            given = history.register(week, week)
            for key in objects_of_version(week, week):
                store.put_bytes(key, b"")
            if week < 51:
                history.crown(given)
    store.put_bytes(f"predictions/toy/run-4/{'0' * 16}.parquet", b"")
    store.put_bytes(f"predictions-log/toy/{WEEKS[5]}/v4.parquet", b"")
    return history


def everything(store: ObjectStore) -> set[str]:
    return set(store.list(""))


def remove(toy: Pipeline, history: History, store: ObjectStore, **how: object) -> Retention:
    return retain(toy, str(how.pop("keep_from", WEEKS[40])), ledger=history.ledger, store=store, **how)


def test_a_year_shrinks_to_what_is_new_or_needed_and_by_default_only_in_words(
    toy: Pipeline, year: History, store: ObjectStore
) -> None:
    year.crown(registration("toy", "10", cutoff=WEEKS[10]))
    before = everything(store)
    told = remove(toy, year, store)
    assert told.dry_run
    assert "would be removed" in told.sentence
    assert everything(store) == before

    done = remove(toy, year, store, dry_run=False)

    assert done.kept_versions == ("10", "48", "49", "50", "51")
    assert done.removed == told.removed
    gone = before - everything(store)
    assert len(gone) == sum(done.removed.values())
    for version in (10, 48, 49, 50, 51):
        assert not gone & set(year.needs(version))
    assert all(
        key.split("/")[1] == "toy" and key.split("/")[0] not in ("predictions", "predictions-log") for key in gone
    )
    assert set(objects_of(20)) <= gone
    assert remove(toy, year, store, dry_run=False).removed == {}


def test_versions_that_wait_for_an_answer_keep_what_they_rest_on(ledger: Ledger) -> None:
    history = History(ledger)
    history.crown(history.register(1, 4))
    history.register(2, 5)
    history.register(3, 6, verdict="past")

    assert needed_by(ledger.events("toy"), 0).versions == {"1", "2", "3"}


def test_a_corrected_delivery_goes_when_only_the_other_is_needed(
    toy: Pipeline, ledger: Ledger, store: ObjectStore
) -> None:
    history = History(ledger)
    history.publish(2)
    history.publish(2, delivery=1)
    history.crown(history.register(1, 4))
    for key in objects_of(2) + objects_of(2, delivery=1):
        store.put_bytes(key, b"")

    remove(toy, history, store, dry_run=False)

    assert everything(store) == set(objects_of(2))


@pytest.mark.parametrize(
    "key",
    [
        f"docs/toy/{WEEKS[0]}/notes.html",
        f"docs/toy/{WEEKS[0]}/",
        "docs/toy/readme.html",
        "docs/toy/2013/1234567890abcdef.html",
        f"monitor/toy/{WEEKS[0]}.html",
        "monitor/toy/v1/calibration-1234567890abcdef.json",
        f"snapshots/toy/{WEEKS[0]}/mine/flights.csv",
    ],
)
def test_what_is_not_understood_stays(key: str) -> None:
    assert not is_removable(key, WEEKS[40], needed_by([], 0))


def test_without_the_decision_of_a_champion_nothing_is_removed(
    toy: Pipeline, ledger: Ledger, store: ObjectStore
) -> None:
    history = History(ledger)
    history.crown(registration("toy", "1"))
    store.put_bytes(objects_of(0)[0], b"")

    with pytest.raises(IntegrityError, match="nothing was removed"):
        remove(toy, history, store, dry_run=False)
    assert store.exists(objects_of(0)[0])


@pytest.mark.parametrize("how", [{"previous_champions": -1}, {"keep_from": "last year"}], ids=["count", "key"])
def test_wrong_arguments_are_refused(toy: Pipeline, ledger: Ledger, store: ObjectStore, how: dict) -> None:
    with pytest.raises(BadInput):
        remove(toy, History(ledger), store, **how)


@settings(max_examples=12, deadline=None)
@given(
    crownings=st.lists(st.integers(0, 7), max_size=8),
    waiting=st.integers(0, 2),
    previous=st.integers(0, 4),
    keep_from=st.integers(0, 20),
)
def test_whatever_was_crowned_and_rolled_back_nothing_needed_is_lost(
    crownings: list[int], waiting: int, previous: int, keep_from: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    history = History(Ledger.open(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}"))
    for week in range(14):
        history.publish(week)
    versions = {version: history.register(version, version + 4) for version in sorted(set(crownings))}
    for version in crownings:
        history.crown(versions[version])
    late = [history.register(8 + n, 12 + n) for n in range(waiting)]

    needed = needed_by(history.ledger.events("toy"), previous)

    newest_first = list(dict.fromkeys(reversed(crownings)))
    stays = [*newest_first[: previous + 1], *(int(one.version) for one in late)]
    kept = {key for version in stays for key in history.needs(version)}
    made = {key for week in range(14) for key in objects_of(week)}
    made |= {key for version, week in history.trained_to.items() for key in objects_of_version(version, week)}
    gone = {key for key in made if is_removable(key, WEEKS[keep_from], needed)}
    assert not gone & kept
    assert {key for key in made - kept if any(week in key for week in WEEKS[:keep_from])} == gone
