"""Worlds in which the truth about drift is known: a simulated pipeline, and weeks of the example in random order.

Used by ``benchmarks.drift_table`` and by the tests of ``include.perennial.monitor``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.models.frames import Labelled
from include.perennial.monitor.measure import ChampionFacts, ScoredPartition
from include.perennial.partitions import Partition, Period
from include.perennial.spec import PipelineSpec

FIRST = Partition.of_key("2013-01-07", Period.WEEK)
CHAMPION = ChampionFacts(version="1", seq=1, cutoff=FIRST.key)
SPEC: dict[str, Any] = {
    "name": "simulated",
    "title": "Simulated",
    "description": "Rows of a day share their luck, and days of a storm theirs.",
    "owner": "benchmarks",
    "period": "week",
    "schedule": {"ingest": "0 4 * * 1", "train": "0 6 * * 1", "start": "2013-01-07"},
    "source": {"kind": "files", "path": "{key}.csv", "format": "csv"},
    "data": {
        "time": "at",
        "key": ["at", "row"],
        "target": "label",
        "quarantine_quota": 0.1,
        "columns": {
            "at": "timestamp",
            "row": "integer",
            "day": "string",
            "weather": "float",
            "load": "float",
            "noise": "float",
            "place": "string",
            "maker": "string",
            "label": "integer",
        },
    },
    "window": {"partitions": 8},
    "candidates": {"logistic": {"estimator": "sklearn.linear_model.LogisticRegression"}},
    "gate": {
        "min_rows": 100,
        "min_positives": 20,
        "floors": {"roc_auc": 0.5},
        "first_floors": {"roc_auc": 0.5},
        "compare": {"metric": "roc_auc", "margin": 0.05, "cluster": ["day"], "resamples": 200},
        "slices": {"columns": ["place"], "min_rows": 100, "max_regression": 0.3},
        "behaviour": {"max_ms_per_1000_rows": 10000, "max_megabytes": 10},
        "plausibility": {"max_roc_auc": 0.99, "max_single_feature_auc": 0.99},
    },
    "seed": 7,
}
_PLACES, _MAKERS = np.array(["a", "b", "c"]), np.array([f"m{n}" for n in range(40)])
_STORM_DAYS = 0.6


class Columns(TransformerMixin, BaseEstimator):
    """Numbers as they are with 0 where missing, places one by one; makers are no use to anybody."""

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:
        """Learn nothing."""
        self.fitted_ = True
        return self

    def transform(self, X: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Matrix of shape ``(rows, 6)``."""
        numbers = [X[name].fillna(0).to_numpy(dtype=float) for name in ("weather", "load", "noise")]
        return np.column_stack([*numbers, *((X["place"] == place).to_numpy(dtype=float) for place in _PLACES)])


def simulated_spec(**drift: Any) -> PipelineSpec:
    """The spec of the simulated pipeline; ``drift`` sets values of ``monitor.drift``."""
    return PipelineSpec.model_validate({**SPEC, "monitor": {"drift": drift}}, strict=False)


def simulated_model() -> SklearnPipeline:
    """An unfitted champion of the simulated pipeline."""
    return SklearnPipeline([("features", Columns()), ("model", LogisticRegression())])


def simulated_weeks(n: int, seed: int, rows: int = 2500) -> list[Labelled]:
    """``n`` consecutive weeks of one stationary world: weather keeps its mood for days, and delays come with it."""
    random = np.random.default_rng(seed)
    moods = _moods(random, n * 7)
    return [_week(random, FIRST.shift(k), moods[k * 7 : k * 7 + 7], rows) for k in range(n)]


def key_of(week: Labelled) -> str:
    """The partition key of a week by its earliest row."""
    return Partition.containing(week.x.iloc[:, 0].min().to_pydatetime(), Period.WEEK).key


def joined(weeks: Sequence[Labelled]) -> Labelled:
    """Several weeks as one."""
    return Labelled(
        pd.concat([week.x for week in weeks], ignore_index=True), np.concatenate([week.y for week in weeks])
    )


def scored(model: SklearnPipeline, key: str, week: Labelled) -> ScoredPartition:
    """The week with the model's predictions and its labels."""
    return ScoredPartition(key, "simulated", week.x, model.predict_proba(week.x)[:, 1], week.y)


@dataclass(frozen=True)
class Shift:
    """A change of known size: what is done to a week's rows before the champion scores them."""

    name: str
    apply: Callable[[Labelled, np.random.Generator], Labelled]


def added(column: str, amount: float, unit: str = "") -> Shift:
    """``amount`` more in every row of a number."""
    return Shift(f"{column} {amount:+g}{unit}", lambda week, _: _with(week, column, week.x[column] + amount))


def replaced(column: str, value: object, share: float) -> Shift:
    """``value`` in a share of the rows; None empties them."""

    def apply(week: Labelled, random: np.random.Generator) -> Labelled:
        hit = random.random(len(week)) < share
        return _with(week, column, week.x[column].where(~hit, np.nan if value is None else value))

    what = "missing" if value is None else f"set to {value}"
    return Shift(f"{column} {what} in {share:.0%}", apply)


def flipped(share: float) -> Shift:
    """The label is another coin in a share of the rows: the features mean less, and look the same."""

    def apply(week: Labelled, random: np.random.Generator) -> Labelled:
        hit = random.random(len(week)) < share
        return Labelled(week.x, np.where(hit, random.permutation(week.y), week.y))

    return Shift(f"labels at random in {share:.0%}", apply)


UNCHANGED = Shift("nothing changed", lambda week, _: week)


def _with(week: Labelled, column: str, values: "pd.Series[Any]") -> Labelled:
    return replace(week, x=week.x.assign(**{column: values}))


def _moods(random: np.random.Generator, days: int) -> npt.NDArray[np.float64]:
    mood = np.empty(days)
    mood[0] = random.normal()
    for day in range(1, days):
        mood[day] = _STORM_DAYS * mood[day - 1] + np.sqrt(1 - _STORM_DAYS**2) * random.normal()
    return mood


def _week(random: np.random.Generator, partition: Partition, moods: npt.NDArray[np.float64], rows: int) -> Labelled:
    rows = int(rows * np.exp(0.05 * random.normal()))
    day = np.sort(random.integers(0, 7, rows))
    weather = moods[day] + 0.5 * random.normal(size=rows)
    load = random.normal(size=rows)
    place = random.choice(3, rows, p=[0.5, 0.3, 0.2])
    logit = 0.9 * weather + 0.7 * load + 0.6 * (place - 0.7) - 1.3 + 0.5 * random.normal(size=7)[day]
    start = pd.Timestamp(partition.start_utc)
    x = pd.DataFrame(
        {
            "at": start + pd.to_timedelta(day * 24 + random.integers(0, 24, rows), "h"),
            "row": np.arange(rows),
            "day": [f"{partition.key}+{n}" for n in day],
            "weather": weather,
            "load": load,
            "noise": np.where(random.random(rows) < 0.1, np.nan, random.normal(size=rows)),
            "place": _PLACES[place],
            "maker": _MAKERS[np.minimum(random.geometric(0.1, rows), 40) - 1],
        }
    )
    return Labelled(x, (random.random(rows) < 1 / (1 + np.exp(-logit))).astype(int))
