"""From checks to one verdict and one human sentence."""

from include.perennial.contracts import Judgement
from include.perennial.gate.evidence import Behaviour, Evidence
from include.perennial.spec import Gate


def judge(gate: Gate, evidence: Evidence, *, seed: int = 0) -> Judgement:
    """Hold the evidence against the gate. Deterministic for a given ``seed``."""
    raise NotImplementedError


def judge_refit(judgement: Judgement, gate: Gate, behaviour: Behaviour) -> Judgement:
    """Repeat the behaviour checks on the refitted model; a failure turns the verdict into REJECTED."""
    raise NotImplementedError
