"""A small pipeline with delivered weeks, of which the data registry holds some, and a course over them."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from include.perennial.partitions import span
from include.perennial.pipeline_folder import Pipeline
from include.perennial.provenance import CodeVersion
from include.perennial.replay import supply
from include.perennial.replay.walk import Course
from include.perennial.settings import Settings
from tests.training_runs import FIRST, make_toy, toy_frame

MONITOR = {
    "drift": {"sample_rows": 600, "min_rows": 200},
    "performance": {"min_rows": 200},
    "policy": {"violations": 1, "of_last": 1, "cooldown_periods": 1},
}


def keys(first: int, last: int) -> tuple[str, ...]:
    """Partition keys of weeks ``first`` to ``last``."""
    return tuple(partition.key for partition in span(FIRST.shift(first), FIRST.shift(last)))


def shifted(n: int) -> pd.DataFrame:
    """Week ``n`` after the world has changed: ``signal`` moved, and means the opposite."""
    frame = toy_frame(n)
    return frame.assign(signal=frame["signal"] + 1.5, label=1 - frame["label"])


@dataclass(frozen=True)
class World:
    """A pipeline, its settings and one worker."""

    pipeline: Pipeline
    settings: Settings
    workers: Executor

    @property
    def home(self) -> Path:
        return supply.replay_home(self.pipeline, self.settings)

    def deliver(self, n: int, frame: pd.DataFrame | None = None) -> Path:
        """Lay down week ``n`` where the source looks for it."""
        path = self.pipeline.folder / "delivery" / f"{FIRST.shift(n).key}.csv"
        path.parent.mkdir(exist_ok=True)
        frame = toy_frame(n) if frame is None else frame
        frame.assign(noise=frame["noise"].astype("Int64")).to_csv(path, index=False)
        return path

    def gather(self, first: int, last: int) -> supply.Supply:
        return supply.gather(self.pipeline, self.settings, FIRST.shift(first), FIRST.shift(last), self.workers)

    def course(self, first: int, last: int) -> Course:
        return Course(
            pipeline=self.pipeline,
            supply=self.gather(first, last),
            keys=keys(first, last),
            home=self.home,
            settings=self.settings,
            code=CodeVersion("0" * 40, dirty=False),
        )


@pytest.fixture(scope="module")
def workers() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def world(tmp_path: Path, workers: Executor) -> World:
    return make_world(tmp_path, workers)


@pytest.fixture(scope="module")
def changed_world(tmp_path_factory: pytest.TempPathFactory, workers: Executor) -> World:
    """Twelve weeks, of which the last five are from a changed world."""
    return make_world(
        tmp_path_factory.mktemp("changed"), workers, weeks=12, frame=lambda n: (toy_frame if n < 7 else shifted)(n)
    )


def make_world(
    root: Path, workers: Executor, weeks: int = 7, frame: Callable[[int], pd.DataFrame] = toy_frame
) -> World:
    """The first ``weeks`` weeks are delivered, none is published."""
    pipeline = make_toy(root, monitor=MONITOR)
    world = World(pipeline, Settings.from_env({"PERENNIAL_HOME": str(root / "home")}), workers)
    for n in range(weeks):
        world.deliver(n, frame(n))
    return world
