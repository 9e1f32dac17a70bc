"""Real weeks of the shipped example, delivered once per session into a folder of the test's own."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from include.perennial.partitions import Partition, Period
from include.perennial.pipeline_folder import Pipeline, load_pipeline
from include.perennial.settings import Settings
from include.pipelines.flight_delays import source

Deliver = Callable[..., Path]
Assemble = Callable[[str], pd.DataFrame]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """State folder of this session; the cache of unpacked flights lands in it."""
    with pytest.MonkeyPatch.context() as environment:
        folder = tmp_path_factory.mktemp("home")
        environment.setenv("PERENNIAL_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def deliver(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Deliver:
    """Deliver the week named by a key into a fresh folder."""

    def _deliver(key: str, *, replay: bool = False) -> Path:
        folder = tmp_path_factory.mktemp(key)
        source.deliver(Partition.of_key(key, Period.WEEK), folder, replay=replay)
        return folder

    return _deliver


@pytest.fixture(scope="session")
def week(deliver: Deliver) -> Assemble:
    """The assembled partition of a week of 2013; read only, it is shared."""

    @functools.cache
    def _week(key: str) -> pd.DataFrame:
        return source.assemble(Partition.of_key(key, Period.WEEK), deliver(key))

    return _week


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    """The shipped pipeline folder."""
    return load_pipeline("flight_delays", Settings.from_env({}).pipelines)
