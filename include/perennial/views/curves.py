"""ROC and calibration of a candidate and of the champion on the same holdout rows, as points to draw.

Of a regression or of more classes than two there is no ROC, and calibration is that of ``Task.reliability``.

Computed from the predictions that the decision recorded, so that nothing is scored again and what is drawn is what
was judged.
"""

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from include.perennial.contracts import Contract, Decision
from include.perennial.gate.arrays import Floats, Labels
from include.perennial.gate.tasks import BINARY, REGRESSION, Multiclass, Task
from include.perennial.models import predictions
from include.perennial.models.predictions import HoldoutPredictions
from include.perennial.stores.objects import ObjectStore

_ROC_POINTS = 200
_BINS = 10

Points = tuple[tuple[float, float], ...]


class Curve(Contract):
    """``roc``: false and true positive rate; ``calibration``: mean prediction and mean label in ten equal bins."""

    name: str
    roc_auc: float | None
    roc: Points
    calibration: Points


class Curves(Contract):
    """Candidate and, where it scored the same rows, champion; on ``rows`` of the holdout."""

    rows: int
    candidate: Curve
    champion: Curve | None


def curves(decision: Decision, store: ObjectStore) -> Curves | None:
    """The curves of a decision; None if it keeps no predictions, or its labels or predictions allow no curve.

    Raises:
        IntegrityError: the recorded predictions are gone or changed.
        Unavailable: the store does not answer.
    """
    if decision.predictions is None:
        return None
    kept = predictions.from_parquet(store.get_bytes(decision.predictions.name, decision.predictions.sha256))
    both = np.ones(len(kept.y), dtype=bool) if kept.p_champion is None else predictions.champion_scored(kept.p_champion)
    y, p, task = kept.y[both], kept.p[both], _task(kept)
    if not task.is_judgeable(y) or not np.isfinite(p).all():
        return None
    version = decision.judgement.champion_version
    return Curves(
        rows=len(y),
        candidate=_curve(decision.winner, task, y, p),
        champion=None if kept.p_champion is None else _curve(f"champion v{version}", task, y, kept.p_champion[both]),
    )


def _task(kept: HoldoutPredictions) -> Task:
    """As far as the curves must know it: names of classes do not matter to them."""
    if kept.p.ndim > 1:
        return Multiclass(tuple(map(str, range(kept.p.shape[1]))))
    return REGRESSION if kept.y.dtype.kind == "f" else BINARY


def _curve(name: str, task: Task, y: Labels, p: Floats) -> Curve:
    came, said = task.reliability(y, p)
    bins = [part for part in np.array_split(np.argsort(said, kind="stable"), _BINS) if len(part)]
    means = (np.array([values[part].mean() for part in bins]) for values in (said, came))
    is_binary = task is BINARY
    return Curve(
        name=name,
        roc_auc=float(roc_auc_score(y, p)) if is_binary else None,
        roc=_roc(y, p) if is_binary else (),
        calibration=_points(*means),
    )


def _roc(y: Labels, p: Floats) -> Points:
    false_positives, true_positives, _ = roc_curve(y, p)
    # As many points as a screen can show; both ends stay.
    at = np.unique(np.linspace(0, len(false_positives) - 1, _ROC_POINTS).round().astype(int))
    return _points(false_positives[at], true_positives[at])


def _points(x: Floats, y: Floats) -> Points:
    return tuple((round(float(a), 5), round(float(b), 5)) for a, b in zip(x, y, strict=True))
