"""When measurements ask for a retrain, and what holds them back."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.perennial.contracts import Trigger
from include.perennial.errors import BadInput
from include.perennial.monitor.decision import Outcome, PolicyState, Suppression, TriggerDecision
from include.perennial.monitor.measurement import Measurement, MeasurementStatus
from include.perennial.monitor.policy import decide
from include.perennial.partitions import Partition, Period
from include.perennial.spec.monitor import Policy
from tests.unit.monitor.measurements import CHAMPION_SEQ, WEEKS, measured, signal

OVER = 0.2
POLICY = Policy()  # drift in 2 of the last 3, cooldown of 2, one a week, two a month


def state(newest: int, **changes: Any) -> PolicyState:
    """The champion has seen weeks up to 7; ``newest`` is the newest published one."""
    fields = {"champion_seq": CHAMPION_SEQ, "champion_cutoff": WEEKS[7], "period": Period.WEEK}
    return PolicyState(**{**fields, "newest_key": WEEKS[newest], **changes})


def test_two_drifted_weeks_in_a_row_ask_for_a_retrain() -> None:
    decision = decide([measured(8), measured(9, drift=OVER), measured(10, drift=OVER)], state(10), POLICY)

    assert decision.outcome is Outcome.ASKED
    assert decision.trigger is Trigger.DRIFT
    assert decision.as_of == WEEKS[10]
    assert decision.evidence is not None
    assert decision.evidence.partitions == (WEEKS[9], WEEKS[10])
    assert "feature hour 0.200 (threshold 0.100)" in decision.sentence


def test_performance_below_what_the_window_lets_expect_asks_at_once() -> None:
    decision = decide([measured(8, auc=0.60)], state(8), POLICY)

    assert (decision.outcome, decision.trigger) == (Outcome.ASKED, Trigger.PERFORMANCE)
    assert decision.evidence is not None
    assert decision.evidence.value == 0.60
    assert decision.evidence.expected_interval == (0.65, 0.75)
    assert "roc_auc is 0.600, expected 0.650 to 0.750" in decision.sentence


@pytest.mark.parametrize("newest", [WEEKS[9], None])
def test_a_partition_with_too_few_before_it_to_train_on_asks_for_nothing(newest: str | None) -> None:
    history = [measured(9, drift=OVER), measured(10, drift=OVER)]

    decision = decide(history, state(10, newest_key=newest), POLICY)

    assert (decision.outcome, decision.reason) == (Outcome.SUPPRESSED, Suppression.TOO_FEW_PARTITIONS)
    assert "too few partitions" in decision.sentence


def test_labels_speak_louder_than_drift() -> None:
    decision = decide([measured(8, drift=OVER, auc=0.60)], state(8), POLICY)

    assert decision.trigger is Trigger.PERFORMANCE
    assert "also feature hour" in decision.sentence


@pytest.mark.parametrize(
    ("history", "words"),
    [
        pytest.param([measured(8)], "nothing is outside", id="nothing over"),
        pytest.param([measured(8, auc=0.90)], "nothing is outside", id="better than expected"),
        pytest.param([measured(8, drift=0.1)], "nothing is outside", id="at the threshold"),
        pytest.param([measured(9, drift=OVER), measured(10)], "nothing is outside", id="latest is fine"),
        pytest.param([measured(8, signals=(signal(OVER, counts=False),))], "nothing", id="shown only"),
        pytest.param([measured(8, signals=(), auc=None)], "nothing", id="nothing could be compared"),
        pytest.param(
            [measured(8, drift=OVER, status=MeasurementStatus.TOO_FEW_ROWS)], "too_few_rows", id="tiny partition"
        ),
        pytest.param([measured(8, champion_seq=None, status=MeasurementStatus.NO_CHAMPION)], "no_champion", id="none"),
    ],
)
def test_what_asks_for_nothing_is_quiet(history: list[Measurement], words: str) -> None:
    decision = decide(history, state(10), POLICY)

    assert (decision.outcome, decision.trigger, decision.reason) == (Outcome.QUIET, None, None)
    assert decision.evidence is None
    assert words in decision.sentence


@pytest.mark.parametrize(
    ("ask_on", "asked"),
    [
        pytest.param(("drift",), Trigger.DRIFT, id="drift only"),
        pytest.param(("performance",), Trigger.PERFORMANCE, id="performance only"),
        pytest.param((), None, id="never"),
    ],
)
def test_the_spec_says_what_is_asked_on(ask_on: tuple, asked: Trigger | None) -> None:
    history = [measured(9, drift=OVER, auc=0.6), measured(10, drift=OVER, auc=0.6)]

    decision = decide(history, state(10), Policy(ask_on=ask_on))

    assert decision.trigger is asked
    assert decision.outcome is (Outcome.ASKED if asked else Outcome.QUIET)


PERSISTENT = [measured(9, drift=OVER), measured(10, drift=OVER)]
SUPPRESSED = [
    pytest.param([measured(10, drift=OVER)], state(10), Suppression.NOT_PERSISTENT, id="one of three"),
    pytest.param(
        [measured(7, drift=OVER), measured(8), measured(9), measured(10, drift=OVER)],
        state(10, champion_cutoff=WEEKS[6]),
        Suppression.NOT_PERSISTENT,
        id="the other one is too old",
    ),
    pytest.param(
        [measured(9, drift=OVER, champion_seq=5), measured(10, drift=OVER)],
        state(10),
        Suppression.NOT_PERSISTENT,
        id="the other one is of another champion",
    ),
    pytest.param(
        [measured(9, drift=OVER), measured(10, drift=OVER)],
        state(10, champion_cutoff=WEEKS[9]),
        Suppression.NOT_PERSISTENT,
        id="the champion has trained on the other one",
    ),
    pytest.param(
        [measured(9, drift=OVER, status=MeasurementStatus.TOO_FEW_ROWS), measured(10, drift=OVER)],
        state(10),
        Suppression.NOT_PERSISTENT,
        id="the other one was too small",
    ),
    pytest.param(
        PERSISTENT, state(10, champion_cutoff=WEEKS[10]), Suppression.OWN_EFFECT, id="the champion has trained on it"
    ),
    pytest.param(
        PERSISTENT, state(10, champion_seq=11), Suppression.CHAMPION_CHANGED, id="champion changed while measuring"
    ),
    pytest.param(PERSISTENT, state(11), Suppression.BACKFILLED_NOT_LATEST, id="a newer partition exists"),
    pytest.param(
        [measured(10, auc=0.6)], state(11), Suppression.BACKFILLED_NOT_LATEST, id="bad performance of an old week"
    ),
    pytest.param(PERSISTENT, state(10, frozen=True), Suppression.FROZEN, id="frozen"),
    pytest.param(PERSISTENT, state(10, in_flight=True), Suppression.IN_FLIGHT, id="a training run is under way"),
    pytest.param(
        PERSISTENT, state(10, rejected_on_same_data=True), Suppression.SAME_EVIDENCE_REJECTED, id="rejected before"
    ),
    pytest.param(PERSISTENT, state(10, asked_keys=(WEEKS[8],)), Suppression.COOLDOWN, id="two weeks after an ask"),
    pytest.param(PERSISTENT, state(10, asked_keys=(WEEKS[10],)), Suppression.COOLDOWN, id="asked at this very week"),
    pytest.param(
        PERSISTENT,
        state(10, asked_keys=(WEEKS[6], WEEKS[7])),
        Suppression.MONTHLY_BUDGET,
        id="two asked for in thirty days",
    ),
]


@pytest.mark.parametrize(("history", "given_state", "reason"), SUPPRESSED)
def test_a_violation_is_suppressed(history: list[Measurement], given_state: PolicyState, reason: Suppression) -> None:
    decision = decide(history, given_state, POLICY)

    assert (decision.outcome, decision.reason) == (Outcome.SUPPRESSED, reason)
    assert decision.trigger is not None
    assert decision.evidence is not None


@pytest.mark.parametrize(
    ("asked", "outcome"),
    [
        pytest.param((WEEKS[7],), Outcome.ASKED, id="third week after an ask"),
        pytest.param((WEEKS[1], WEEKS[7]), Outcome.ASKED, id="one of two in thirty days"),
    ],
)
def test_after_the_cooldown_it_may_ask_again(asked: tuple[str, ...], outcome: Outcome) -> None:
    assert decide(PERSISTENT, state(10, asked_keys=asked), POLICY).outcome is outcome


def test_daily_partitions_keep_a_weekly_budget() -> None:
    days = [Partition.of_key("2013-03-01", Period.DAY).shift(n).key for n in range(9)]
    latest = measured(8, auc=0.6).model_copy(update={"key": days[6]})
    policy = Policy(cooldown_periods=0)

    def after(asked: str) -> TriggerDecision:
        fields = {"period": Period.DAY, "newest_key": days[6], "champion_cutoff": None, "asked_keys": (asked,)}
        return decide([latest], state(0, **fields), policy)

    assert after(days[0]).reason is Suppression.WEEKLY_BUDGET
    assert after("2013-02-28").outcome is Outcome.ASKED


def test_with_late_labels_the_newest_labelled_partition_is_the_latest() -> None:
    late = {"label_delay_periods": 3, "label_wait_periods": 1}

    assert decide([measured(10, auc=0.6)], state(13, **late), POLICY).outcome is Outcome.ASKED
    assert decide([measured(9, auc=0.6)], state(13, **late), POLICY).reason is Suppression.BACKFILLED_NOT_LATEST


def test_labels_that_never_come_leave_drift_to_ask_when_the_wait_is_over() -> None:
    history = [measured(9, drift=OVER, auc=None), measured(10, drift=OVER, auc=None)]

    decision = decide(history, state(14, label_delay_periods=3, label_wait_periods=1), POLICY)

    assert (decision.outcome, decision.as_of) == (Outcome.ASKED, WEEKS[14])


def test_a_partition_measured_again_counts_once_and_as_last_seen() -> None:
    again = [measured(9, drift=OVER), measured(9), measured(10, drift=OVER)]

    assert decide(again, state(10), POLICY).reason is Suppression.NOT_PERSISTENT


def test_evidence_names_five_signals_and_counts_the_rest() -> None:
    many = tuple(signal(0.2 + n / 10, name=f"column_{n}") for n in range(9))

    decision = decide([measured(8, signals=many)], state(8), Policy(violations=1))

    assert decision.evidence is not None
    assert [s.name for s in decision.evidence.signals] == [f"column_{n}" for n in (8, 7, 6, 5, 4)]
    assert decision.evidence.n_signals == 9


def test_deciding_on_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match="at least one measurement"):
        decide([], state(8), POLICY)


weeks = st.lists(st.tuples(st.booleans(), st.sampled_from([0.6, 0.7])), min_size=1, max_size=44)


@given(weeks)
def test_a_year_never_asks_more_often_than_its_budget(year: list[tuple[bool, float]]) -> None:
    asked: tuple[str, ...] = ()
    history: list[Measurement] = []
    for week, (drifts, auc) in enumerate(year, start=8):
        history.append(measured(week, drift=OVER if drifts else 0.0, auc=auc))
        decision = decide(history, state(week, asked_keys=asked), POLICY)
        if decision.outcome is Outcome.ASKED:
            asked = (*asked, decision.key)

    starts = [Partition.of_key(key, Period.WEEK) for key in asked]
    gaps = [(later.start_utc - earlier.start_utc).days for earlier, later in pairwise(starts)]
    assert all(gap > 7 * POLICY.cooldown_periods for gap in gaps)
    assert all(days >= 30 for days in map(sum, pairwise(gaps)))


@given(weeks, st.randoms())
def test_earlier_measurements_may_come_in_any_order(year: list[tuple[bool, float]], random: Any) -> None:
    history = [measured(week, drift=OVER if d else 0.0, auc=auc) for week, (d, auc) in enumerate(year, start=8)]
    *earlier, latest = history
    newest = state(7 + len(history))

    shuffled = random.sample(earlier, len(earlier))

    assert decide([*shuffled, latest], newest, POLICY) == decide(history, newest, POLICY)
