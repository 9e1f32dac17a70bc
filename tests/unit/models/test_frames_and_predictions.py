"""Partitions become frames and labels; predictions of a holdout survive storage unchanged."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from include.perennial.errors import DataError, IntegrityError
from include.perennial.gate.evidence import Behaviour
from include.perennial.models import frames, predictions
from include.perennial.models.predictions import Facts, HoldoutPredictions
from include.perennial.pipeline_folder import Pipeline
from include.perennial.tables import from_frame, write_parquet
from tests.training_runs import make_toy, toy_frame


def _written(toy: Pipeline, path: Path, frame: pd.DataFrame) -> Path:
    write_parquet(from_frame(frame, toy.spec.data.columns, path.name), path)
    return path


def test_partitions_are_read_in_order_with_the_label_apart(toy: Pipeline, tmp_path: Path) -> None:
    paths = [_written(toy, tmp_path / f"{n}.parquet", toy_frame(n, rows=5)) for n in (1, 0)]

    rows = frames.read(paths, toy.spec.data)

    assert rows.x["id"].tolist() == [f"w{n}-{i}" for n in (1, 0) for i in range(5)]
    assert list(rows.x.columns) == ["at", "id", "group", "signal", "noise"]
    assert rows.y.tolist() == pd.concat([toy_frame(1, rows=5), toy_frame(0, rows=5)])["label"].tolist()
    assert rows.rate == rows.y.mean()


def test_a_column_has_one_type_even_if_only_one_partition_holds_nulls(toy: Pipeline, tmp_path: Path) -> None:
    whole = toy_frame(0, rows=5).assign(noise=1)
    holey = toy_frame(1, rows=5).assign(noise=[1, None, 1, 1, 1])

    x = frames.read(
        [_written(toy, tmp_path / "a.parquet", whole), _written(toy, tmp_path / "b.parquet", holey)], toy.spec.data
    ).x

    assert x["noise"].dtype == float
    assert x["noise"].isna().sum() == 1


@pytest.mark.parametrize(("label", "shown"), [(2, "2"), (None, "nan")], ids=["two", "missing"])
def test_a_label_that_is_neither_zero_nor_one_is_refused(
    label: object, shown: str, toy: Pipeline, tmp_path: Path
) -> None:
    frame = toy_frame(0, rows=5).astype({"label": object})
    frame.loc[3, "label"] = label

    with pytest.raises(DataError, match=rf"'label' must be 0 or 1 in every row: 1 of 5 rows are not.*{shown}"):
        frames.read([_written(toy, tmp_path / "a.parquet", frame)], toy.spec.data)


def test_partitions_without_rows_are_refused(toy: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Partitions a.parquet hold no rows"):
        frames.read([_written(toy, tmp_path / "a.parquet", toy_frame(0, rows=5).head(0))], toy.spec.data)


def test_a_partition_with_other_columns_than_declared_now_is_refused(toy: Pipeline, tmp_path: Path) -> None:
    path = _written(toy, tmp_path / "a.parquet", toy_frame(0, rows=5))
    columns = {**toy.spec.data.columns, "later": toy.spec.data.columns["signal"]}

    with pytest.raises(IntegrityError, match="declares now"):
        frames.read([path], toy.spec.data.model_copy(update={"columns": columns}))


def test_a_damaged_partition_is_refused(toy: Pipeline, tmp_path: Path) -> None:
    path = _written(toy, tmp_path / "a.parquet", toy_frame(0))
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(bytes(data))

    with pytest.raises(IntegrityError, match="cannot be read"):
        frames.read([path], toy.spec.data)


@pytest.fixture
def made() -> HoldoutPredictions:
    frame = toy_frame(0, rows=6)
    return HoldoutPredictions(
        partition=np.repeat(["2013-01-07", "2013-01-14"], 3),
        rows=frame[["at", "id", "group"]],
        y=frame["label"].to_numpy(),
        p=np.linspace(0.1, 0.7, 6),
        facts=Facts(0.25, Behaviour(True, False, 0.0, 1.5, 0.2), {"signal": 0.7}),
    )


def test_stored_predictions_come_back_with_the_same_digest(made: HoldoutPredictions) -> None:
    made = replace(made, p_champion=np.array([0.5, np.nan, 0.5, 0.5, 0.5, 0.5]))

    read = predictions.from_parquet(predictions.to_parquet(made))

    assert read.digest == made.digest
    assert read.facts == made.facts
    assert read.p_champion is not None
    np.testing.assert_array_equal(read.p_champion, made.p_champion)
    np.testing.assert_array_equal(read.clusters(("group", "at")), made.clusters(("group", "at")))
    assert read.identities(("id",)).equals(made.identities(("id",)))


@pytest.mark.parametrize("column", ["p", "y", "row", "partition"])
def test_any_change_of_predictions_changes_their_digest(column: str, made: HoldoutPredictions) -> None:
    changed = {
        "p": replace(made, p=np.nextafter(made.p, 1)),
        "y": replace(made, y=1 - made.y),
        "row": replace(made, rows=made.rows.assign(id="x")),
        "partition": replace(made, partition=np.repeat("2013-01-07", 6)),
    }[column]

    assert changed.digest != made.digest


def test_what_a_retry_measures_anew_does_not_change_the_digest(made: HoldoutPredictions) -> None:
    slower = replace(made.facts.behaviour, ms_per_1000_rows=99.0)

    assert replace(made, facts=replace(made.facts, behaviour=slower)).digest == made.digest


def test_rows_of_one_combination_of_values_are_one_cluster(made: HoldoutPredictions) -> None:
    rows = pd.DataFrame({"a": ["x", "x", None, "y", None, "x"], "b": [1, 1, 2, 1, 2, 2]})

    assert replace(made, rows=rows).clusters(("a", "b")).tolist() == [0, 0, 1, 2, 1, 3]


def test_a_data_column_may_be_named_like_a_column_of_the_file(made: HoldoutPredictions) -> None:
    named = replace(made, rows=made.rows.rename(columns={"group": "p"}))

    read = predictions.from_parquet(predictions.to_parquet(named))

    np.testing.assert_array_equal(read.p, named.p)
    assert read.rows["p"].tolist() == named.rows["p"].tolist()


def test_key_cluster_and_slice_columns_are_kept_once_in_declared_order(tmp_path: Path) -> None:
    assert predictions.kept_columns(make_toy(tmp_path).spec) == ["at", "id", "group"]
