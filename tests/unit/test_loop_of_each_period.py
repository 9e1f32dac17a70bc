"""The loop with partitions of an hour and of a month: delivered, checked, published, trained on, scored, measured."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from include.perennial.monitor.measurement import MeasurementStatus
from include.perennial.partitions import Partition, Period
from include.perennial.pipeline_folder import Pipeline, load_pipeline
from include.perennial.settings import Settings
from tests.example_loops import Example
from tests.training_runs import SPEC, make_toy, toy_frame

SCHEDULES = {
    Period.HOUR: {"ingest": "5 * * * *", "train": "20 * * * *", "start": "2024-02-29"},
    Period.MONTH: {"ingest": "0 4 1 * *", "train": "0 6 1 * *", "start": "2023-11-01"},
}
KEYS = {
    Period.HOUR: ["2024-02-29T00", "2024-02-29T01", "2024-02-29T02", "2024-02-29T03", "2024-02-29T04"],
    Period.MONTH: ["2023-11-01", "2023-12-01", "2024-01-01", "2024-02-01", "2024-03-01"],
}


class Toy(Example):
    """The pipeline of tests, with real files."""

    @property
    def pipeline(self) -> Pipeline:
        return load_pipeline("toy", self.settings.pipelines)


def frame_of(partition: Partition, n: int) -> pd.DataFrame:
    """Rows over the whole of ``partition``, to its last second."""
    frame = toy_frame(n, 600)
    seconds = np.linspace(0, partition.length.total_seconds() - 1, len(frame)).astype(int)
    at = pd.Timestamp(partition.start_utc) + pd.to_timedelta(seconds, "s")
    return frame.assign(at=at.strftime("%Y-%m-%dT%H:%M:%SZ")).astype({"noise": "Int64"})


@pytest.mark.parametrize("period", [Period.HOUR, Period.MONTH])
def test_the_loop_closes(period: Period, tmp_path: Path) -> None:
    candidates = {"logistic": SPEC["candidates"]["logistic"]}
    made = make_toy(tmp_path, period=period.value, schedule=SCHEDULES[period], candidates=candidates)
    home = {"PERENNIAL_HOME": str(tmp_path / "home"), "PERENNIAL_PIPELINES": str(tmp_path / "pipelines")}
    toy = Toy("toy", Settings.from_env(home))
    (made.folder / "delivery").mkdir()
    for n in range(5):
        partition = toy.partition(n)
        frame_of(partition, n).to_csv(made.folder / "delivery" / f"{partition.key}.csv", index=False)
        assert toy.ingest(n) == 600

    decision, promoted = toy.train(3)
    measured = toy.measure(4)

    assert sorted(toy.data.partitions("toy")) == KEYS[period]
    assert [ref.key for ref in (*decision.plan.train, *decision.plan.holdout)] == KEYS[period][:4]
    assert promoted is not None
    assert promoted.status == "promoted", promoted.sentence
    assert (measured.key, measured.status) == (KEYS[period][4], MeasurementStatus.MEASURED), measured.sentence
