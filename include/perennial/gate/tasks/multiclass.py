"""Three or more classes: one probability per row and class."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from include.perennial.gate.arrays import Baseline, Floats, Integers, Labels
from include.perennial.gate.ranks import rank_auc
from include.perennial.gate.tasks.task import Task
from include.perennial.spec import Plausibility
from include.perennial.spec.metrics import Metric, TaskKind

_SUM_TOLERANCE = 1e-6
_PREFIX = "p."


@dataclass(frozen=True)
class Multiclass(Task):
    """``y`` is the position of the label in ``classes``; ``p`` has shape ``(n, classes)``, each row adding up to 1.

    An estimator is fitted on the names, so that it knows its classes whatever their order in the spec is later.
    """

    classes: tuple[str, ...]

    kind = TaskKind.MULTICLASS
    label_type = np.int64
    sound_words = "probabilities that add up to 1"
    baseline_words = "the training shares of the classes"
    mean_words = "probability of the predicted class"
    strength_words = "mean ROC AUC"
    plausible = Metric.ROC_AUC
    use_words = "What it gives are probabilities; whether the likeliest is likely enough is for its user to decide."
    no_calibration = "the calibration error is of one probability per row, and there is one per class"
    no_estimate = "estimates without labels are made for two classes only"

    @property
    def label_words(self) -> str:  # type: ignore[override]
        """The classes."""
        return f"one of {', '.join(self.classes)}"

    def encode(self, target: "pd.Series[Any]") -> Floats:
        whole = pd.api.types.is_float_dtype(target) and not (target.dropna() % 1).any()
        names = (target.astype("Int64") if whole else target).astype(str)
        codes = pd.Index(self.classes).get_indexer(pd.Index(names)).astype(float)
        return np.where(codes < 0, np.nan, codes)

    def nothing_to_learn(self, y: Labels) -> str:
        found = np.unique(y)
        return f"all {len(y):,} training labels are {self.classes[int(found[0])]}" if len(found) < 2 else ""

    def is_judgeable(self, y: Labels) -> bool:
        return len(np.unique(y)) == len(self.classes)

    def label_counts(self, y: Labels) -> tuple[int, ...] | None:
        return tuple(int(n) for n in np.bincount(np.asarray(y, dtype=int), minlength=len(self.classes)))

    def targets(self, y: Labels) -> npt.NDArray[Any]:
        return np.asarray(self.classes)[np.asarray(y, dtype=int)]

    def baseline(self, y: Labels) -> Baseline:
        return tuple(float(n / len(y)) for n in self.label_counts(y) or ())

    def constant(self, baseline: Baseline, n: int) -> Floats:
        known = isinstance(baseline, tuple) and len(baseline) == len(self.classes)
        return np.tile(np.array(baseline if known else [math.nan] * len(self.classes), dtype=float), (n, 1))

    def estimator_problem(self, estimator: Any) -> str:
        if hasattr(estimator, "fit") and hasattr(estimator, "predict_proba"):
            return ""
        return "must have fit and predict_proba: a classifier that gives a probability for each class"

    def predict(self, model: Any, x: pd.DataFrame) -> Floats:
        known = [str(name) for name in model.classes_]
        if unknown := sorted(set(known) - set(self.classes)):
            raise ValueError(f"The model knows class {unknown[0]!r}: the spec has {', '.join(self.classes)}.")
        p = np.zeros((len(x), len(self.classes)))
        p[:, [self.classes.index(name) for name in known]] = model.predict_proba(x)
        return p

    def unsound(self, p: Floats) -> npt.NDArray[np.bool_]:
        in_range = ((p >= 0) & (p <= 1)).all(axis=1)
        return np.asarray(~(in_range & (np.abs(p.sum(axis=1) - 1) <= _SUM_TOLERANCE)))

    def shown(self, p: Floats) -> "pd.Series[Any]":
        return pd.Series(np.asarray(self.classes)[np.argmax(p, axis=1)], dtype=object)

    def mean_prediction(self, p: Floats) -> float:
        return float(np.max(p, axis=1).mean())

    def logged(self, p: Floats) -> Mapping[str, npt.NDArray[Any]]:
        of_classes = {f"{_PREFIX}{name}": np.asarray(p[:, n], dtype=np.float64) for n, name in enumerate(self.classes)}
        return {**of_classes, "class": self.shown(p).to_numpy()}

    def read_logged(self, rows: pd.DataFrame) -> Floats:
        return rows[[f"{_PREFIX}{name}" for name in self.classes]].to_numpy(dtype=float)

    def measure(self, metric: Metric, y: Labels, p: Floats, baseline: Baseline = math.nan) -> float:
        if not self.are_sound(p):
            return math.nan
        value = math.nan
        match metric:
            case Metric.ROC_AUC:
                value = self._mean_auc(y, p) if self.is_judgeable(y) else math.nan
            case Metric.LOG_LOSS:
                value = float(self.losses(metric, y, p).mean())
            case Metric.ACCURACY:
                value = float(1 - self.losses(metric, y, p).mean())
            case Metric.BALANCED_ACCURACY:
                value = float(np.mean([recall for recall, _ in self._hits(y, p) if math.isfinite(recall)]))
            case Metric.F1_MACRO:
                value = float(np.mean([f1 for _, f1 in self._hits(y, p) if math.isfinite(f1)]))
            case Metric.LOG_LOSS_SKILL:
                value = self._log_loss_skill(y, p, baseline)
        return value

    def losses(self, metric: Metric, y: Labels, p: Floats) -> Floats:
        if metric is Metric.ACCURACY:
            return np.asarray(np.argmax(p, axis=1) != y, dtype=float)
        eps = np.finfo(p.dtype).eps
        return np.asarray(-np.log(np.clip(p[np.arange(len(y)), np.asarray(y, dtype=int)], eps, 1 - eps)))

    def rankings(self, y: Labels, p: Floats) -> list[tuple[Integers, Floats]]:
        return [((y == n).astype(int), p[:, n]) for n in range(len(self.classes))]

    def _mean_auc(self, y: Labels, p: Floats) -> float:
        return float(np.mean([rank_auc(is_class, scores) for is_class, scores in self.rankings(y, p)]))

    def _log_loss_skill(self, y: Labels, p: Floats, baseline: Baseline) -> float:
        constant = self.constant(baseline, len(y))
        if not self.are_sound(constant):
            return math.nan
        trivial = float(self.losses(Metric.LOG_LOSS, y, constant).mean())
        return 1 - float(self.losses(Metric.LOG_LOSS, y, p).mean()) / trivial if trivial > 0 else math.nan

    def _hits(self, y: Labels, p: Floats) -> list[tuple[float, float]]:
        """Recall and F1 of each class; NaN for one that neither occurs nor, for F1, is predicted."""
        said = np.argmax(p, axis=1)
        found = []
        for n in range(len(self.classes)):
            hits, actual, predicted = ((said == n) & (y == n)).sum(), (y == n).sum(), (said == n).sum()
            recall = hits / actual if actual else math.nan
            found.append((float(recall), float(2 * hits / (actual + predicted)) if actual + predicted else math.nan))
        return found

    def further_values(self, y: Labels, p: Floats) -> dict[str, float]:
        return {}

    def skill(self, y: Labels, p: Floats) -> float:
        return self._mean_auc(y, p)

    def same_in_every_resample(self, y: Labels) -> Floats:
        """Certainty of the right class: accuracy and AUC 1, log loss 0, whatever is drawn."""
        return np.eye(len(self.classes))[np.asarray(y, dtype=int)]

    def reliability(self, y: Labels, p: Floats) -> tuple[Floats, Floats]:
        """Whether the likeliest class came, and how likely it was said to be."""
        return (np.argmax(p, axis=1) == y).astype(float), np.max(p, axis=1)

    def feature_score(self, y: Labels, values: npt.NDArray[Any]) -> float:
        aucs = [rank_auc((y == n).astype(int), values) for n in range(len(self.classes))]
        return float(np.mean([max(auc, 1 - auc) for auc in aucs]))

    def category_scores(self, groups: "pd.Series[Any]", y: Labels) -> float:
        learn = np.arange(len(y)) % 2 == 0
        scores = []
        for n in range(len(self.classes)):
            is_class = (y == n).astype(float)
            rates = pd.Series(is_class[learn]).groupby(groups[learn].to_numpy()).mean()
            values = groups[~learn].map(rates).fillna(is_class[learn].mean()).to_numpy()
            auc = rank_auc(is_class[~learn].astype(int), values)
            scores.append(max(auc, 1 - auc))
        return float(np.mean(scores))

    def limits(self, plausibility: Plausibility) -> tuple[float, float]:
        return plausibility.max_roc_auc or math.nan, plausibility.max_single_feature_auc or math.nan

    def purpose(self, target: str) -> str:
        return f"probability of each {target}: {', '.join(self.classes)} ({self.kind})"
