"""Runs on a real MLflow server, told by several tasks at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from include.perennial.settings import Settings
from include.perennial.stores.tracking.runs import DatasetRecord, RunRecord, Tracking

pytestmark = pytest.mark.server


def test_candidates_that_are_fitted_side_by_side_tell_of_the_same_dataset(mlflow_server: str) -> None:
    settings = Settings.from_env({"MLFLOW_TRACKING_URI": mlflow_server})
    runs = Tracking.open(settings)

    for attempt in range(10):
        dataset = DatasetRecord(f"weeks {attempt}", "training", f"digest-{attempt}", {"commit": "c"})
        records = [RunRecord("side_by_side", f"{attempt}-{n}", "a candidate") for n in range(8)]
        run_ids = [runs.start(record) for record in records]
        with ThreadPoolExecutor(len(records)) as tasks:
            told = list(tasks.map(runs.start, [replace(record, inputs=[dataset]) for record in records]))
        assert told == run_ids
