"""Whether a replay decides what the DAGs have decided: training runs over the same windows, in the real ledger."""

from collections.abc import Mapping

from include.perennial.contracts import Contract, Decision
from include.perennial.replay.records import Training, Walk
from include.perennial.stores.ledger import CROWNING_KINDS, EventKind, Ledger


class Agreement(Contract):
    """``same`` of ``compared`` training runs ended alike; ``differences`` has a sentence for each of the others."""

    policy: str
    compared: int
    same: int
    differences: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """One line for people."""
        if not self.compared:
            return f"The ledger has judged no training run of the replay's policy {self.policy}."
        return f"Of {self.compared} training runs that the ledger has judged too, {self.same} ended alike."


def agreement(walk: Walk, pipeline: str, ledger: Ledger) -> Agreement:
    """Hold the training runs of ``walk`` against the newest decisions in ``ledger`` over the same windows.

    A window is named by the bytes of its partitions. Winner, verdict, the champion that was challenged (by its
    cutoff) and the measured difference to it must be the same; a spec that was edited since may change them.

    Raises:
        Unavailable: the ledger does not answer.
    """
    cutoffs = {event.seq: str(event.payload["cutoff"]) for event in ledger.events(pipeline, CROWNING_KINDS)}
    judged = {
        decision.plan.window_digest: decision
        for decision in (Decision.model_validate(e.payload) for e in ledger.events(pipeline, [EventKind.JUDGED]))
    }
    pairs = [
        (tick.key, _of_replay(tick.training, tick.champion_cutoff), _of_ledger(decision, cutoffs))
        for tick in walk.ticks
        if tick.training and (decision := judged.get(tick.training.window_digest))
    ]
    differences = [
        f"{key}: replay {_words(mine)}, ledger {_words(theirs)}" for key, mine, theirs in pairs if mine != theirs
    ]
    return Agreement(
        policy=walk.policy, compared=len(pairs), same=len(pairs) - len(differences), differences=tuple(differences)
    )


_Facts = Mapping[str, str]


def _of_replay(training: Training, champion_cutoff: str | None) -> _Facts:
    return _facts(training.winner, training.verdict, champion_cutoff, training.delta)


def _of_ledger(decision: Decision, cutoffs: Mapping[int, str]) -> _Facts:
    judgement = decision.judgement
    champion = None if judgement.champion_seq is None else cutoffs.get(judgement.champion_seq)
    return _facts(decision.winner, judgement.verdict, champion, judgement.delta)


def _facts(winner: str, verdict: str, champion_cutoff: str | None, delta: float | None) -> _Facts:
    return {
        "winner": winner,
        "verdict": str(verdict),
        "champion's cutoff": champion_cutoff or "none",
        # Machines may differ in the last digits of a sum.
        "difference": "none" if delta is None else f"{delta:+.6f}",
    }


def _words(facts: _Facts) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items())
