"""The prediction log: what each model said of each row, one Parquet file per partition and model version.

``predictions-log/<pipeline>/<key>/v<version>.parquet`` in the object store has the time and key columns of the rows,
and beside them:

==================  ================================================================================
``p``               probability of class 1
``class``           1 where ``p`` is at least one half, else 0
``prediction``      of a regression, instead of both: the number
``p.<class>``       of more classes than two, instead of ``p``: the probability of each; ``class`` is the likeliest
``model_version``   MLflow's version, as text
``dataset_sha256``  of the partition's bytes that were scored
``scored_at``       UTC moment, the same for all rows of a file
``shadow``          True for a challenger, whose predictions nobody acted on
==================  ================================================================================

Writing what the log holds already changes nothing. A partition that came again with other bytes is scored again,
and its file replaced: the model and both versions of the data are kept elsewhere, so the older one can be made again.

What the model server has answered has the same columns and stands apart, below ``online/<key>/``: a file per flush,
added and never replaced. ``dataset_sha256`` is empty there, since rows of a request are of no partition's bytes yet,
``scored_at`` is of each answer, and one file may hold several versions. A row may be asked for many times.
"""

import contextlib
import datetime as dt
import io
import math
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from include.perennial.blocks import Blocks, of_parquet
from include.perennial.contracts import FileRecord
from include.perennial.digests import file_sha256
from include.perennial.errors import IntegrityError
from include.perennial.gate.evidence import Floats
from include.perennial.gate.tasks import BINARY, Task
from include.perennial.messages import first_line
from include.perennial.partitions import UTC
from include.perennial.spec import PREDICTION_COLUMNS, ColumnType
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.prediction_folder import online_predictions_of, predictions_of
from include.perennial.tables import from_frame, write_parquet, write_parts

_PREFIX, _SUFFIX = "v", ".parquet"
_FACTS = set(PREDICTION_COLUMNS) - {"p", "class"}
_SCORED_AT = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class Source:
    """What predictions are of: a partition by content, the version that made them, and whether anybody acts on them."""

    pipeline: str
    key: str
    dataset_sha256: str
    version: str
    shadow: bool


@dataclass(frozen=True)
class LoggedFile:
    """One file of the log; ``mean_p`` is the mean prediction of its ``rows``, as the task has it."""

    source: Source
    scored_at: dt.datetime
    rows: int
    mean_p: float
    file: FileRecord


@dataclass(frozen=True)
class Online:
    """Answers of one request at ``at_utc``: time and key columns of the rows, predictions, and who gave each."""

    rows: pa.Table
    p: Floats
    versions: npt.NDArray[np.str_]
    at_utc: dt.datetime
    shadow: bool
    task: Task = BINARY

    def table(self) -> pa.Table:
        """As a file of the log has it."""
        source = Source("", "", "", "", self.shadow)
        own = {name: pa.array(values) for name, values in self.task.logged(self.p).items()}
        own |= _facts(source, len(self.p), self.at_utc) | {"model_version": pa.array(self.versions, pa.string())}
        table = self.rows
        for name, values in own.items():
            table = table.append_column(name, values)
        return table


