"""What the model server told about rows of a partition stands in for what scoring the partition said of them.

The monitor watches what was acted on. A row that was delivered otherwise than it was asked for (a value corrected
later, a column that the caller fills differently) gets another prediction in the two places; how far they lie apart is
measured too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from include.perennial.gate.evidence import Floats
from include.perennial.gate.tasks import BINARY, Task


@dataclass(frozen=True)
class AsAnswered:
    """``p`` (a row each) as it was told, of which ``rows`` online; ``gap`` is the largest difference among them."""

    p: Floats
    rows: int
    gap: float | None


def as_answered(
    scored: pd.DataFrame, online: pd.DataFrame, version: str, names: Sequence[str], task: Task = BINARY
) -> AsAnswered:
    """``scored`` of one version with what it answered ``online`` in the place of what it says of the delivered rows.

    Args:
        scored: the predictions of a partition, in the order wanted.
        online: what the model server has answered about rows of the partition, as the prediction log has it.
        version: the model version; what others answered is left out, and what was asked of it in shadow.
        names: the time and key columns, which name a row. Of a row asked for many times the last answer counts.
    """
    p = task.read_logged(scored)
    mine = online[(online["model_version"] == version) & ~online["shadow"].astype(bool)]
    if mine.empty:
        return AsAnswered(p, 0, None)
    last = mine.sort_values("scored_at", kind="stable").drop_duplicates(list(names), keep="last")
    said = [name for name in task.logged(p) if name != "class"]
    told = task.read_logged(scored[list(names)].merge(last[[*names, *said]], how="left", on=list(names)))
    is_told = ~np.isnan(told.reshape(len(told), -1)).any(axis=1)
    gap = float(np.abs(told - p)[is_told].max()) if is_told.any() else None
    both = p.copy()
    both[is_told] = told[is_told]
    return AsAnswered(both, int(is_told.sum()), gap)
