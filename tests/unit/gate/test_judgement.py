import dataclasses

import numpy as np
import pytest

from include.perennial.contracts import CheckStatus, Judgement, Verdict
from include.perennial.digests import canonical_json
from include.perennial.errors import BadInput
from include.perennial.gate.evidence import Comparison
from include.perennial.gate.judgement import judge, judge_refit

GONE = {"comparison": Comparison.INCOMPARABLE, "incomparable_reason": "its stored model has other columns"}
LEAK = {"single_feature_auc": {"arr_time": 0.99}}
TWIN = {"model_digest": "a", "champion_model_digest": "a"}


def test_a_sound_first_model_passes_and_says_that_it_is_the_first(make_gate, make_evidence):
    judgement = judge(make_gate(), make_evidence())
    assert judgement.verdict is Verdict.PASSED
    assert judgement.sentence.startswith("First model: ROC AUC 0.800 on 4,000 unseen rows")
    assert judgement.champion_version is None
    assert judgement.delta is None


def test_a_first_model_below_its_floor_is_rejected(make_gate, make_evidence):
    judgement = judge(make_gate(first_floors={"roc_auc": 0.9}), make_evidence())
    assert judgement.verdict is Verdict.REJECTED
    assert judgement.sentence == "Rejected: ROC AUC 0.800 is below the required 0.900."


def test_a_candidate_not_worse_than_the_champion_passes(make_gate, make_evidence, world):
    judgement = judge(make_gate(), make_evidence(p_champion=world.model(0.5, seed=2)))
    assert judgement.verdict is Verdict.PASSED
    assert judgement.sentence.startswith("Passed: ROC AUC 0.800 on 4,000 unseen rows is not worse than champion v3's")
    assert (judgement.champion_seq, judgement.champion_version) == (7, "3")
    assert judgement.delta_interval[0] < judgement.delta < judgement.delta_interval[1]


def test_a_worse_candidate_is_rejected_with_its_numbers(make_gate, make_evidence, world):
    judgement = judge(make_gate(), make_evidence(p_candidate=world.model(0.9), p_champion=world.model(0.3)))
    assert judgement.verdict is Verdict.REJECTED
    assert "is worse than champion v3's" in judgement.sentence
    assert "95 % interval −" in judgement.sentence
    assert judgement.delta < 0


def test_a_tie_with_a_rival_is_not_promoted(make_gate, make_evidence, world):
    # Another level, the same order: not identical, and the same ROC AUC.
    p = world.model(0.5)
    rival = make_evidence(p_candidate=p * 0.99, p_champion=p, comparison=Comparison.RIVAL)
    judgement = judge(make_gate(), rival)
    assert judgement.delta == 0
    assert judgement.verdict is Verdict.REJECTED
    assert "is not better than the rival champion v3" in judgement.sentence


def test_a_rival_better_by_point_estimate_passes(make_gate, make_evidence, world):
    better = make_evidence(p_champion=world.model(0.5, seed=2), comparison=Comparison.RIVAL)
    worse = make_evidence(
        p_candidate=world.model(0.5, seed=2), p_champion=world.model(0.5), comparison=Comparison.RIVAL
    )
    assert judge(make_gate(), better).verdict is Verdict.PASSED
    assert judge(make_gate(), worse).verdict is Verdict.REJECTED


def test_a_slice_that_regresses_rejects_a_candidate_that_is_better_on_average(make_gate, make_evidence, world):
    carrier = np.array(["AA", "DL", "UA", "WN"])[np.arange(len(world.y)) % 4]
    p = np.where(carrier == "DL", world.model(3.0), world.model(0.1))
    gate = make_gate(slices={"columns": ["carrier"], "min_rows": 200, "max_regression": 0.05})
    judgement = judge(gate, make_evidence(p_candidate=p, p_champion=world.model(1.0), slices={"carrier": carrier}))
    assert judgement.delta > 0
    assert judgement.verdict is Verdict.REJECTED
    assert "where carrier is DL" in judgement.sentence


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        pytest.param(TWIN, Verdict.IDENTICAL, id="identical"),
        pytest.param(TWIN | GONE, Verdict.IDENTICAL, id="identical before incomparable"),
        pytest.param(TWIN | {"comparison": Comparison.PAST}, Verdict.IDENTICAL, id="identical before past"),
        pytest.param(TWIN | LEAK, Verdict.REJECTED, id="a leak before identical"),
        pytest.param(GONE, Verdict.INCOMPARABLE, id="incomparable"),
        pytest.param(GONE | LEAK, Verdict.REJECTED, id="a leak before incomparable"),
        pytest.param({"p_champion": np.full(4000, np.nan)}, Verdict.INCOMPARABLE, id="broken champion"),
        pytest.param({"comparison": Comparison.PAST}, Verdict.PAST, id="past"),
        pytest.param({"comparison": Comparison.PAST} | LEAK, Verdict.REJECTED, id="a leak before past"),
        pytest.param({"clusters": np.zeros(4000, int)}, Verdict.REJECTED, id="single cluster"),
        pytest.param({"p_candidate": np.full(4000, np.nan)}, Verdict.REJECTED, id="nan predictions"),
        pytest.param({"p_candidate": np.full(4000, 0.35)}, Verdict.REJECTED, id="constant predictions"),
        pytest.param({"y": np.zeros(4000, int)}, Verdict.REJECTED, id="no positives"),
        pytest.param({"y": np.ones(4000, int)}, Verdict.REJECTED, id="no negatives"),
        pytest.param({}, Verdict.PASSED, id="sound"),
    ],
)
def test_the_first_verdict_that_applies_wins(make_gate, make_evidence, world, changes, verdict):
    judgement = judge(make_gate(), make_evidence(**{"p_champion": world.model(0.6)} | changes))
    assert judgement.verdict is verdict


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param(TWIN, "Identical: the candidate is champion v3 again", id="identical"),
        pytest.param(GONE, "Incomparable with champion v3, which stays: its stored model has", id="incomparable"),
        pytest.param({"comparison": Comparison.PAST}, "Past: champion v3 has trained on data as new", id="past"),
    ],
)
def test_a_verdict_without_comparison_says_why(make_gate, make_evidence, world, changes, sentence):
    assert judge(make_gate(), make_evidence(p_champion=world.model(0.6), **changes)).sentence.startswith(sentence)