class PredictionLog:
    """The prediction log in ``store``. Every method raises ``Unavailable`` if the store does not answer."""

    def __init__(self, store: ObjectStore, task: Task = BINARY) -> None:
        self._store, self.task = store, task

    def write(
        self, source: Source, rows: pd.DataFrame, columns: Mapping[str, ColumnType], p: Floats, at: dt.datetime
    ) -> LoggedFile:
        """Log predictions ``p``, one of each row, of ``rows``, which have the time and key columns ``columns``."""
        return self.write_parts(source, columns, [(rows, p)], at)

    def write_parts(
        self,
        source: Source,
        columns: Mapping[str, ColumnType],
        parts: Iterable[tuple[pd.DataFrame, Floats]],
        at: dt.datetime,
    ) -> LoggedFile:
        """The same file from rows and predictions that come one after the other; there is at least one row."""
        means: list[tuple[int, float]] = []

        def told() -> Iterator[pa.Table]:
            for rows, p in parts:
                said = {name: pa.array(values) for name, values in self.task.logged(p).items()}
                table = from_frame(rows[list(columns)], columns, f"predictions of partition {source.key}")
                for name, values in {**said, **_facts(source, len(p), at)}.items():
                    table = table.append_column(name, values)
                means.append((len(p), self.task.mean_prediction(p)))
                yield table

        tables = told()
        first = next(tables)
        with tempfile.TemporaryDirectory(prefix="perennial-") as folder:
            path = Path(folder, "predictions.parquet")
            rows = write_parts(chain([first], tables), first.schema, path)
            record = self._store.put_file(_object_key(source.pipeline, source.key, source.version), path)
        return LoggedFile(source, at, rows, _mean(means), record)

    def find(self, source: Source) -> LoggedFile | None:
        """The file that holds exactly the predictions of ``source``; None if it is missing or about something else.

        Raises:
            IntegrityError: the file is damaged.
        """
        with self.opened(source) as logged:
            return logged[0] if logged else None

    @contextlib.contextmanager
    def opened(self, source: Source) -> Iterator[tuple[LoggedFile, Blocks] | None]:
        """The same with its rows, to be read while the block lasts, after a look at the whole file.

        Raises:
            IntegrityError: the file is damaged.
        """
        key = _object_key(source.pipeline, source.key, source.version)
        if not self._store.exists(key):
            yield None
            return
        with tempfile.TemporaryDirectory(prefix="perennial-") as folder:
            path = self._store.get_file(key, Path(folder, "predictions.parquet"))
            blocks, first = _looked_at(path, key)
            if (first["dataset_sha256"], bool(first["shadow"])) != (source.dataset_sha256, source.shadow):
                yield None
                return
            said = [field.name for field in blocks.schema if pa.types.is_floating(field.type)]
            p = (self.task.read_logged(frame) for frame in blocks.frames(said))
            mean = _mean([(len(values), self.task.mean_prediction(values)) for values in p])
            record = FileRecord(name=key, sha256=file_sha256(path), n_bytes=path.stat().st_size)
            yield LoggedFile(source, first["scored_at"].to_pydatetime(), blocks.rows, mean, record), blocks

    def read(self, pipeline: str, key: str) -> pd.DataFrame:
        """All predictions of a partition, files in order of the model version; no rows if there are none.

        Time and key columns come first, then those of the log.

        Raises:
            IntegrityError: a file is damaged.
        """
        names = sorted(self._store.list(predictions_of(pipeline, key)), key=lambda name: (len(name), name))
        frames = [_read(self._store.get_bytes(name), name) for name in names]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(PREDICTION_COLUMNS))

    def append_online(self, pipeline: str, key: str, answers: Sequence[Online]) -> FileRecord:
        """Add one file with ``answers`` about rows of partition ``key``; there is at least one."""
        at = max(answer.at_utc for answer in answers).astimezone(UTC)
        name = f"{at:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:12]}{_SUFFIX}"
        with tempfile.TemporaryDirectory(prefix="perennial-") as folder:
            path = Path(folder, name)
            write_parquet(pa.concat_tables([answer.table() for answer in answers]), path)
            return self._store.put_file(f"{online_predictions_of(pipeline, key)}{name}", path)

    def read_online(self, pipeline: str, key: str, only: pd.DataFrame | None = None) -> pd.DataFrame:
        """All answers of the model server about rows of a partition, oldest file first; no rows if there are none.

        With ``only``, those about rows with its time and key, which are its columns.

        Raises:
            IntegrityError: a file is damaged.
        """
        names = self._store.list(online_predictions_of(pipeline, key))
        read = (_read(self._store.get_bytes(name), name) for name in names)
        frames = [frame if only is None else frame.merge(only, on=list(only.columns)) for frame in read]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(PREDICTION_COLUMNS))

    def names(self, pipeline: str) -> list[str]:
        """Names of all files of a pipeline, in the object store."""
        return self._store.list(predictions_of(pipeline, ""))

    def read_file(self, name: str) -> pd.DataFrame:
        """The predictions of one file.

        Raises:
            IntegrityError: it is damaged.
        """
        return _read(self._store.get_bytes(name), name)

    def partitions_of(self, pipeline: str, version: str) -> list[str]:
        """Keys of the partitions that ``version`` has scored, oldest first."""
        return sorted(
            name.split("/")[-2] for name in self.names(pipeline) if name.endswith(f"/{_PREFIX}{version}{_SUFFIX}")
        )

    def served(self, pipeline: str, key: str) -> pd.DataFrame:
        """The predictions of a partition that count: of the champion it was scored with last; no rows if of none."""
        frame = self.read(pipeline, key)
        acted_on = frame[~frame["shadow"].astype(bool)]
        return acted_on[acted_on["scored_at"] == acted_on["scored_at"].max()].reset_index(drop=True)


def _object_key(pipeline: str, key: str, version: str) -> str:
    return f"{predictions_of(pipeline, key)}{_PREFIX}{version}{_SUFFIX}"


def _facts(source: Source, n: int, at: dt.datetime) -> dict[str, pa.Array]:
    return {
        "model_version": pa.repeat(pa.scalar(source.version), n),
        "dataset_sha256": pa.repeat(pa.scalar(source.dataset_sha256), n),
        "scored_at": pa.repeat(pa.scalar(at.astimezone(UTC), _SCORED_AT), n),
        "shadow": pa.repeat(pa.scalar(source.shadow), n),
    }


def _mean(means: Sequence[tuple[int, float]]) -> float:
    """Mean of parts, each with its number of rows."""
    if len(means) == 1:
        return means[0][1]
    return math.fsum(n * mean for n, mean in means) / sum(n for n, _ in means)


def _looked_at(path: Path, name: str) -> tuple[Blocks, "pd.Series[Any]"]:
    """The rows of a file whose every page was read once, and the first of them."""
    try:
        blocks = of_parquet(path, pq.read_schema(path))
        first = None
        for table in blocks.tables():
            first = first if first is not None else table.slice(0, 1).to_pandas().iloc[0]
    except (pa.ArrowException, IntegrityError, OSError) as error:
        raise _damaged(name, first_line(error)) from error
    missing = _FACTS - set(blocks.schema.names)
    if missing or first is None:
        raise _damaged(name, f"it lacks {', '.join(sorted(missing)) or 'rows'}")
    return blocks, first


def _read(data: bytes, name: str) -> pd.DataFrame:
    try:
        table = pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True).read()
        missing = _FACTS - set(table.column_names)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(name, first_line(error)) from error
    if missing or not table.num_rows:
        raise _damaged(name, f"it lacks {', '.join(sorted(missing)) or 'rows'}")
    return table.to_pandas()


def _damaged(name: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"Predictions {name} cannot be read: {why}. Remove that object and score the partition again."
    )
