import numpy as np
import pytest

from include.perennial.gate.evidence import Comparison


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"p_champion": np.full(10, 0.5)}, "p_champion has shape", id="champion of other rows"),
        pytest.param({"p_candidate": np.full(10, 0.5)}, "p_candidate has shape", id="candidate of other rows"),
        pytest.param({"clusters": np.arange(3)}, "clusters has shape", id="too few clusters"),
        pytest.param({"slices": {"carrier": ["AA"]}}, r"slices\['carrier'\] has shape", id="too few slice values"),
        pytest.param({"comparison": Comparison.RESCORED}, "expected p_champion", id="re-scored without predictions"),
        pytest.param({"comparison": Comparison.INCOMPARABLE}, "incomparable_reason", id="incomparable without reason"),
        pytest.param({"champion_version": "3"}, "exactly when there is a champion", id="first beside a champion"),
    ],
)
def test_evidence_that_contradicts_itself_is_refused(make_evidence, changes, message):
    with pytest.raises(ValueError, match=message):
        make_evidence(**changes)


@pytest.mark.parametrize("label", [2, -1, np.nan])
def test_labels_other_than_0_and_1_are_refused(make_evidence, world, label):
    y = world.y.astype(float)
    y[0] = label
    with pytest.raises(ValueError, match="other than 0 and 1"):
        make_evidence(y=y)
