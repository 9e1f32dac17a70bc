"""Crowning, freezing and rolling back, one at a time and many at once."""

import multiprocessing
import threading
from collections.abc import Callable

import pytest

from include.perennial.errors import BadInput
from include.perennial.stores.ledger import ChampionChanged, Event, EventKind, Ledger, PipelineFrozen
from tests.promotions import registration
from tests.unit.stores.ledger.writers import P, append_many, crown, note


def test_the_last_crowned_is_champion(ledger: Ledger) -> None:
    assert ledger.champion(P) is None

    first = crown(ledger, registration(P, "1"), None)
    note(ledger, "between")
    second = crown(ledger, registration(P, "2"), first.seq)

    champion = ledger.champion(P)
    assert champion is not None
    assert (champion.version, champion.seq, champion.since_utc) == ("2", second.seq, second.at_utc)


@pytest.mark.parametrize("expected", [None, 1, 99], ids=["nobody", "an earlier one", "one that never was"])
def test_a_promotion_against_another_champion_is_refused(ledger: Ledger, expected: int | None) -> None:
    crown(ledger, registration(P, "1"), None)
    crown(ledger, registration(P, "2"), 1)

    with pytest.raises(ChampionChanged, match="version 2") as refusal:
        crown(ledger, registration(P, "3"), expected)

    assert refusal.value.current == ledger.champion(P)
    assert len(ledger.events(P)) == 2


def test_a_repeated_promotion_is_recorded_once(ledger: Ledger) -> None:
    first = crown(ledger, registration(P), None)

    assert crown(ledger, registration(P), None) == first
    assert ledger.head(P).seq == 1


def test_a_frozen_pipeline_keeps_its_champion(ledger: Ledger) -> None:
    champion = crown(ledger, registration(P, "1"), None)
    ledger.append(P, EventKind.FROZEN, "1", {}, "tester")
    assert ledger.is_frozen(P)

    with pytest.raises(PipelineFrozen, match="flights is frozen"):
        crown(ledger, registration(P, "2"), champion.seq)

    ledger.append(P, EventKind.UNFROZEN, "1", {}, "tester")
    assert not ledger.is_frozen(P)
    assert crown(ledger, registration(P, "2"), champion.seq).seq == 4


def test_a_rollback_crowns_an_earlier_version(ledger: Ledger) -> None:
    crown(ledger, registration(P, "1"), None)
    crown(ledger, registration(P, "2"), 1)

    how = {"reason": "worse in production", "actor": "tester", "key": "1/2", "evidence": {}}
    ledger.promote(registration(P, "1"), "digest", 2, **how, kind=EventKind.ROLLED_BACK)

    champion = ledger.champion(P)
    assert champion is not None
    assert (champion.version, champion.seq, champion.reason) == ("1", 3, "worse in production")


def test_only_crowning_kinds_crown(ledger: Ledger) -> None:
    with pytest.raises(BadInput, match="allowed promoted, rolled_back"):
        ledger.promote(registration(P), "d", None, reason="", actor="t", key="k", evidence={}, kind=EventKind.FROZEN)


# --- many at once ---------------------------------------------------------------------------


def together(*actions: Callable[[], object]) -> list[object]:
    """Results of ``actions``, run at the same moment; an exception is a result."""
    start, results = threading.Barrier(len(actions)), [None] * len(actions)

    def run(n: int, action: Callable[[], object]) -> None:
        start.wait()
        try:
            results[n] = action()
        except ChampionChanged as error:
            results[n] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_opening_at_once_creates_one_schema(url: str) -> None:
    opened = together(*[lambda: Ledger.open(url)] * 8)

    assert [note(ledger, str(n)).seq for n, ledger in enumerate(opened)] == list(range(1, 9))


def test_of_promotions_at_once_one_lands(ledger: Ledger) -> None:
    rivals = [registration(P, str(version)) for version in range(1, 9)]

    results = together(*[lambda rival=rival: crown(ledger, rival, None) for rival in rivals])

    assert sum(isinstance(result, Event) for result in results) == 1
    assert sum(isinstance(result, ChampionChanged) for result in results) == 7
    assert ledger.head(P).seq == 1


def test_one_key_from_many_threads_is_one_event(ledger: Ledger) -> None:
    results = together(*[lambda: note(ledger, "same")] * 8)

    assert results == [ledger.find(P, EventKind.JUDGED, "same")] * 8


def test_processes_append_at_once_and_none_is_lost(url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=append_many, args=(url, str(n))) for n in range(3)]

    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    ledger = Ledger.open(url)
    assert [writer.exitcode for writer in writers] == [0] * 3
    assert [event.seq for event in ledger.events(P)] == list(range(1, 61))
    assert len({event.key for event in ledger.events(P)}) == 60
    assert ledger.verify() == []
