"""What a model does whatever its skill: sane numbers, the same after storage, fast and small enough."""

import time

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.gate.arrays import Floats
from include.perennial.gate.evidence import Behaviour
from include.perennial.gate.tasks import BINARY, Task

_ROUNDS = 3
_MAX_ROWS = 2000


def positive_probability(model: SklearnPipeline, x: pd.DataFrame) -> Floats:
    """Probability of class 1 for each row of ``x``, shape ``(n,)``."""
    return BINARY.predict(model, x)


def observe(
    fitted: SklearnPipeline, loaded: SklearnPipeline, x: pd.DataFrame, n_bytes: int, task: Task = BINARY
) -> Behaviour:
    """Hold ``loaded`` (read back from its file) against ``fitted`` on at most 2000 rows of ``x``.

    Latency is the best of three rounds: what the model costs, not what else the machine was doing.
    ``n_bytes`` is the size of all the model's files.
    """
    sample = x.iloc[:_MAX_ROWS]
    expected, seconds = task.predict(fitted, sample), []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        p = task.predict(loaded, sample)
        seconds.append(time.perf_counter() - start)
    return Behaviour(
        finite=task.are_sound(p),
        constant=bool((np.ptp(p, axis=0) == 0).all()),
        round_trip_max_abs_diff=float(np.abs(p - expected).max()),
        ms_per_1000_rows=min(seconds) * 1e6 / len(sample),
        megabytes=n_bytes / 1e6,
    )
