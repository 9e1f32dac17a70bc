"""Predictions of a holdout, kept so that a later rival is held against exactly what was judged.

A Parquet file: ``partition``, ``y``, ``p`` (the judged candidate; ``p.0``, ``p.1`` … with more classes than two),
``p_champion`` likewise where the champion scored the row, and ``row.<column>`` for the pipeline's key, cluster and
slice columns. What else was seen of the candidate is in the file's metadata. Of two models with one cutoff, each
refitted on the holdout, only these predictions were made on rows that the model had not seen.
"""

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from include.perennial.digests import bytes_sha256
from include.perennial.gate.arrays import Baseline, Floats, Integers, Labels
from include.perennial.gate.evidence import Behaviour
from include.perennial.spec import PipelineSpec

_PREFIX = "row."
_FACTS = b"perennial.facts"


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a candidate beside its predictions; see ``gate.evidence.Evidence``."""

    training_rate: Baseline
    behaviour: Behaviour
    single_feature_auc: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class HoldoutPredictions:
    """One entry per holdout row, in the order of the partitions.

    ``partition`` is the key of each row's partition; ``rows`` has the key, cluster and slice columns;
    ``p_champion`` is NaN where the champion did not score.
    """

    partition: npt.NDArray[np.str_]
    rows: pd.DataFrame
    y: Labels
    p: Floats
    facts: Facts
    p_champion: Floats | None = None

    @property
    def digest(self) -> str:
        """Hex SHA-256 of rows, labels and the candidate's predictions: equal predictions give equal digests."""
        hasher = hashlib.sha256()
        hasher.update(self.rows.assign(partition=self.partition).to_csv(index=False, lineterminator="\n").encode())
        hasher.update(self.y.astype("<i8" if self.y.dtype.kind in "iu" else "<f8").tobytes())
        hasher.update(self.p.astype("<f8").tobytes())
        return hasher.hexdigest()

    def clusters(self, columns: tuple[str, ...]) -> Integers:
        """Integer code of each row's combination of values."""
        return self.rows.groupby(list(columns), dropna=False, sort=False).ngroup().to_numpy()

    def identities(self, key: tuple[str, ...]) -> pd.MultiIndex:
        """Partition and key columns of each row, as text, so that types of two files need not agree."""
        return pd.MultiIndex.from_frame(self.rows[list(key)].astype(str).assign(partition=self.partition))


def object_key(pipeline: str, run_key: str, data: bytes) -> str:
    """Where ``data`` of a training run goes in the object store.

    Named by content too: two processes that judge the same run never overwrite what the other has recorded.
    """
    return f"predictions/{pipeline}/{run_key}/{bytes_sha256(data)[:16]}.parquet"


def kept_columns(spec: PipelineSpec) -> list[str]:
    """Key, cluster and slice columns of a spec, each once, in the order of its declaration."""
    slices = spec.gate.slices.columns if spec.gate.slices else ()
    used = {*spec.data.key, *spec.gate.compare.cluster, *slices}
    return [column for column in spec.data.columns if column in used]


def to_parquet(predictions: HoldoutPredictions) -> bytes:
    """The file's bytes."""
    columns = {
        "partition": predictions.partition.astype(object),
        "y": predictions.y,
        **_columns("p", predictions.p),
        **{f"{_PREFIX}{name}": values for name, values in predictions.rows.items()},
    }
    if predictions.p_champion is not None:
        columns |= _columns("p_champion", predictions.p_champion)
    table = pa.Table.from_pandas(pd.DataFrame(columns), preserve_index=False)
    facts = json.dumps(dataclasses.asdict(predictions.facts))
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({_FACTS: facts}), buffer, compression="zstd")
    return buffer.getvalue()


def from_parquet(data: bytes) -> HoldoutPredictions:
    """The predictions in bytes that ``to_parquet`` made and whose SHA-256 was checked."""
    table = pq.read_table(io.BytesIO(data))
    frame = table.to_pandas()
    facts = json.loads(table.schema.metadata[_FACTS])
    rows = [name for name in frame.columns if name.startswith(_PREFIX)]
    return HoldoutPredictions(
        partition=frame["partition"].to_numpy(dtype=str),
        rows=frame[rows].rename(columns=lambda name: name.removeprefix(_PREFIX)),
        y=frame["y"].to_numpy(),
        p=_values(frame, "p"),
        facts=Facts(
            training_rate=_baseline(facts["training_rate"]),
            behaviour=Behaviour(**facts["behaviour"]),
            single_feature_auc=facts["single_feature_auc"],
        ),
        p_champion=_values(frame, "p_champion") if {"p_champion", "p_champion.0"} & set(frame) else None,
    )


def champion_scored(p_champion: Floats) -> npt.NDArray[np.bool_]:
    """Rows that the champion scored, shape ``(n,)``."""
    return np.asarray(~np.isnan(p_champion.reshape(len(p_champion), -1)).any(axis=1))


def _columns(name: str, p: Floats) -> dict[str, Floats]:
    return {name: p} if p.ndim == 1 else {f"{name}.{n}": p[:, n] for n in range(p.shape[1])}


def _values(frame: pd.DataFrame, name: str) -> Floats:
    if name in frame:
        return frame[name].to_numpy()
    n_classes = sum(column.startswith(f"{name}.") for column in map(str, frame))
    return np.column_stack([frame[f"{name}.{n}"].to_numpy() for n in range(n_classes)])


def _baseline(stored: float | list[float]) -> Baseline:
    return tuple(stored) if isinstance(stored, list) else stored
