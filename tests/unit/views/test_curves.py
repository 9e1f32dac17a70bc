"""Curves of the recorded predictions: of both models on the same rows, or honestly of one or none."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from include.perennial.contracts import Decision
from include.perennial.errors import IntegrityError
from include.perennial.models import predictions
from include.perennial.models.predictions import Facts, HoldoutPredictions
from include.perennial.stores.objects import LocalObjects, ObjectStore
from include.perennial.views.curves import curves
from tests.promotions import decide
from tests.unit.gate.conftest import SOUND

ROWS = 500


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return LocalObjects(tmp_path)


@pytest.fixture
def holdout() -> HoldoutPredictions:
    random = np.random.default_rng(0)
    y = random.integers(0, 2, ROWS)
    p = np.clip(0.3 * y + random.uniform(0, 0.7, ROWS), 0, 1)
    facts = Facts(training_rate=0.5, behaviour=SOUND, single_feature_auc={"a": 0.6})
    rows = pd.DataFrame({"day": np.arange(ROWS)})
    return HoldoutPredictions(partition=np.full(ROWS, "2013-03-04"), rows=rows, y=y, p=p, facts=facts)


def recorded(holdout: HoldoutPredictions, store: ObjectStore) -> Decision:
    data = predictions.to_parquet(holdout)
    record = store.put_bytes(predictions.object_key("toy", "run", data), data)
    return decide("toy", "run", None).model_copy(update={"predictions": record})


def test_both_models_are_drawn_on_the_rows_that_both_scored(store: ObjectStore, holdout: HoldoutPredictions) -> None:
    champion = np.where(np.arange(ROWS) < 300, holdout.p[::-1], np.nan)

    found = curves(recorded(dataclasses.replace(holdout, p_champion=champion), store), store)

    assert found is not None
    assert found.champion is not None
    assert found.rows == 300
    assert found.candidate.roc_auc == pytest.approx(roc_auc_score(holdout.y[:300], holdout.p[:300]))
    assert found.champion.roc_auc == pytest.approx(roc_auc_score(holdout.y[:300], champion[:300]))


def test_a_candidate_without_a_champion_is_drawn_alone(store: ObjectStore, holdout: HoldoutPredictions) -> None:
    found = curves(recorded(holdout, store), store)

    assert found is not None
    assert (found.champion, found.rows) == (None, ROWS)
    assert (found.candidate.roc[0], found.candidate.roc[-1]) == ((0, 0), (1, 1))
    assert len(found.candidate.roc) <= 200
    assert len(found.candidate.calibration) == 10


def test_one_class_gives_no_curve(store: ObjectStore, holdout: HoldoutPredictions) -> None:
    assert curves(recorded(dataclasses.replace(holdout, y=np.ones(ROWS, dtype=int)), store), store) is None


def test_a_decision_without_predictions_gives_no_curve(store: ObjectStore) -> None:
    assert curves(decide("toy", "run", None), store) is None


def test_changed_predictions_are_refused(store: ObjectStore, holdout: HoldoutPredictions) -> None:
    decision = recorded(holdout, store)
    assert decision.predictions is not None
    store.put_bytes(decision.predictions.name, b"something else")

    with pytest.raises(IntegrityError):
        curves(decision, store)
