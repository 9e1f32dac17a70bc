"""A small world for the gate: unseen rows in clusters, and models of chosen skill."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from include.perennial.gate.evidence import Behaviour, Comparison, Evidence
from include.perennial.spec import Gate

ROWS, CLUSTERS = 4000, 40
SOUND = Behaviour(finite=True, constant=False, round_trip_max_abs_diff=0.0, ms_per_1000_rows=5.0, megabytes=1.0)
GATE: dict[str, Any] = {
    "min_rows": 500,
    "min_positives": 50,
    "floors": {"roc_auc": 0.6},
    "first_floors": {"roc_auc": 0.65},
    "compare": {"metric": "roc_auc", "margin": 0.03, "cluster": ["day"], "resamples": 400},
    "behaviour": {"max_ms_per_1000_rows": 100.0, "max_megabytes": 10.0},
    "plausibility": {"max_roc_auc": 0.95, "max_single_feature_auc": 0.9},
}


@pytest.fixture(scope="session")
def sound() -> Behaviour:
    """Facts about a model file that behaves."""
    return SOUND


@dataclass(frozen=True)
class World:
    """Labels, the cluster of each row, and the best possible score."""

    y: np.ndarray
    clusters: np.ndarray
    score: np.ndarray

    def model(self, noise: float, seed: int = 1) -> np.ndarray:
        """Probabilities of a model: less noise is a better model."""
        blurred = self.score + noise * np.random.default_rng(seed).normal(size=len(self.y))
        return 1 / (1 + np.exp(-(blurred / (1 + noise**2) - 0.8)))


@pytest.fixture(scope="session")
def world() -> World:
    rng = np.random.default_rng(2013)
    score = 1.5 * rng.normal(size=ROWS)
    y = (rng.random(ROWS) < 1 / (1 + np.exp(-(score - 0.8)))).astype(int)
    return World(y, np.repeat(np.arange(CLUSTERS), ROWS // CLUSTERS), score)


@pytest.fixture(scope="session")
def make_gate() -> Callable[..., Gate]:
    """A gate with sections replaced; a dict changes only the keys it names."""

    def make(**changes: Any) -> Gate:
        merged = {**GATE, **changes}
        for section in ("compare", "behaviour", "plausibility"):
            merged[section] = {**GATE[section], **changes.get(section, {})}
        return Gate.model_validate(merged, strict=False)

    return make


@pytest.fixture(scope="session")
def make_evidence(world: World) -> Callable[..., Evidence]:
    """A sound first model; with ``p_champion`` a sound candidate beside champion v3."""

    def make(**changes: Any) -> Evidence:
        facts: dict[str, Any] = {
            "y": world.y,
            "p_candidate": world.model(0.5),
            "clusters": world.clusters,
            "training_rate": 0.35,
            "behaviour": SOUND,
            "single_feature_auc": {"hour": 0.62},
            "comparison": Comparison.RESCORED if "p_champion" in changes else Comparison.FIRST,
        }
        facts |= changes
        if facts["comparison"] is not Comparison.FIRST:
            facts = {"champion_seq": 7, "champion_version": "3", **facts}
        return Evidence(**facts)

    return make
