"""What was answered online stands in for what the partition's scoring said, row by row and of this version only."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd

from include.perennial.gate.tasks import Multiclass
from include.perennial.partitions import UTC
from include.perennial.spec import PREDICTION_COLUMNS
from include.perennial.steps.answered import as_answered

NAMES = ("at", "id")
AT = pd.Timestamp("2013-06-03T14:00:00Z")


def scored(*ids: str) -> pd.DataFrame:
    return pd.DataFrame({"at": AT, "id": list(ids), "p": np.full(len(ids), 0.5)})


def told(*rows: tuple[str, float], **changes: Any) -> pd.DataFrame:
    frame = pd.DataFrame({"at": AT, "id": [one for one, _ in rows], "p": [p for _, p in rows]})
    own = {"class": 0, "model_version": "3", "dataset_sha256": "", "shadow": False}
    return frame.assign(**(own | {"scored_at": dt.datetime(2013, 6, 4, tzinfo=UTC)} | changes))


NOTHING = pd.DataFrame(columns=list(PREDICTION_COLUMNS))


def test_rows_that_were_asked_for_have_what_was_answered() -> None:
    found = as_answered(scored("a", "b", "c"), told(("c", 0.9), ("a", 0.4)), "3", NAMES)

    assert found.p.tolist() == [0.4, 0.5, 0.9]
    assert (found.rows, found.gap) == (2, 0.4)


def test_without_answers_nothing_changes() -> None:
    for online in (NOTHING, told(("x", 0.1)), told(("a", 0.1), shadow=True), told(("a", 0.1), model_version="2")):
        found = as_answered(scored("a", "b"), online, "3", NAMES)
        assert (found.p.tolist(), found.rows, found.gap) == ([0.5, 0.5], 0, None)


def test_the_last_answer_counts_in_whatever_file_it_stands() -> None:
    late = told(("a", 0.9), scored_at=dt.datetime(2013, 6, 5, tzinfo=UTC))

    found = as_answered(scored("a"), pd.concat([late, told(("a", 0.1))], ignore_index=True), "3", NAMES)

    assert found.p.tolist() == [0.9]
    assert found.rows == 1


def test_the_time_is_part_of_a_rows_name() -> None:
    other_hour = told(("a", 0.9)).assign(at=pd.Timestamp("2013-06-03T15:00:00Z"))

    assert as_answered(scored("a"), other_hour, "3", NAMES).rows == 0


def test_answers_of_many_classes_stand_in_row_by_row() -> None:
    task = Multiclass(("low", "high", "top"))
    even, sure = np.full((2, 3), 1 / 3), np.array([[0.1, 0.2, 0.7]])
    known = scored("a", "b").drop(columns="p").assign(**task.logged(even))
    online = told(("b", 0.0)).drop(columns=["p", "class"]).assign(**task.logged(sure))

    found = as_answered(known, online, "3", NAMES, task)

    assert found.p.tolist() == [even[0].tolist(), sure[0].tolist()]
    assert (found.rows, round(found.gap or 0, 3)) == (1, 0.367)
