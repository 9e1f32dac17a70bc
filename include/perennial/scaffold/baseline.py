"""A quick fit over time, with the very features and candidates of the new folder.

What its first thresholds follow from.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from include.perennial.errors import DataError
from include.perennial.gate.tasks import Task, task_of
from include.perennial.models import estimators
from include.perennial.models.frames import Labelled
from include.perennial.models.metrics import measure_all
from include.perennial.models.plausibility import single_feature_auc
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.spec import LOWER_IS_BETTER, Metric

_MOST_ROUNDS = 4
_MOST_ROWS = 20_000


@dataclass(frozen=True)
class Round:
    """One holdout, trained on the window before it: the metrics of the better candidate on it.

    ``rarest_share`` is of the rarest class, of the ones where there are two; 1 where labels are no classes.
    """

    metrics: Mapping[str, float]
    single_feature: float
    rarest_share: float


@dataclass(frozen=True)
class Baseline:
    """Some rounds, newest first."""

    rounds: tuple[Round, ...]

    def lowest(self, metric: Metric) -> float:
        """The lowest value of ``metric`` in a round."""
        return min(one.metrics[metric] for one in self.rounds)

    def highest(self, metric: Metric) -> float:
        """The highest value of ``metric`` in a round."""
        return max(one.metrics[metric] for one in self.rounds)

    @property
    def strongest_feature(self) -> float:
        """How much one feature alone told at most."""
        return max(one.single_feature for one in self.rounds)


def baseline(pipeline: Pipeline, frame: pd.DataFrame) -> Baseline:
    """Fit the candidates of ``pipeline`` on each window of ``frame`` (labelled rows, sorted by time), newest first.

    Raises:
        DataError: no window has all classes, or numbers that differ, in its training rows and in its holdout.
    """
    data, window, task = pipeline.spec.data, pipeline.spec.window, task_of(pipeline.spec)
    keys = _keys(frame[data.time], pipeline)
    known = sorted(set(keys))
    rounds = []
    for last in range(len(known), window.partitions + window.holdout - 1, -window.holdout):
        first = last - window.partitions - window.holdout
        train = np.isin(keys, known[first : last - window.holdout])
        holdout = np.isin(keys, known[last - window.holdout : last])
        parts = [_labelled(frame[rows], data.target, pipeline.spec.seed, task) for rows in (train, holdout)]
        if all(task.is_judgeable(part.y) and not task.nothing_to_learn(part.y) for part in parts):
            rounds.append(_round(pipeline, *parts))
        if len(rounds) == _MOST_ROUNDS:
            break
    if not rounds:
        wanted = "labels that differ" if task.label_counts(np.zeros(1, int)) is None else "every class"
        raise DataError(
            f"No window of {window.partitions} {pipeline.spec.period}s and a holdout of {window.holdout} has {wanted} "
            "on both sides. To fix: choose a longer PERIOD, or take more data."
        )
    return Baseline(tuple(rounds))


def floor_to(value: float, step: float) -> float:
    """``value`` rounded down to a multiple of ``step``."""
    return round(math.floor(round(value / step, 6)) * step, 4)


def _round(pipeline: Pipeline, train: Labelled, holdout: Labelled) -> Round:
    measured, task, metric = [], task_of(pipeline.spec), pipeline.spec.selection_metric
    for name in pipeline.spec.candidates:
        model = estimators.build(pipeline, name, {}, seed=pipeline.spec.seed)
        estimators.fit(model, train, name, task)
        predicted = estimators.predict(model, holdout.x, name, task)
        measured.append(measure_all(holdout.y, predicted, task.baseline(train.y), task))
    alone = single_feature_auc(model, holdout.x, holdout.y, task)
    sign = -1 if metric in LOWER_IS_BETTER else 1
    best = max((one for one in measured if metric in one), key=lambda one: sign * one[metric], default=None)
    if best is None:
        raise DataError(
            f"{metric} is undefined for every candidate: a count needs predictions above zero. To fix: TASK=regression."
        )
    counts = task.label_counts(holdout.y)
    return Round(best, max(task.strength(score) for score in alone.values()), _rarest(counts, len(holdout)))


def _rarest(counts: tuple[int, ...] | None, rows: int) -> float:
    if counts is None:
        return 1.0
    return (counts[1] if len(counts) == 2 else min(counts)) / rows


def _keys(times: "pd.Series[pd.Timestamp]", pipeline: Pipeline) -> np.ndarray:
    hours = times.dt.floor("h")
    names = {hour: Partition.containing(hour.to_pydatetime(), pipeline.spec.period).key for hour in hours.unique()}
    return hours.map(names).to_numpy()


def _labelled(rows: pd.DataFrame, target: str, seed: int, task: Task) -> Labelled:
    rows = rows if len(rows) <= _MOST_ROWS else rows.sample(_MOST_ROWS, random_state=seed).sort_index()
    x = rows.drop(columns=target).reset_index(drop=True)
    return Labelled(x, task.encode(rows[target]).astype(task.label_type))
