"""The champion's training window as the monitor needs it: a seeded sample, predicted by models that had not seen it.

A model's predictions of its own training rows are bolder than those of new rows, and look like prediction drift
once new rows come. The window is therefore split into three runs of partitions; a copy of the champion is fitted
on two of them and predicts the third (Stone 1974, cross-validation; in blocks, since neighbouring weeks are alike).
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.isotonic import IsotonicRegression
from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.errors import BadInput
from include.perennial.gate.arrays import Floats, Integers, Labels
from include.perennial.gate.tasks import task_of
from include.perennial.models import estimators
from include.perennial.models.frames import Labelled
from include.perennial.models.plots import permutation_importance
from include.perennial.models.weights import Weigh, own_weights
from include.perennial.monitor.cells import Cells, category_cells, number_cells
from include.perennial.partitions import Partition, Period
from include.perennial.spec import ColumnType, PipelineSpec

MIN_PARTITIONS = 3
"""Of fewer partitions nobody can say how much they differ by chance."""
SLOTS = 7
"""Parts of a partition in which blocks may begin: the days of a week."""
_FOLDS = 3


@dataclass(frozen=True)
class Window:
    """Sampled rows of the window, partition by partition, and what was learned from all of its rows.

    ``x``, ``y``, ``p``     sampled rows, labels and predictions of a model that had not seen the row
    ``slot``                part of the window in which each row falls: ``SLOTS`` to each partition
    ``rows``, ``metric_values``  row count and compared metric of each partition, from all of its rows
    ``knots_p``, ``knots_rate``  isotonic line from predictions to observed rates, for estimates without labels;
                            empty where the task has none
    ``importance``          share of the model's importance of each column, 0 to 1
    ``cells``               of each compared column
    """

    keys: tuple[str, ...]
    x: pd.DataFrame
    y: Labels
    p: Floats
    slot: Integers
    rows: tuple[int, ...]
    metric_values: tuple[float, ...]
    knots_p: tuple[float, ...]
    knots_rate: tuple[float, ...]
    importance: dict[str, float]
    cells: tuple[Cells, ...]


def build_window(
    spec: PipelineSpec,
    model: SklearnPipeline,
    keys: Sequence[str],
    partitions: Sequence[Labelled],
    weigh: Weigh = own_weights,
) -> Window:
    """The window of a champion.

    Args:
        model: the champion; only unfitted copies of it are used.
        keys, partitions: all partitions that the champion was trained on, oldest first.
        weigh: sample weights of training rows.

    Raises:
        BadInput: there are fewer than ``MIN_PARTITIONS`` partitions, or the model cannot be fitted to a part of them.
    """
    if len(keys) < MIN_PARTITIONS:
        raise BadInput(
            f"{spec.name}: thresholds of drift need {MIN_PARTITIONS} training partitions and the champion has "
            f"{len(keys)}. Raise window.partitions."
        )
    task = task_of(spec)
    p, importance = _cross_fitted(spec, model, partitions, weigh)
    chosen = [sample_rows(spec, key, len(rows)) for key, rows in zip(keys, partitions, strict=True)]
    x = [part.x.iloc[rows] for part, rows in zip(partitions, chosen, strict=True)]
    everything = np.concatenate([part.y for part in partitions]), np.concatenate(p)
    knots_p, knots_rate = ((), ()) if task.no_estimate else _isotonic(*everything)
    metric = spec.gate.compare.metric
    return Window(
        keys=tuple(keys),
        x=pd.concat(x, ignore_index=True),
        y=np.concatenate([part.y[rows] for part, rows in zip(partitions, chosen, strict=True)]),
        p=np.concatenate([values[rows] for values, rows in zip(p, chosen, strict=True)]),
        slot=np.concatenate(
            [n * SLOTS + slots(spec, key, part) for n, (key, part) in enumerate(zip(keys, x, strict=True))]
        ),
        rows=tuple(len(part) for part in partitions),
        metric_values=tuple(task.measure(metric, part.y, values) for part, values in zip(partitions, p, strict=True)),
        knots_p=knots_p,
        knots_rate=knots_rate,
        importance=importance,
        cells=_cells(spec, [part.x for part in partitions], x),
    )


def sample_rows(spec: PipelineSpec, key: str, rows: int) -> Integers:
    """Positions of the compared rows of a partition: the same for the same spec and key, at most ``sample_rows``."""
    n = spec.monitor.drift.sample_rows
    if rows <= n:
        return np.arange(rows)
    random = np.random.default_rng([spec.seed, int(re.sub(r"\D", "", key))])
    return np.sort(random.choice(rows, n, replace=False))


def slots(spec: PipelineSpec, key: str, x: pd.DataFrame) -> Integers:
    """Part of the partition in which each row falls, 0 to ``SLOTS - 1``."""
    partition = Partition.of_key(key, Period(spec.period))
    passed = (x[spec.data.time] - pd.Timestamp(partition.start_utc)) / partition.length
    return np.clip(np.nan_to_num(passed.to_numpy(dtype=float)) * SLOTS, 0, SLOTS - 1).astype(int)


def _cross_fitted(
    spec: PipelineSpec, model: SklearnPipeline, partitions: Sequence[Labelled], weigh: Weigh
) -> tuple[list[Floats], dict[str, float]]:
    """Predictions of each partition, and each column's share of the importance, summed over the folds."""
    task = task_of(spec)
    predicted: list[Floats] = []
    falls: Counter[str] = Counter()
    for fold in np.array_split(np.arange(len(partitions)), _FOLDS):
        held_out = [int(n) for n in fold]
        copy = clone(model)
        rest = _joined([part for n, part in enumerate(partitions) if n not in held_out])
        estimators.fit(copy, rest, "champion", task, weigh(rest))
        predicted += [estimators.predict(copy, partitions[n].x, "champion", task) for n in held_out]
        unseen = _joined([partitions[n] for n in held_out])
        falls.update(permutation_importance(copy, unseen.x, unseen.y, seed=spec.seed, task=task))
    return predicted, _shares(falls)


