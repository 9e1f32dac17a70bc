"""Freezing keeps the champion; a person can promote any registered version, with a reason."""

from typing import Any

import pytest

from include.perennial.contracts import PromotionStatus
from include.perennial.errors import BadInput
from include.perennial.steps.champion import ChampionChange, ChampionStores, NotFit, freeze, promote, rollback, unfreeze
from include.perennial.stores.ledger import EventKind
from tests.closed_loop import Loop

HOW = {"reason": "audit", "actor": "tester", "dry_run": False}


def by_hand(loop: Loop, version: str, **given: Any) -> ChampionChange:
    return promote(loop.pipeline, ChampionStores.open(loop.settings), version=version, **HOW | given)


def kinds(loop: Loop) -> list[EventKind]:
    return [event.kind for event in loop.ledger.events("toy")]


def test_freezing_is_recorded_once_with_its_reason(loop: Loop) -> None:
    said = [freeze("toy", loop.ledger, **HOW).sentence for _ in range(2)]

    assert said[0].startswith("toy is frozen with champion version 3 (audit)")
    assert said[1].startswith("toy is frozen already since ")
    assert said[1].endswith("(tester: audit).")
    [event] = loop.ledger.events("toy", [EventKind.FROZEN])
    assert event.payload == {"reason": "audit", "champion_version": "3"}


def test_frozen_and_unfrozen_again_and_again(loop: Loop) -> None:
    for _ in range(2):
        freeze("toy", loop.ledger, **HOW)
        assert loop.ledger.is_frozen("toy")
        unfreeze("toy", loop.ledger, **HOW)
        assert not loop.ledger.is_frozen("toy")
    assert kinds(loop)[-4:] == [EventKind.FROZEN, EventKind.UNFROZEN] * 2


@pytest.mark.parametrize("change", [freeze, unfreeze])
def test_a_dry_run_freezes_nothing(loop: Loop, change: Any) -> None:
    before = loop.ledger.head("toy")

    assert change("toy", loop.ledger, reason="audit", actor="tester").dry_run
    assert loop.ledger.head("toy") == before


@pytest.mark.parametrize("change", [freeze, unfreeze])
def test_a_reason_is_needed(loop: Loop, change: Any) -> None:
    with pytest.raises(BadInput, match="A reason"):
        change("toy", loop.ledger, reason="", actor="tester")


def test_a_frozen_pipeline_promotes_nobody_until_it_is_unfrozen(loop: Loop) -> None:
    freeze("toy", loop.ledger, **HOW)
    assert loop.train(6, "logistic").status is PromotionStatus.FROZEN
    with pytest.raises(BadInput, match="unfreeze it first"):
        by_hand(loop, "4")

    unfreeze("toy", loop.ledger, **HOW)

    assert by_hand(loop, "4").champion_version == "4"


def test_a_version_is_promoted_against_the_rule_of_the_past_and_the_alias_follows(loop: Loop) -> None:
    done = by_hand(loop, "1", reason="the old one was better")

    assert (done.crowned, done.champion_version) == (True, "1")
    assert loop.models.get_alias("toy", "champion") == "1"
    champion = loop.ledger.champion("toy")
    assert champion.reason == "the old one was better"
    assert loop.ledger.events("toy", [EventKind.PROMOTED])[-1].payload["evidence"]["forced"] is True
    assert by_hand(loop, "1").crowned is False


def test_a_dry_run_promotes_nobody(loop: Loop) -> None:
    before = loop.ledger.head("toy")

    said = by_hand(loop, "1", dry_run=True)

    assert (said.champion_version, said.crowned) == ("3", False)
    assert "would promote version 1 of toy over version 3, whatever the gate said" in said.sentence
    assert loop.ledger.head("toy") == before


def test_a_person_can_give_the_crown_back_after_a_roll_back(loop: Loop) -> None:
    stores = ChampionStores.open(loop.settings)
    rollback(loop.pipeline, stores, **HOW)

    assert by_hand(loop, "3").champion_version == "3"
    assert rollback(loop.pipeline, stores, reason="again", actor="tester").version == "2"


def test_an_altered_version_is_not_promoted(loop: Loop) -> None:
    loop.artifact("1").write_bytes(b"something else")

    with pytest.raises(NotFit, match=r"Version 1 of toy cannot be loaded: .* The champion stays version 3"):
        by_hand(loop, "1")


def test_an_unknown_version_is_refused_with_those_that_exist(loop: Loop) -> None:
    with pytest.raises(BadInput, match="Version '7' of toy is not registered: versions are '1', '2', '3'"):
        by_hand(loop, "7")


def test_the_same_model_is_not_promoted_again(loop: Loop) -> None:
    decision = loop.decision("3")
    twin = decision.plan.model_copy(update={"run_key": "twin"})
    copy = decision.model_copy(update={"plan": twin})
    loop.ledger.append("toy", EventKind.JUDGED, "twin", copy.model_dump(mode="json"), "tester")
    registered = loop.ledger.events("toy", [EventKind.REGISTERED])[-1].payload
    loop.ledger.append("toy", EventKind.REGISTERED, "twin", registered | {"run_key": "twin", "version": "4"}, "tester")

    with pytest.raises(BadInput, match="Version 4 is the same model as champion version 3"):
        by_hand(loop, "4")
