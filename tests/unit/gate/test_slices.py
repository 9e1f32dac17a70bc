import numpy as np
import pytest

from include.perennial.contracts import CheckStatus
from include.perennial.gate.slices import MAX_SLICES, slice_checks

CARRIERS = ["AA", "B6", "DL", "UA"]
SLICES = {"columns": ["carrier"], "min_rows": 200, "max_regression": 0.05}


@pytest.fixture
def carrier(world):
    return np.array(CARRIERS)[np.arange(len(world.y)) % len(CARRIERS)]


def by_name(checks):
    return {check.name: check for check in checks}


def test_no_slices_in_the_spec_are_no_checks(make_gate, make_evidence):
    assert slice_checks(make_gate(), make_evidence(), seed=0) == ()


def test_a_regression_hidden_by_the_average_fails_in_its_slice_alone(make_gate, make_evidence, world, carrier):
    p = np.where(carrier == "DL", world.model(3.0), world.model(0.2))
    evidence = make_evidence(p_candidate=p, p_champion=world.model(0.6), slices={"carrier": carrier})
    checks = by_name(slice_checks(make_gate(slices=SLICES), evidence, seed=0))
    assert [name for name, check in checks.items() if check.status is CheckStatus.FAILED] == ["slice.carrier=DL"]
    assert set(checks) == {f"slice.carrier={carrier}" for carrier in CARRIERS}
    assert checks["slice.carrier=DL"].threshold == -0.05
    assert "where carrier is DL against champion v3's" in checks["slice.carrier=DL"].message


def test_a_sure_but_allowed_regression_passes(make_gate, make_evidence, world, carrier):
    p = np.where(carrier == "DL", world.model(3.0), world.model(0.2))
    evidence = make_evidence(p_candidate=p, p_champion=world.model(0.6), slices={"carrier": carrier})
    checks = by_name(slice_checks(make_gate(slices={**SLICES, "max_regression": 0.5}), evidence, seed=0))
    assert checks["slice.carrier=DL"].interval[1] < 0
    assert checks["slice.carrier=DL"].status is CheckStatus.PASSED


def test_a_regression_that_luck_explains_passes(make_gate, make_evidence, world):
    groups = (np.arange(len(world.y)) % 50).astype(str)
    evidence = make_evidence(
        p_candidate=world.model(0.5), p_champion=world.model(0.5, seed=2), slices={"carrier": groups}
    )
    gate = make_gate(slices={**SLICES, "min_rows": 40, "max_regression": 0.0})
    checks = slice_checks(gate, evidence, seed=0)
    assert sum(check.interval is not None and check.value < check.champion for check in checks) > 20
    assert not [check for check in checks if check.status is CheckStatus.FAILED]


def test_more_slices_need_stronger_evidence_each(make_gate, make_evidence, world, carrier):
    evidence = make_evidence(
        p_champion=world.model(0.6), slices={"carrier": carrier, "hour": (np.arange(len(world.y)) // 4 % 7).astype(str)}
    )
    few = by_name(slice_checks(make_gate(slices=SLICES), evidence, seed=0))["slice.carrier=AA"]
    many = by_name(slice_checks(make_gate(slices={**SLICES, "columns": ["carrier", "hour"]}), evidence, seed=0))
    wide = many["slice.carrier=AA"]
    assert wide.interval[0] < few.interval[0] < few.interval[1] < wide.interval[1]
    assert "98.75 % interval" in few.message


@pytest.mark.parametrize("why", ["rows", "classes", "clusters"])
def test_a_slice_too_small_to_judge_is_reported_and_does_not_block(make_gate, make_evidence, world, carrier, why):
    y, clusters, values = world.y.copy(), world.clusters.copy(), carrier.copy()
    match why:
        case "rows":
            values[::100] = "HA"
        case "classes":
            values[::10], y[::10] = "HA", 0
        case "clusters":
            values[:400], clusters[:400] = "HA", np.arange(400) % 4
    evidence = make_evidence(y=y, clusters=clusters, p_champion=world.model(0.6), slices={"carrier": values})
    checks = by_name(slice_checks(make_gate(slices=SLICES), evidence, seed=0))
    assert "slice.carrier=HA" not in checks
    assert checks["slices.carrier"].status is CheckStatus.INFO
    assert checks["slices.carrier"].message.startswith("1 of 5 groups not judged")
    assert checks["slices.carrier"].message.endswith("HA")


def test_a_slice_with_positives_in_one_cluster_is_too_small_to_judge(make_gate, make_evidence, world, carrier):
    y = np.where((carrier == "AA") & (world.clusters > 0), 0, world.y)
    evidence = make_evidence(y=y, p_champion=world.model(0.6), slices={"carrier": carrier})
    check = by_name(slice_checks(make_gate(slices=SLICES), evidence, seed=0))["slice.carrier=AA"]
    assert check.status is CheckStatus.INFO
    assert check.interval is None


def test_without_a_champion_slices_inform(make_gate, make_evidence, carrier):
    checks = slice_checks(make_gate(slices=SLICES), make_evidence(slices={"carrier": carrier}), seed=0)
    assert {check.status for check in checks} == {CheckStatus.INFO}
    assert all(check.value is not None for check in checks)


def test_a_slice_column_without_values_fails(make_gate, make_evidence, world):
    (check,) = slice_checks(make_gate(slices=SLICES), make_evidence(p_champion=world.model(0.6)), seed=0)
    assert check.status is CheckStatus.FAILED
    assert "carrier" in check.message


def test_unusable_predictions_fail(make_gate, make_evidence, world, carrier):
    evidence = make_evidence(p_candidate=np.full_like(world.score, np.nan), slices={"carrier": carrier})
    (check,) = slice_checks(make_gate(slices=SLICES), evidence, seed=0)
    assert check.status is CheckStatus.FAILED


def test_too_many_slices_fail_with_a_remedy(make_gate, make_evidence, world):
    tails = (np.arange(len(world.y)) % (MAX_SLICES + 1)).astype(str)
    evidence = make_evidence(p_champion=world.model(0.6), slices={"tail": tails})
    (check,) = slice_checks(make_gate(slices={**SLICES, "columns": ["tail"], "min_rows": 1}), evidence, seed=0)
    assert check.status is CheckStatus.FAILED
    assert "raise gate.slices.min_rows" in check.message


def test_values_that_are_not_text_are_slices_too(make_gate, make_evidence, world):
    mixed = np.array([None, 7, "AA", True], dtype=object)[np.arange(len(world.y)) % 4]
    checks = slice_checks(make_gate(slices=SLICES), make_evidence(slices={"carrier": mixed}), seed=0)
    assert {check.name for check in checks} == {f"slice.carrier={value}" for value in ("None", "7", "AA", "True")}
