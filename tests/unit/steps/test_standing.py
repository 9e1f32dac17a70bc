"""Which rows a candidate and a champion are compared on follows from their cutoffs; a gap is never bridged."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.perennial.contracts import Registration
from include.perennial.gate.evidence import Behaviour, Comparison
from include.perennial.models import predictions
from include.perennial.models.predictions import Facts, HoldoutPredictions
from include.perennial.pipeline_folder import Pipeline
from include.perennial.steps.standing import Standing, Stores, stand
from include.perennial.stores.ledger import Champion, EventKind, Ledger
from include.perennial.stores.objects import LocalObjects
from tests.promotions import decide, model_file

WEEK = "2013-02-04"
FACTS = Facts(0.3, Behaviour(True, False, 0.0, 1.0, 0.1), {})


def _predictions(ids: list[str], p: float, week: str = WEEK) -> HoldoutPredictions:
    n = len(ids)
    rows = pd.DataFrame({"id": ids, "group": ["a"] * n})
    return HoldoutPredictions(np.repeat(week, n), rows, np.arange(n) % 2, np.full(n, p), FACTS)


@pytest.fixture
def stores(ledger: Ledger, tmp_path: Path) -> Stores:
    nothing: Any = None  # neither data nor MLflow is needed where recorded predictions are compared
    return Stores(nothing, LocalObjects(tmp_path / "objects"), nothing, ledger)


def _crown(stores: Stores, cutoff: str, recorded: HoldoutPredictions | None = None) -> Champion:
    decision = decide("toy", "theirs", None)
    if recorded is not None:
        data = predictions.to_parquet(recorded)
        record = stores.objects.put_bytes(predictions.object_key("toy", "theirs", data), data)
        decision = decision.model_copy(update={"predictions": record})
        stores.ledger.append("toy", EventKind.JUDGED, "theirs", decision.model_dump(mode="json"), "test")
    model = model_file(0.7, "theirs")
    registration = Registration(pipeline="toy", run_key="theirs", version="1", model=model, cutoff=cutoff)
    stores.ledger.promote(registration, "digest", None, reason="", actor="test", key="1", evidence={})
    champion = stores.ledger.champion("toy")
    assert champion is not None
    return champion


def _stand(toy: Pipeline, stores: Stores, champion: Champion | None, ours: HoldoutPredictions) -> Standing:
    def features() -> pd.DataFrame:
        raise AssertionError("no row is unseen by the champion: it must not score any")

    return stand(toy, WEEK, champion, ours, features, stores)


def test_without_a_champion_the_candidate_is_the_first(toy: Pipeline, stores: Stores) -> None:
    standing = _stand(toy, stores, None, _predictions(["x", "y"], 0.5))

    assert (standing.comparison, standing.rows.tolist()) == (Comparison.FIRST, [True, True])


def test_a_champion_of_later_data_makes_the_candidate_past(toy: Pipeline, stores: Stores) -> None:
    standing = _stand(toy, stores, _crown(stores, "2013-02-11"), _predictions(["x", "y"], 0.5))

    assert standing.comparison is Comparison.PAST
    assert standing.p_champion is None


def test_a_rival_is_compared_row_by_row_whatever_the_order(toy: Pipeline, stores: Stores) -> None:
    theirs = replace(_predictions(["y", "x", "z"], 0.0), p=np.array([0.1, 0.2, 0.3]))

    standing = _stand(toy, stores, _crown(stores, WEEK, theirs), _predictions(["x", "new", "y"], 0.5))

    assert standing.comparison is Comparison.RIVAL
    assert standing.rows.tolist() == [True, False, True]
    assert standing.p_champion is not None
    assert standing.p_champion.tolist() == [0.2, 0.1]


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        (None, "no predictions from before that are recorded"),
        (_predictions(["p", "q"], 0.4), "judged on other rows"),
        (_predictions(["x", "y"], 0.4, week="2013-01-28"), "judged on other rows"),
        (_predictions(["x", "x"], 0.4), r"data.key \(id\) does not tell the rows"),
        (replace(_predictions(["x"], 0.4), rows=pd.DataFrame({"group": ["a"]})), "lack the key column id"),
    ],
    ids=["nothing recorded", "other rows", "rows of another week", "a key that repeats", "another key"],
)
def test_a_rival_without_comparable_predictions_is_incomparable(
    theirs: HoldoutPredictions | None, reason: str, toy: Pipeline, stores: Stores
) -> None:
    standing = _stand(toy, stores, _crown(stores, WEEK, theirs), _predictions(["x", "y"], 0.5))

    assert standing.comparison is Comparison.INCOMPARABLE
    assert re.search(reason, standing.reason)
