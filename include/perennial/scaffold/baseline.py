"""A quick fit over time, with the very features and candidates of the new folder.

What its first thresholds follow from.
"""

import math
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
from include.perennial.spec import Metric, TaskKind

_MOST_ROUNDS = 4
_MOST_ROWS = 20_000


SCORE = {TaskKind.BINARY: Metric.ROC_AUC, TaskKind.REGRESSION: Metric.R2}
SKILL = {TaskKind.BINARY: Metric.LOG_LOSS_SKILL, TaskKind.REGRESSION: Metric.MSE_SKILL}


@dataclass(frozen=True)
class Round:
    """One holdout, trained on the window before it: the metrics of the better candidate on it.

    ``score`` is the ROC AUC or R²; ``rmse`` is that of a regression; ``rate`` the share of ones, or the mean.
    """

    score: float
    skill: float
    single_feature: float
    rate: float
    rmse: float = math.nan


@dataclass(frozen=True)
class Baseline:
    """Some rounds, newest first."""

    rounds: tuple[Round, ...]

    @property
    def worst_score(self) -> float:
        """The lowest score of a round."""
        return min(one.score for one in self.rounds)

    @property
    def best_score(self) -> float:
        """The highest score of a round."""
        return max(one.score for one in self.rounds)

    @property
    def worst_skill(self) -> float:
        """The lowest skill of a round."""
        return min(one.skill for one in self.rounds)

    @property
    def strongest_feature(self) -> float:
        """The highest ROC AUC, or rank correlation, of one feature alone."""
        return max(one.single_feature for one in self.rounds)

    @property
    def rmse(self) -> float:
        """The mean RMSE of a regression."""
        return sum(one.rmse for one in self.rounds) / len(self.rounds)


def baseline(pipeline: Pipeline, frame: pd.DataFrame) -> Baseline:
    """Fit the candidates of ``pipeline`` on each window of ``frame`` (labelled rows, sorted by time), newest first.

    Raises:
        DataError: no window has different outcomes in its training rows and in its holdout.
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
        if all(task.is_judgeable(part.y) and np.ptp(part.y) > 0 for part in parts):
            rounds.append(_round(pipeline, *parts))
        if len(rounds) == _MOST_ROUNDS:
            break
    if not rounds:
        raise DataError(
            f"No window of {window.partitions} {pipeline.spec.period}s and a holdout of {window.holdout} has "
            "different outcomes on both sides. To fix: choose a longer PERIOD, or take more data."
        )
    return Baseline(tuple(rounds))


def floor_to(value: float, step: float) -> float:
    """``value`` rounded down to a multiple of ``step``."""
    return round(math.floor(round(value / step, 6)) * step, 4)


def _round(pipeline: Pipeline, train: Labelled, holdout: Labelled) -> Round:
    task = task_of(pipeline.spec)
    measured = []
    for name in pipeline.spec.candidates:
        model = estimators.build(pipeline, name, {}, seed=pipeline.spec.seed)
        estimators.fit(model, train, name, task)
        p = estimators.predict(model, holdout.x, name, task)
        metrics = measure_all(holdout.y, p, task.baseline(train.y), task)
        measured.append((metrics[SKILL[task.kind]], metrics[SCORE[task.kind]], metrics.get(Metric.RMSE, math.nan)))
    alone = single_feature_auc(model, holdout.x, holdout.y, task)
    skill, score, rmse = max(measured)
    return Round(score, skill, max(map(task.strength, alone.values())), holdout.rate, rmse)


def _keys(times: "pd.Series[pd.Timestamp]", pipeline: Pipeline) -> np.ndarray:
    hours = times.dt.floor("h")
    names = {hour: Partition.containing(hour.to_pydatetime(), pipeline.spec.period).key for hour in hours.unique()}
    return hours.map(names).to_numpy()


def _labelled(rows: pd.DataFrame, target: str, seed: int, task: Task) -> Labelled:
    rows = rows if len(rows) <= _MOST_ROWS else rows.sample(_MOST_ROWS, random_state=seed).sort_index()
    return Labelled(rows.drop(columns=target).reset_index(drop=True), rows[target].to_numpy(dtype=task.label_type))