def _joined(partitions: Sequence[Labelled]) -> Labelled:
    weights = [part.weights for part in partitions if part.weights is not None]
    return Labelled(
        pd.concat([part.x for part in partitions], ignore_index=True),
        np.concatenate([part.y for part in partitions]),
        np.repeat(np.arange(len(partitions)), [len(part) for part in partitions]),
        np.concatenate(weights) if weights else None,
    )


def _shares(falls: Mapping[str, float]) -> dict[str, float]:
    positive = {name: max(fall, 0.0) for name, fall in falls.items()}
    total = sum(positive.values()) or 1.0
    return {name: round(fall / total, 6) for name, fall in positive.items()}


def _isotonic(y: Labels, p: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    line = IsotonicRegression(out_of_bounds="clip").fit(p, y)
    return tuple(map(float, line.X_thresholds_)), tuple(map(float, line.y_thresholds_))


def _cells(
    spec: PipelineSpec, partitions: Sequence[pd.DataFrame], sampled: Sequence[pd.DataFrame]
) -> tuple[Cells, ...]:
    found = (_cells_of(name, kind, partitions, sampled) for name, kind in _compared(spec).items())
    return tuple(cells for cells in found if cells)


def _compared(spec: PipelineSpec) -> dict[str, ColumnType]:
    """Columns that can be compared at all: moments and days are new in every partition."""
    never = {ColumnType.TIMESTAMP, ColumnType.DATE}
    return {n: kind for n, kind in spec.data.columns.items() if kind not in never and n not in spec.data.withheld}


def _cells_of(
    name: str, kind: ColumnType, partitions: Sequence[pd.DataFrame], sampled: Sequence[pd.DataFrame]
) -> Cells | None:
    if kind is ColumnType.STRING:
        return category_cells(name, [x[name] for x in partitions])
    return number_cells(name, pd.concat([x[name] for x in sampled]).to_numpy(dtype=float))
