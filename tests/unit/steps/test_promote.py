"""Who may take the crown, who may not, and what is recorded of it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from include.perennial.contracts import Decision, Judgement, Promotion, PromotionStatus, Registration, Verdict
from include.perennial.errors import BadInput, IntegrityError, Unavailable
from include.perennial.steps.promote import promote
from include.perennial.steps.register import register
from include.perennial.stores.ledger import Champion, EventKind, Ledger
from include.perennial.stores.tracking.registry import Registry
from tests.promotions import CUTOFF, StoredModel, decide, judgement_of, registration, rejudge

OLDER, NEWER = "2013-02-25", "2013-03-11"
_names = (f"pipeline_{n}" for n in range(10_000))


@dataclass
class Loop:
    """One pipeline with its ledger and its models."""

    name: str
    ledger: Ledger
    models: Registry
    stored: StoredModel

    @property
    def champion(self) -> Champion | None:
        return self.ledger.champion(self.name)

    def decide(self, run_key: str, **given: object) -> Decision:
        return decide(self.name, run_key, self.stored, **{"champion": self.champion} | given)

    def register(self, decision: Decision, forced: bool = False) -> Registration:
        registered = register(decision, self.ledger, self.models, forced=forced)
        assert registered is not None
        return registered

    def promote(self, decision: Decision, **given: object) -> Promotion:
        registered = self.register(decision, forced=bool(given.get("force")))
        return promote(registered, decision, self.ledger, self.models, rejudge, actor="tester", **given)

    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.ledger.events(self.name)]

    def alias(self, alias: str = "champion") -> str | None:
        return self.models.get_alias(self.name, alias)


@pytest.fixture
def loop(ledger: Ledger, models: Registry, stored: StoredModel) -> Iterator[Loop]:
    yield Loop(next(_names), ledger, models, stored)
    assert ledger.verify() == []


@pytest.fixture
def crowned(loop: Loop) -> Loop:
    """A pipeline whose champion has score 0.7 and cutoff ``CUTOFF``."""
    loop.promote(loop.decide("first", score=0.7))
    return loop


def test_the_first_that_passed_is_crowned(loop: Loop) -> None:
    promotion = loop.promote(loop.decide("first"))

    assert promotion.status is PromotionStatus.PROMOTED
    assert promotion.champion_version == loop.alias() == "1"
    assert "the first champion" in promotion.sentence
    assert loop.kinds() == [EventKind.REGISTERED, EventKind.PROMOTED]


def test_a_better_one_takes_the_crown(crowned: Loop) -> None:
    promotion = crowned.promote(crowned.decide("second", score=0.8, cutoff=NEWER))

    assert promotion.status is PromotionStatus.PROMOTED
    assert crowned.alias() == promotion.champion_version == "2"
    assert crowned.alias("challenger") is None


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        pytest.param({"score": 0.8, "cutoff": OLDER}, "not_promotable", "only by force", id="an older one"),
        pytest.param({"score": 0.8, "verdict": Verdict.PAST}, "not_promotable", "past", id="judged as past"),
        pytest.param({"score": 0.7, "verdict": Verdict.REJECTED}, "kept_champion", "rejected", id="rejected"),
        pytest.param({"verdict": Verdict.INCOMPARABLE}, "kept_champion", "incomparable", id="incomparable"),
        pytest.param({"verdict": Verdict.IDENTICAL}, "not_promotable", "identical", id="identical"),
    ],
)
def test_the_champion_stays(crowned: Loop, given: dict, status: str, words: str) -> None:
    before = crowned.champion
    decision = crowned.decide("second", **given)
    registered = crowned.register(decision, forced=True)

    promotion = promote(registered, decision, crowned.ledger, crowned.models, rejudge, actor="tester")

    assert promotion.status == status
    assert words in promotion.sentence
    assert crowned.champion == before
    assert crowned.alias() == promotion.champion_version == "1"
    assert crowned.kinds()[-1] is EventKind.PROMOTION_REFUSED


def test_a_rejected_first_model_is_not_crowned(loop: Loop) -> None:
    decision = loop.decide("first", verdict=Verdict.REJECTED)
    registered = loop.register(decision, forced=True)

    promotion = promote(registered, decision, loop.ledger, loop.models, rejudge, actor="tester")

    assert promotion.status is PromotionStatus.NOT_PROMOTABLE
    assert loop.champion is None
    assert loop.alias() is None


def test_a_rival_of_the_same_cutoff_may_win(crowned: Loop) -> None:
    rival = crowned.decide("rival", score=0.71, cutoff=CUTOFF)
    assert crowned.promote(rival).status is PromotionStatus.PROMOTED


@pytest.mark.parametrize(("score", "verdict"), [(0.8, "passed"), (0.6, "rejected"), (0.7, "rejected")])
def test_a_changed_champion_is_judged_against(crowned: Loop, score: float, verdict: str) -> None:
    late = crowned.decide("late", score=score, champion=None, cutoff=NEWER)

    promotion = crowned.promote(late)

    rejudged = crowned.ledger.events(crowned.name, [EventKind.REJUDGED])
    assert [event.payload["judgement"]["verdict"] for event in rejudged] == [verdict]
    assert (promotion.status is PromotionStatus.PROMOTED) == (verdict == "passed")


def test_a_judgement_is_made_once_per_champion(crowned: Loop) -> None:
    late = crowned.decide("late", score=0.6, champion=None)
    registered = crowned.register(late)
    asked: list[int] = []

    def counting(decision: Decision, champion: Champion) -> Judgement:
        asked.append(champion.seq)
        return rejudge(decision, champion)

    for _ in range(3):
        promote(registered, late, crowned.ledger, crowned.models, counting, actor="tester")

    assert asked == [crowned.champion.seq]
    assert crowned.kinds().count(EventKind.PROMOTION_REFUSED) == 1


def test_a_champion_crowned_during_the_judgement_is_met_as_well(crowned: Loop) -> None:
    late = crowned.decide("late", score=0.8, champion=None, cutoff=NEWER)
    registered = crowned.register(late)
    better = crowned.decide("better", score=0.9, cutoff=NEWER)
    asked: list[str] = []

    def overtaken(decision: Decision, champion: Champion) -> Judgement:
        asked.append(champion.run_key)
        if champion.run_key == "first":
            crowned.promote(better)
        return rejudge(decision, champion)

    promotion = promote(registered, late, crowned.ledger, crowned.models, overtaken, actor="tester")

    assert asked == ["first", "better"]
    assert promotion.status is PromotionStatus.KEPT_CHAMPION
    assert crowned.champion.run_key == "better"


def test_endless_changes_are_given_up(crowned: Loop) -> None:
    late = crowned.decide("late", score=99, champion=None, cutoff=NEWER)
    registered = crowned.register(late)
    how = {"reason": "", "actor": "rival", "evidence": {}}

    def overtaken(decision: Decision, champion: Champion) -> Judgement:
        rival = registration(crowned.name, f"{champion.seq}")
        crowned.ledger.promote(rival, "digest", champion.seq, key=rival.run_key, **how)
        return rejudge(decision, champion)

    with pytest.raises(Unavailable, match="changed 10 times"):
        promote(registered, late, crowned.ledger, crowned.models, overtaken, actor="tester")


def test_a_judgement_of_another_champion_promotes_nobody(crowned: Loop) -> None:
    late = crowned.decide("late", score=0.8, champion=None, cutoff=NEWER)
    registered = crowned.register(late)

    with pytest.raises(IntegrityError, match="about champion seq None"):
        promote(
            *(registered, late, crowned.ledger, crowned.models, lambda decision, _: judgement_of(decision.model, None)),
            actor="tester",
        )
    assert crowned.champion.run_key == "first"


def test_a_ledger_that_forgot_the_champion_promotes_nobody(loop: Loop) -> None:
    decision = loop.decide("first")
    judgement = decision.judgement.model_copy(update={"champion_seq": 7})

    with pytest.raises(IntegrityError, match="champion seq 7"):
        loop.promote(decision.model_copy(update={"judgement": judgement}))
    assert loop.champion is None


# --- force, freeze, identity ----------------------------------------------------------------


@pytest.mark.parametrize("given", [{"cutoff": OLDER}, {"verdict": Verdict.REJECTED}], ids=["older", "rejected"])
def test_force_with_a_reason_overrides_the_gate(crowned: Loop, given: dict) -> None:
    promotion = crowned.promote(crowned.decide("second", **given), force=True, reason="incident 7")

    assert promotion.status is PromotionStatus.PROMOTED
    assert crowned.champion.run_key == "second"
    assert crowned.champion.reason == "incident 7"
    assert crowned.ledger.events(crowned.name, [EventKind.PROMOTED])[-1].payload["evidence"]["forced"] is True


@pytest.mark.parametrize("reason", ["", "   "])
def test_force_without_a_reason_is_refused(crowned: Loop, reason: str) -> None:
    with pytest.raises(BadInput, match="without a reason"):
        crowned.promote(crowned.decide("second"), force=True, reason=reason)
    assert crowned.champion.run_key == "first"


@pytest.mark.parametrize("how", [{}, {"force": True, "reason": "please"}], ids=["passed", "forced"])
def test_a_frozen_pipeline_keeps_its_champion(crowned: Loop, how: dict) -> None:
    crowned.ledger.append(crowned.name, EventKind.FROZEN, "1", {}, "tester")

    promotion = crowned.promote(crowned.decide("second", score=0.9, cutoff=NEWER), **how)

    assert promotion.status is PromotionStatus.FROZEN
    assert crowned.champion.run_key == "first"


@pytest.mark.parametrize("how", [{}, {"force": True, "reason": "please"}], ids=["passed", "forced"])
@pytest.mark.parametrize("same", ["files", "predictions"])
def test_an_identical_model_is_not_promoted_again(crowned: Loop, same: str, how: dict) -> None:
    twin, champion = crowned.decide("twin", score=0.9, cutoff=NEWER), crowned.champion
    if same == "files":
        model = twin.model.model_copy(update={"model_digest": champion.model.model_digest})
        twin = twin.model_copy(update={"model": model})
    else:
        twin = twin.model_copy(update={"prediction_digest": champion.prediction_digest})

    promotion = crowned.promote(twin, **how)

    assert promotion.status is PromotionStatus.NOT_PROMOTABLE
    assert "the same model as champion version 1" in promotion.sentence


# --- retries and impostors ------------------------------------------------------------------


def test_a_retry_finds_the_crown_and_mends_the_alias(crowned: Loop) -> None:
    decision = crowned.decide("first", champion=None)
    registered = crowned.register(decision)
    crowned.models.delete_alias(crowned.name, "champion")

    promotion = promote(registered, decision, crowned.ledger, crowned.models, rejudge, actor="tester")

    assert promotion.status is PromotionStatus.ALREADY_CHAMPION
    assert crowned.alias() == "1"
    assert crowned.kinds().count(EventKind.PROMOTED) == 1


def test_what_was_not_registered_is_not_promoted(crowned: Loop) -> None:
    decision = crowned.decide("second", score=0.9, cutoff=NEWER)
    impostor = crowned.register(decision).model_copy(update={"version": "1"})

    with pytest.raises(BadInput, match="register it first"):
        promote(impostor, decision, crowned.ledger, crowned.models, rejudge, actor="tester")


def test_a_registration_of_another_run_is_not_promoted(crowned: Loop) -> None:
    registered = crowned.register(crowned.decide("second", score=0.6, verdict=Verdict.PAST))
    other = crowned.decide("third", score=0.9, cutoff=NEWER)

    with pytest.raises(BadInput, match="register it first"):
        promote(registered, other, crowned.ledger, crowned.models, rejudge, actor="tester")


def test_a_deleted_version_is_not_crowned(crowned: Loop) -> None:
    decision = crowned.decide("second", score=0.9, cutoff=NEWER)
    registered = crowned.register(decision)
    crowned.models._client.delete_model_version(crowned.name, registered.version)

    with pytest.raises(BadInput, match="deleted from MLflow: register it again"):
        promote(registered, decision, crowned.ledger, crowned.models, rejudge, actor="tester")
    assert crowned.champion.run_key == "first"

    assert crowned.promote(decision).champion_version == "3"
