"""Fisher's 150 flowers, as scikit-learn ships them. The whole table is delivered each week, as some systems do.

Nobody wrote down when a flower was measured: the moments are made up, six flowers a working day in seeded random
order from 2024-01-01, so that there are weeks to train and to judge on. After five weeks there are no flowers left.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_iris

from include.perennial.partitions import Partition

_FILE = "iris.csv"
_FIRST_DAY = pd.Timestamp("2024-01-01T09:00:00Z")
_A_DAY, _A_WEEK = 6, 30
_SEED = 1936


def deliver(partition: Partition, folder: Path) -> None:
    """Write the whole table to ``iris.csv``; the same bytes for every week."""
    data = load_iris(as_frame=True)
    names = [name.removesuffix(" (cm)").replace(" ", "_") + "_cm" for name in data.feature_names]
    table = data.data.set_axis(names, axis=1)
    order = np.random.default_rng(_SEED).permutation(len(table))
    days = order // _A_WEEK * 7 + order % _A_WEEK // _A_DAY
    moments = _FIRST_DAY + pd.to_timedelta(days, "D") + pd.to_timedelta(order % _A_DAY, "h")
    table.insert(0, "measured_at", moments.strftime("%Y-%m-%dT%H:%M:%SZ"))
    table.insert(1, "flower", np.arange(len(table)))
    table.assign(species=data.target_names[data.target]).to_csv(folder / _FILE, index=False, lineterminator="\n")


def assemble(partition: Partition, folder: Path) -> pd.DataFrame:
    """All flowers, as they were delivered; which of them are of the partition is not for a snapshot to say."""
    return pd.read_csv(folder / _FILE, index_col=False, parse_dates=["measured_at"])
