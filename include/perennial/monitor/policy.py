"""Decide: a series of measurements becomes at most one question for a retrain. Pure; nothing here measures.

Time is counted in partitions and in their calendar, never by the clock of the machine, so that a replay, a backfill
and a live schedule decide alike.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from include.perennial.contracts import Trigger
from include.perennial.errors import BadInput
from include.perennial.monitor.decision import Evidence, Outcome, PolicyState, Suppression, TriggerDecision
from include.perennial.monitor.measurement import LabelStatus, Measurement, MeasurementStatus, Signal
from include.perennial.partitions import Partition
from include.perennial.spec.monitor import Policy

_WEEK, _MONTH = dt.timedelta(days=7), dt.timedelta(days=30)
_NAMED_SIGNALS = 5


def decide(history: Sequence[Measurement], state: PolicyState, policy: Policy) -> TriggerDecision:
    """Evaluate the last of ``history``; the others are earlier measurements of the pipeline, in any order.

    Drift asks when ``policy.violations`` of the champion's last ``policy.of_last`` measured partitions violate, the
    latest among them; performance worse than expected asks at once. All else says when to hold back: partitions
    that the champion has trained on or that another champion predicted are no evidence, so that a retrain starts
    from a clean slate and its own effects cannot ask for the next.

    Raises:
        BadInput: ``history`` is empty.
    """
    if not history:
        raise BadInput("A policy needs at least one measurement to decide on: measure the partition first.")
    case = _Case(history[-1], history, state, policy)
    trigger = case.trigger()
    if trigger is None:
        return case.decision(Outcome.QUIET, None, None, case.why_quiet())
    for reason, applies, words in _RULES:
        if applies(case, trigger):
            return case.decision(Outcome.SUPPRESSED, trigger, reason, f"{case.found(trigger)} {words(case)}")
    return case.decision(Outcome.ASKED, trigger, None, f"{case.found(trigger)} A retrain is asked for.")


@dataclass(frozen=True)
class _Case:
    latest: Measurement
    history: Sequence[Measurement]
    state: PolicyState
    policy: Policy

    def trigger(self) -> Trigger | None:
        """What the latest partition violates of that which the policy asks on; labels speak louder than drift."""
        if self.latest.status is not MeasurementStatus.MEASURED:
            return None
        if self.latest.is_worse and Trigger.PERFORMANCE in self.policy.ask_on:
            return Trigger.PERFORMANCE
        return Trigger.DRIFT if self.latest.violations and Trigger.DRIFT in self.policy.ask_on else None

    def why_quiet(self) -> str:
        latest = self.latest
        if latest.status is not MeasurementStatus.MEASURED:
            return latest.sentence
        if not latest.violations and not latest.is_worse:
            return f"{latest.pipeline} {latest.key}: nothing is outside of what the champion's window lets expect."
        asked_on = " and ".join(self.policy.ask_on) or "nothing"
        return f"{self.found(Trigger.PERFORMANCE if latest.is_worse else Trigger.DRIFT)} The policy asks on {asked_on}."

    def violated(self) -> tuple[str, ...]:
        """Keys of the violated partitions among the last measured ones under this champion, oldest first."""
        own = {m.key: m for m in self.history if self._is_evidence(m)}
        recent = sorted(own)[-self.policy.of_last :]
        return tuple(key for key in recent if own[key].violations)

    def _is_evidence(self, measured: Measurement) -> bool:
        return (
            measured.status is MeasurementStatus.MEASURED
            and measured.key <= self.latest.key
            and measured.champion_seq == self.state.champion_seq
            and not self._was_trained_on(measured)
        )

    def _was_trained_on(self, measured: Measurement) -> bool:
        cutoff = self.state.champion_cutoff
        return cutoff is not None and measured.key <= cutoff

    # --- rules --------------------------------------------------------------------------------

    def champion_changed(self, _: Trigger) -> bool:
        return self.latest.champion_seq != self.state.champion_seq

    def own_effect(self, _: Trigger) -> bool:
        return self._was_trained_on(self.latest)

    def too_few(self, _: Trigger) -> bool:
        return self.state.newest_key is None or self.latest.key > self.state.newest_key

    def not_latest(self, _: Trigger) -> bool:
        if self.state.newest_key is None:
            return False
        lag = self.state.label_delay_periods
        if self.latest.labels is not LabelStatus.MATURED:
            lag += self.state.label_wait_periods  # it was measured when the wait was over, so later than the others
        return self.latest.key < self._partition(self.state.newest_key).shift(-lag).key

    def not_persistent(self, trigger: Trigger) -> bool:
        return trigger is Trigger.DRIFT and len(self.violated()) < self.policy.violations

    def cooling_down(self, _: Trigger) -> bool:
        last = max(self.state.asked_keys, default=None)
        if last is None:
            return False
        return self._partition(self.latest.key) <= self._partition(last).shift(self.policy.cooldown_periods)

    def asked_within(self, span: dt.timedelta) -> int:
        now = self._partition(self.latest.key).start_utc
        return sum(abs(now - self._partition(key).start_utc) < span for key in self.state.asked_keys)

    def _partition(self, key: str) -> Partition:
        return Partition.of_key(key, self.state.period)

    # --- words --------------------------------------------------------------------------------

    def found(self, trigger: Trigger) -> str:
        latest = self.latest
        over = ", ".join(_signal_words(signal) for signal in latest.violations[:_NAMED_SIGNALS])
        if trigger is Trigger.PERFORMANCE and latest.matured is not None:
            low, high = latest.matured.expected_interval
            worse = f"{latest.matured.metric} is {latest.matured.value:.3f}, expected {low:.3f} to {high:.3f}"
            return f"{latest.key}: {worse}{f'; also {over}' if over else ''}."
        return f"{latest.key}: {over or 'nothing'} over threshold."

    def decision(
        self, outcome: Outcome, trigger: Trigger | None, reason: Suppression | None, sentence: str
    ) -> TriggerDecision:
        return TriggerDecision(
            pipeline=self.latest.pipeline,
            key=self.latest.key,
            as_of=self.state.newest_key or self.latest.key,
            outcome=outcome,
            trigger=trigger,
            reason=reason,
            sentence=sentence,
            champion_seq=self.state.champion_seq,
            champion_version=self.latest.champion_version,
            evidence=self._evidence(trigger) if trigger else None,
        )

    def _evidence(self, trigger: Trigger) -> Evidence:
        matured = self.latest.matured if trigger is Trigger.PERFORMANCE else None
        over = self.latest.violations
        return Evidence(
            partitions=tuple(sorted({*self.violated(), self.latest.key})),
            signals=over[:_NAMED_SIGNALS],
            n_signals=len(over),
            metric=matured.metric.value if matured else None,
            value=matured.value if matured else None,
            expected_interval=matured.expected_interval if matured else None,
        )


def _signal_words(signal: Signal) -> str:
    return f"{signal.label} {signal.value:.3f} (threshold {signal.threshold:.3f})"


_Rule = tuple[Suppression, Callable[[_Case, Trigger], bool], Callable[[_Case], str]]

# In this order: first whether the evidence is about this moment and this champion, then whether a retrain may run.
_RULES: tuple[_Rule, ...] = (
    (
        Suppression.BACKFILLED_NOT_LATEST,
        _Case.not_latest,
        lambda case: f"Only the latest may ask, and {case.state.newest_key} has been published.",
    ),
    (
        Suppression.TOO_FEW_PARTITIONS,
        _Case.too_few,
        lambda case: "A retrain as of this partition has too few partitions before it to train on.",
    ),
    (
        Suppression.OWN_EFFECT,
        _Case.own_effect,
        lambda case: f"The champion has trained on partitions up to {case.state.champion_cutoff}, this one included.",
    ),
    (
        Suppression.CHAMPION_CHANGED,
        _Case.champion_changed,
        lambda case: "The champion has changed since: this says nothing about the one in place.",
    ),
    (
        Suppression.NOT_PERSISTENT,
        _Case.not_persistent,
        lambda case: (
            f"{len(case.violated())} of the champion's last {case.policy.of_last} partitions violated; "
            f"{case.policy.violations} are needed."
        ),
    ),
    (
        Suppression.FROZEN,
        lambda case, _: case.state.frozen,
        lambda case: "The pipeline is frozen: a retrain could not be promoted.",
    ),
    (
        Suppression.IN_FLIGHT,
        lambda case, _: case.state.in_flight,
        lambda case: "A training run is under way already.",
    ),
    (
        Suppression.SAME_EVIDENCE_REJECTED,
        lambda case, _: case.state.rejected_on_same_data,
        lambda case: "A retrain on this data was judged and did not beat the champion: new data must come first.",
    ),
    (
        Suppression.COOLDOWN,
        _Case.cooling_down,
        lambda case: (
            f"A retrain was asked for at {max(case.state.asked_keys)}; "
            f"the next may be asked for {case.policy.cooldown_periods + 1} partitions later."
        ),
    ),
    (
        Suppression.WEEKLY_BUDGET,
        lambda case, _: case.asked_within(_WEEK) >= case.policy.max_per_week,
        lambda case: f"{case.asked_within(_WEEK)} retrains were asked for in seven days; the budget is used up.",
    ),
    (
        Suppression.MONTHLY_BUDGET,
        lambda case, _: case.asked_within(_MONTH) >= case.policy.max_per_month,
        lambda case: f"{case.asked_within(_MONTH)} retrains were asked for in thirty days; the budget is used up.",
    ),
)
