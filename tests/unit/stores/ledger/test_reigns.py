"""Each partition has the champion of its time, whenever it is scored, and never one that has seen it."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.perennial.contracts import Promotion, PromotionStatus, Verdict
from include.perennial.stores.ledger import (
    CONTENDING_KINDS,
    Event,
    EventKind,
    Ledger,
    Refused,
    Registered,
    challenger,
    champion_for,
    succession,
)
from tests.promotions import registration
from tests.unit.stores.ledger.writers import P, crown

WEEKS = [f"2013-01-{day:02d}" for day in range(1, 10)]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """SQLite alone: what is tested reads events, not a database."""
    return Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")


def crown_all(ledger: Ledger, *reigns: tuple[str, int]) -> list[Event]:
    """Crown (version, week of its cutoff) in turn; the events."""
    for version, week in reigns:
        champion = ledger.champion(P)
        crown(ledger, registration(P, version, cutoff=WEEKS[week]), champion.seq if champion else None)
    return ledger.events(P)


@pytest.mark.parametrize(
    ("reigns", "week", "expected"),
    [
        ([], 5, None),
        ([("1", 3)], 2, None),
        ([("1", 3)], 3, None),
        ([("1", 3)], 4, "1"),
        ([("1", 3), ("2", 4)], 8, "2"),
        ([("1", 3), ("2", 4)], 4, "1"),
        ([("1", 3), ("2", 5), ("1", 3)], 6, "1"),
        ([("1", 3), ("2", 4), ("3", 5), ("1", 3)], 5, "2"),
        ([("1", 1), ("2", 5), ("3", 2)], 4, "1"),
        ([("1", 1), ("2", 5), ("3", 2)], 6, "3"),
    ],
    ids=[
        "never a champion",
        "before the first",
        "what the first has seen",
        "after the first",
        "the newest",
        "a week backfilled into an earlier reign",
        "rolled back, from then on",
        "rolled back, but not over weeks of others",
        "forced out of the past, not over weeks of others",
        "forced out of the past, from then on",
    ],
)
def test_a_partition_has_the_champion_of_its_time(
    reigns: list[tuple[str, int]], week: int, expected: str | None, ledger: Ledger
) -> None:
    champion = champion_for(crown_all(ledger, *reigns), WEEKS[week])

    assert (champion.version if champion else None) == expected


@settings(max_examples=25)
@given(cutoffs=st.lists(st.integers(0, 8), max_size=6), week=st.integers(0, 8))
def test_no_partition_is_given_to_a_model_that_has_seen_it(
    cutoffs: list[int], week: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ledger = Ledger.open(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}")
    events = crown_all(ledger, *((str(n), cutoff) for n, cutoff in enumerate(cutoffs)))

    champion = champion_for(events, WEEKS[week])

    assert champion is None or champion.cutoff < WEEKS[week]
    assert (champion is None) == (not cutoffs or cutoffs[0] >= week)


def register(ledger: Ledger, version: str, verdict: Verdict = Verdict.PASSED, forced: bool = False) -> Registered:
    given = Registered(**registration(P, version).model_dump(), verdict=verdict, sentence="", forced=forced)
    ledger.append(P, EventKind.REGISTERED, version, given.model_dump(mode="json"), "tester")
    return given


def refuse(ledger: Ledger, given: Registered, status: PromotionStatus) -> None:
    promotion = Promotion(status=status, champion_version=None, champion_seq=None, sentence="")
    refused = Refused(**given.registration.model_dump(), promotion=promotion, forced=False, reason="")
    ledger.append(P, EventKind.PROMOTION_REFUSED, given.version, refused.model_dump(mode="json"), "tester")


def named(ledger: Ledger) -> str | None:
    found = challenger(ledger.events(P, CONTENDING_KINDS))
    return found.version if found else None


def test_the_newest_version_that_passed_challenges_until_it_is_crowned(ledger: Ledger) -> None:
    assert named(ledger) is None
    register(ledger, "1")
    given = register(ledger, "2")
    assert named(ledger) == "2"

    crown(ledger, given.registration, None)

    assert named(ledger) is None


def test_a_model_of_the_past_challenges_only_when_forced(ledger: Ledger) -> None:
    register(ledger, "1", Verdict.PAST)
    assert named(ledger) is None

    register(ledger, "2", Verdict.PAST, forced=True)

    assert named(ledger) == "2"


@pytest.mark.parametrize(("status", "expected"), [(PromotionStatus.KEPT_CHAMPION, None), (PromotionStatus.FROZEN, "1")])
def test_a_refusal_ends_the_challenge_and_a_freeze_does_not(
    status: PromotionStatus, expected: str | None, ledger: Ledger
) -> None:
    refuse(ledger, register(ledger, "1"), status)

    assert named(ledger) == expected


@pytest.mark.parametrize(
    ("crownings", "previous", "undone"),
    [
        ("p1", None, ""),
        ("p1 p2 p3", "2", ""),
        ("p1 p2 p3 r2", "1", "3"),
        ("p1 p2 p3 r2 r1", None, "2 3"),
        ("p1 p2 p3 r1", None, "2 3"),
        ("p1 p2 p3 r2 p4", "2", "3"),
        ("p1 p2 p3 r2 p3", "2", ""),
        ("p1 p2 p3 p1", "3", ""),
        ("p1 p2 r1 r2", "1", ""),
        ("p1 p2 p3 r1 r3", "1", "2"),
    ],
)
def test_the_one_before_is_whom_the_champion_took_over_from(
    ledger: Ledger, crownings: str, previous: str | None, undone: str
) -> None:
    for n, word in enumerate(crownings.split()):
        kind = EventKind.ROLLED_BACK if word[0] == "r" else EventKind.PROMOTED
        champion = ledger.champion(P)
        how = {"reason": "", "actor": "tester", "evidence": {}, "key": str(n), "kind": kind}
        ledger.promote(registration(P, word[1]), "digest", champion.seq if champion else None, **how)

    found = succession(ledger.events(P))

    assert found.versions[-1] == crownings[-1]
    assert found.previous == previous
    assert sorted(found.undone) == undone.split()
