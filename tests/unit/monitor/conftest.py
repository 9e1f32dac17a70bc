"""One champion of the simulated world, calibrated on nine weeks, shared and never changed."""

from dataclasses import dataclass

import pytest
from sklearn.pipeline import Pipeline as SklearnPipeline

from benchmarks.drift_world import CHAMPION, FIRST, joined, scored, simulated_model, simulated_spec, simulated_weeks
from include.perennial.models.frames import Labelled
from include.perennial.monitor.calibration import Calibration, calibrate
from include.perennial.monitor.measure import measure
from include.perennial.monitor.measurement import Measurement
from include.perennial.monitor.reference import Window, build_window
from include.perennial.spec import PipelineSpec

WINDOW_KEYS = tuple(FIRST.shift(n).key for n in range(9))
KEY = FIRST.shift(9).key


@dataclass(frozen=True)
class Watched:
    """A champion, what it is measured against, and an unchanged week after its window."""

    spec: PipelineSpec
    model: SklearnPipeline
    window: Window
    calibration: Calibration
    week: Labelled

    def measured(self, week: Labelled) -> Measurement:
        return measure(self.spec, CHAMPION, self.calibration, scored(self.model, KEY, week))


@pytest.fixture(scope="session")
def watched() -> Watched:
    spec, weeks = simulated_spec(), simulated_weeks(10, seed=3)
    rows = joined(weeks[:9])
    model = simulated_model().fit(rows.x, rows.y)
    window = build_window(spec, model, WINDOW_KEYS, weeks[:9])
    return Watched(spec, model, window, calibrate(spec, window, "1"), weeks[9])
