"""The prediction log: one file per partition and model version, read back as it was written, or not at all."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from include.perennial.errors import IntegrityError
from include.perennial.spec import PREDICTION_COLUMNS, ColumnType
from include.perennial.stores.objects import LocalObjects
from include.perennial.stores.prediction_log import LoggedFile, PredictionLog, Source

KEY = "2013-06-03"
AT = dt.datetime(2013, 6, 10, 4, 0, 1, 250, tzinfo=dt.timezone.utc)
COLUMNS = {"at": ColumnType.TIMESTAMP, "id": ColumnType.STRING, "flight": ColumnType.INTEGER}
ROWS = pd.DataFrame(
    {
        "flight": [1, 2, 3],
        "id": ["a", "b", "ü"],
        "at": pd.date_range("2013-06-03 04:00", periods=3, freq="h", tz="UTC").as_unit("ns"),
        "temperature": [1.0, 2.0, None],
    }
)
P = np.array([0.1, 0.5, 1.0])
CHAMPION = Source("flights", KEY, "sha-of-the-data", "9", shadow=False)


@pytest.fixture
def objects(tmp_path: Path) -> LocalObjects:
    return LocalObjects(tmp_path)


@pytest.fixture
def log(objects: LocalObjects) -> PredictionLog:
    return PredictionLog(objects)


def write(log: PredictionLog, source: Source = CHAMPION, at: dt.datetime = AT) -> LoggedFile:
    return log.write(source, ROWS, COLUMNS, P, at)


def test_predictions_are_read_as_they_were_written(log: PredictionLog) -> None:
    logged = write(log)

    frame = log.read("flights", KEY)

    assert list(frame.columns) == [*COLUMNS, *PREDICTION_COLUMNS]
    pd.testing.assert_frame_equal(frame[list(COLUMNS)], ROWS[list(COLUMNS)])
    assert frame["p"].tolist() == P.tolist()
    assert frame["class"].tolist() == [0, 1, 1]
    assert set(frame["model_version"]) == {"9"}
    assert set(frame["dataset_sha256"]) == {"sha-of-the-data"}
    assert set(frame["scored_at"]) == {pd.Timestamp(AT)}
    assert frame["shadow"].tolist() == [False] * 3
    assert logged.file.name == f"predictions-log/flights/{KEY}/v9.parquet"


def test_a_logged_file_is_found_by_what_it_is_of(log: PredictionLog) -> None:
    assert log.find(CHAMPION) is None

    logged = write(log)

    assert log.find(CHAMPION) == logged


@pytest.mark.parametrize(
    "change",
    [{"dataset_sha256": "other"}, {"shadow": True}, {"version": "8"}, {"key": "2013-06-10"}, {"pipeline": "other"}],
    ids=lambda change: next(iter(change)),
)
def test_predictions_of_something_else_are_not_found(change: dict[str, object], log: PredictionLog) -> None:
    write(log)

    assert log.find(replace(CHAMPION, **change)) is None


def test_other_bytes_of_the_partition_replace_the_file(log: PredictionLog) -> None:
    write(log)
    again = replace(CHAMPION, dataset_sha256="corrected")
    write(log, again)

    assert set(log.read("flights", KEY)["dataset_sha256"]) == {"corrected"}
    assert log.find(CHAMPION) is None


def test_each_version_has_a_file_and_the_last_champion_counts(log: PredictionLog) -> None:
    write(log, replace(CHAMPION, version="10"), AT + dt.timedelta(days=1))
    write(log)
    write(log, replace(CHAMPION, version="11", shadow=True), AT + dt.timedelta(days=2))

    assert list(dict.fromkeys(log.read("flights", KEY)["model_version"])) == ["9", "10", "11"]
    assert log.served("flights", KEY)["model_version"].tolist() == ["10"] * 3


def test_a_partition_that_nobody_scored_has_no_rows(log: PredictionLog) -> None:
    write(log, replace(CHAMPION, key="2013-06-10"))

    for frame in (log.read("flights", KEY), log.served("flights", KEY)):
        assert frame.empty
        assert set(PREDICTION_COLUMNS) <= set(frame.columns)


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-20], lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:], lambda data: b""],
    ids=["cut", "a flipped bit", "empty"],
)
def test_a_damaged_file_is_an_error_and_never_no_predictions(
    damage: Callable[[bytes], bytes], log: PredictionLog, objects: LocalObjects
) -> None:
    key = write(log).file.name
    objects.put_bytes(key, damage(objects.get_bytes(key)))

    with pytest.raises(IntegrityError, match="cannot be read"):
        log.read("flights", KEY)
    with pytest.raises(IntegrityError, match="cannot be read"):
        log.find(CHAMPION)
