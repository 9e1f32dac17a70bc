"""A champion that is surely worse than the one before is rolled back by its monitor, on real flights."""

import time

import pytest

from include.perennial.partitions import Partition, Period
from include.perennial.stores.ledger import EventKind
from tests.stack.conftest import Live

pytestmark = [pytest.mark.stack, pytest.mark.heavy, pytest.mark.timeout(600)]

TRIED = "flights_tried"
WEEKS = [Partition.of_key("2013-01-07", Period.WEEK).shift(n).key for n in range(5)]
STUMP = {"random_forest": {"n_estimators": 1, "max_depth": 1, "max_features": 1}}
FOREST = {
    "random_forest": {
        "estimator": "sklearn.ensemble.RandomForestClassifier",
        "params": {"n_estimators": 40, "max_samples": 0.2, "min_samples_leaf": 20},
    }
}


def test_a_stump_that_a_person_forced_is_rolled_back_after_its_first_week(live: Live) -> None:
    steps = ("ingest", "train", "score", "monitor")
    live.add_light_pipeline(TRIED, steps, candidates=FOREST, monitor={"rollback": {"trial_periods": 2}})
    live.ingest(TRIED, WEEKS[0], WEEKS[3])
    _train(live, {"partition": WEEKS[2]})
    good = live.ledger.champion(TRIED)
    _train(live, {"partition": WEEKS[3], "overrides": STUMP, "force": True, "reason": "a person believed in it"})
    stump = live.ledger.champion(TRIED)
    assert good is not None
    assert stump is not None
    assert stump.version != good.version

    live.ingest(TRIED, WEEKS[4], WEEKS[4])

    deadline = time.monotonic() + 240
    while not (undone := live.ledger.events(TRIED, [EventKind.ROLLED_BACK])):
        assert time.monotonic() < deadline, "nothing was rolled back"
        time.sleep(0.5)
    [event] = undone
    trial = event.payload["evidence"]["trial"]
    assert (trial["version"], trial["previous"], trial["partitions"]) == (stump.version, good.version, [WEEKS[4]])
    assert trial["interval"][1] < 0
    assert event.payload["version"] == good.version
    deadline = time.monotonic() + 60
    while live.models.get_alias(TRIED, "champion") != good.version:
        assert time.monotonic() < deadline, "MLflow's alias did not follow"
        time.sleep(0.5)


def _train(live: Live, conf: dict) -> None:
    run_id = live.airflow.trigger(f"{TRIED}.train", conf)
    assert live.airflow.wait(f"{TRIED}.train", run_id, timeout_s=240)["state"] == "success"
