"""False alarms and power of the monitor, where the truth is known.

    python -m benchmarks.drift_table [--trials 100] [--real-trials 20]

**False alarms.** A champion is fitted on nine weeks and measured on 13 others (a quarter) of the same world:
a simulated one, in which days of a storm share their luck, and the real weeks of the example in random order, so that
the season tells nothing. **Power.** The same weeks with a change of known size: how often a single week violates.
Rates are per quarter, means over trials with a 95 % interval between trials.
"""

import argparse
import functools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import t as student
from sklearn.base import clone
from sklearn.pipeline import Pipeline as SklearnPipeline

from benchmarks.drift_world import (
    CHAMPION,
    FIRST,
    UNCHANGED,
    Shift,
    added,
    flipped,
    joined,
    replaced,
    scored,
    simulated_model,
    simulated_spec,
    simulated_weeks,
)
from include.perennial.models import estimators
from include.perennial.models.frames import Labelled
from include.perennial.monitor.calibration import calibrate
from include.perennial.monitor.measure import measure
from include.perennial.monitor.measurement import Measurement
from include.perennial.monitor.reference import build_window
from include.perennial.pipeline_folder import load_pipeline
from include.perennial.settings import Settings
from include.perennial.spec import PipelineSpec
from include.pipelines.flight_delays import source

QUARTER = 13
WINDOW = 9  # eight weeks to train and one holdout, on which the example's champions are refitted
REAL_WEEKS = 51
Week = tuple[str, Labelled]


@dataclass(frozen=True)
class World:
    """``weeks(trial)`` gives ``WINDOW + QUARTER`` weeks, the first of which train ``model``."""

    name: str
    spec: PipelineSpec
    model: SklearnPipeline
    weeks: Callable[[int], Sequence[Week]]
    shifts: tuple[Shift, ...]


@dataclass(frozen=True)
class Rates:
    """Violating weeks per quarter of each trial: of drift, of performance, and of either."""

    drift: list[float]
    performance: list[float]
    either: list[float]


def rates(world: World, trials: int, shifts: Sequence[Shift]) -> dict[str, Rates]:
    """Rates of each shift, over ``trials`` champions that all shifts share."""
    found = {shift.name: Rates([], [], []) for shift in shifts}
    for trial in range(trials):
        weeks = world.weeks(trial)
        for shift, measurements in _measured(world, weeks, shifts, trial):
            _add(found[shift.name], list(measurements))
    return found


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its 95 % interval over trials."""
    mean = float(np.mean(values))
    half = float(student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean, max(0.0, mean - half), mean + half


def simulated() -> World:
    """The simulated pipeline."""

    def weeks(trial: int) -> list[Week]:
        made = simulated_weeks(WINDOW + QUARTER, seed=trial)
        return [(FIRST.shift(n).key, week) for n, week in enumerate(made)]

    shifts = (
        added("load", 0.1, " sd"), added("load", 0.2, " sd"), added("load", 0.4, " sd"),
        added("weather", 1.0, " sd"), added("weather", 2.0, " sd"),
        added("noise", 2.0, " sd (no importance)"),
        replaced("load", None, 0.05), replaced("load", None, 0.2),
        replaced("place", "a", 0.1), replaced("place", "new", 0.05),
        flipped(0.2), flipped(0.4),
    )  # fmt: skip
    return World("simulated", simulated_spec(), simulated_model(), weeks, shifts)


def real() -> World:
    """The example's weeks in random order."""
    pipeline = load_pipeline("flight_delays", Settings.from_env().pipelines)
    candidate = next(iter(pipeline.spec.candidates))
    model = estimators.build(pipeline, candidate, {}, seed=pipeline.spec.seed)

    week = functools.cache(lambda n: _real_week(n, pipeline.spec))

    def weeks(trial: int) -> list[Week]:
        chosen = np.random.default_rng(trial).permutation(REAL_WEEKS)[: WINDOW + QUARTER]
        return [week(int(n)) for n in chosen]

    shifts = (
        added("hour", 1, " h"), added("hour", 3, " h"),
        added("temperature_f", 20, " F"), added("dew_point_f", 40, " F"),
        replaced("dest", "ATL", 0.1), replaced("dest", "ZZZ", 0.05), replaced("carrier", "ZZ", 0.1),
        replaced("humidity_pct", None, 0.5), replaced("temperature_f", None, 1.0),
        flipped(0.2), flipped(0.4), flipped(0.8),
    )  # fmt: skip
    return World("real weeks in random order", pipeline.spec, model, weeks, shifts)


def _real_week(n: int, spec: PipelineSpec) -> Week:
    partition = FIRST.shift(n)
    with tempfile.TemporaryDirectory() as folder:
        source.deliver(partition, Path(folder))
        frame = source.assemble(partition, Path(folder))[list(spec.data.columns)].reset_index(drop=True)
    y = frame.pop(spec.data.target).to_numpy().astype(int)
    return partition.key, Labelled(frame, y)


def _measured(
    world: World, weeks: Sequence[Week], shifts: Sequence[Shift], trial: int
) -> Iterator[tuple[Shift, Iterator[Measurement]]]:
    keys, window = zip(*weeks[:WINDOW], strict=True)
    model = clone(world.model)
    estimators.fit(model, joined(window), "champion")
    calibration = calibrate(world.spec, build_window(world.spec, model, keys, window), CHAMPION.version)
    for shift in shifts:
        random = np.random.default_rng(trial)
        parts = (scored(model, key, shift.apply(week, random)) for key, week in weeks[WINDOW:])
        yield shift, (measure(world.spec, CHAMPION, calibration, part) for part in parts)


def _add(found: Rates, measurements: Sequence[Measurement]) -> None:
    drift = [bool(measurement.violations) for measurement in measurements]
    worse = [measurement.is_worse for measurement in measurements]
    found.drift.append(QUARTER * float(np.mean(drift)))
    found.performance.append(QUARTER * float(np.mean(worse)))
    found.either.append(QUARTER * float(np.mean(np.logical_or(drift, worse))))


def _table(world: World, trials: int) -> None:
    found = rates(world, trials, (UNCHANGED, *world.shifts))
    allowed = world.spec.monitor.false_alarms_per_quarter
    print(f"\n{world.name}: {trials} champions, {QUARTER} weeks each")
    print(f"\n| False alarms per quarter, {allowed:g} allowed | mean | 95 % interval |\n|---|---|---|")
    quiet = found.pop(UNCHANGED.name)
    for name, values in (("drift", quiet.drift), ("performance", quiet.performance), ("either", quiet.either)):
        mean, low, high = interval(values)
        print(f"| {name} | {mean:.2f} | {low:.2f} to {high:.2f} |")
    print("\n| Power: a single week violates | drift | performance |\n|---|---|---|")
    for name, shifted in found.items():
        drift, performance = np.mean(shifted.drift) / QUARTER, np.mean(shifted.performance) / QUARTER
        print(f"| {name} | {drift:.0%} | {performance:.0%} |")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100, help="champions of the simulated world")
    parser.add_argument("--real-trials", type=int, default=20, help="champions on real weeks")
    arguments = parser.parse_args()
    if arguments.trials > 1:
        _table(simulated(), arguments.trials)
    if arguments.real_trials > 1:
        _table(real(), arguments.real_trials)


if __name__ == "__main__":
    main()