def test_several_failures_are_all_named(make_gate, make_evidence):
    judgement = judge(make_gate(min_rows=5000, behaviour={"max_megabytes": 0.5}), make_evidence())
    assert judgement.sentence == (
        "Rejected: number of unseen rows 4,000 is below the required 5,000. Failed checks: rows, behaviour.size."
    )


@pytest.mark.parametrize("empty", ["floors", "first_floors"])
def test_an_empty_gate_is_refused(make_gate, make_evidence, empty):
    with pytest.raises(ValueError, match="at least 1 item"):
        make_gate(**{empty: {}})
    with pytest.raises(BadInput, match="The gate is empty"):
        judge(make_gate().model_copy(update={empty: {}}), make_evidence())


def test_the_same_evidence_and_seed_give_the_same_judgement(make_gate, make_evidence, world):
    evidence = make_evidence(p_champion=world.model(0.6))
    assert judge(make_gate(), evidence, seed=3) == judge(make_gate(), evidence, seed=3)


@pytest.mark.parametrize(
    "changes",
    [{}, {"p_candidate": np.full(4000, np.nan)}, {"training_rate": 0.0}, {"y": np.zeros(4000, int)}],
    ids=["sound", "nan predictions", "no training rate", "one class"],
)
def test_a_judgement_survives_json(make_gate, make_evidence, world, changes):
    judgement = judge(make_gate(), make_evidence(**{"p_champion": world.model(0.6)} | changes))
    assert Judgement.model_validate_json(canonical_json(judgement.model_dump(mode="json"))) == judgement


def test_hostile_names_cannot_swell_the_record(make_gate, make_evidence, world):
    values = np.array(["x" * 5000 + str(i) for i in range(20)])[np.arange(len(world.y)) % 20]
    gate = make_gate(slices={"columns": ["carrier"], "min_rows": 10, "max_regression": 0.0})
    evidence = make_evidence(
        p_candidate=world.model(2.0),
        p_champion=world.model(0.1),
        champion_version="9" * 5000,
        slices={"carrier": values},
        single_feature_auc={"f" * 5000: 0.99},
    )
    judgement = judge(gate, evidence)
    assert max(len(text) for text in [judgement.sentence, *(check.message for check in judgement.checks)]) <= 2000
    assert max(len(check.name) for check in judgement.checks) <= 200


def test_a_refit_that_behaves_keeps_the_verdict_and_adds_its_checks(make_gate, make_evidence, sound):
    judgement = judge(make_gate(), make_evidence())
    refit = judge_refit(judgement, make_gate(), sound)
    assert (refit.verdict, refit.sentence) == (judgement.verdict, judgement.sentence)
    assert [check.name for check in refit.checks[len(judgement.checks) :]] == [
        "refit.finite",
        "refit.not_constant",
        "refit.round_trip",
        "refit.latency",
        "refit.size",
    ]


@pytest.mark.parametrize("changes", [{}, {"comparison": Comparison.PAST}], ids=["passed", "past"])
def test_a_refit_that_misbehaves_is_rejected(make_gate, make_evidence, sound, changes):
    judgement = judge(make_gate(), make_evidence(**changes))
    refit = judge_refit(judgement, make_gate(), dataclasses.replace(sound, constant=True))
    assert refit.verdict is Verdict.REJECTED
    assert refit.sentence == "Rejected after the refit: every row gets the same prediction."
    assert refit.checks[-4].status is CheckStatus.FAILED


def test_a_refit_cannot_mend_or_rename_another_verdict(make_gate, make_evidence, sound):
    judgement = judge(make_gate(), make_evidence(**GONE))
    refit = judge_refit(judgement, make_gate(), dataclasses.replace(sound, constant=True))
    assert (refit.verdict, refit.sentence) == (judgement.verdict, judgement.sentence)
