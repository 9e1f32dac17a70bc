"""The whole replay: gather the partitions, make the contenders, let each policy go its way, sum up."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import TypeVar

from include.perennial.errors import BadInput
from include.perennial.partitions import Partition, span
from include.perennial.pipeline_folder import Pipeline
from include.perennial.provenance import code_version
from include.perennial.replay import supply, walk
from include.perennial.replay.chart import chart
from include.perennial.replay.outcome import Replay, summarize, to_csv
from include.perennial.replay.policies import ReplayPolicy
from include.perennial.settings import PROJECT_ROOT, Settings

T = TypeVar("T")
Tell = Callable[[str], None]


def replay(
    pipeline: Pipeline,
    settings: Settings,
    first: str,
    last: str,
    policies: Sequence[ReplayPolicy],
    workers: Executor,
    tell: Tell = lambda line: None,
) -> Replay:
    """Each of ``policies`` over partitions ``first`` to ``last``, both included.

    Raises:
        BadInput: ``first`` or ``last`` is no partition key, no policy is asked for, or no partition can be had.
        Unavailable: the data registry or a source does not answer.
    """
    started = time.monotonic()
    if not policies:
        raise BadInput("A replay needs at least one policy: name one with --policy.")
    begin, end = (Partition.of_key(key, pipeline.spec.period) for key in (first, last))
    tell(f"gathering the partitions up to {last}")
    at_hand = supply.gather(pipeline, settings, begin, end, workers)
    course = walk.Course(
        pipeline=pipeline,
        supply=at_hand,
        keys=tuple(partition.key for partition in span(begin, end)),
        home=supply.replay_home(pipeline, settings),
        settings=settings,
        code=code_version(PROJECT_ROOT),
    )
    if any(policy.every == 1 for policy in policies):
        tell(f"{len(at_hand.versions)} partitions; fitting what the schedule would have fitted")
        _finished([workers.submit(walk.prepare, course, key) for key in course.keys])
    tell(f"walking {len(course.keys)} partitions under {len(policies)} policies")
    # The longest ways first, so that no worker idles at the end.
    order = sorted(policies, key=_length, reverse=True)
    walks = dict(zip(order, _finished([workers.submit(walk.walk, course, policy) for policy in order]), strict=True))
    return summarize(
        pipeline.spec.name,
        pipeline.spec.gate.compare.metric,
        [walks[policy] for policy in policies],
        time.monotonic() - started,
    )


def _length(policy: ReplayPolicy) -> float:
    """How long a policy's way takes, roughly: each retrain is a contest, each look a measurement."""
    return 2 / (policy.every or 100) + len(policy.ask_on)


def write(found: Replay, folder: Path) -> tuple[Path, Path]:
    """Write ``<pipeline>-<first>-<last>.csv`` and ``.png`` into ``folder``; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{found.pipeline}-{found.first}-{found.last}"
    csv, png = stem.with_suffix(".csv"), stem.with_suffix(".png")
    csv.write_text(to_csv(found), encoding="utf-8", newline="")
    png.write_bytes(chart(found))
    return csv, png


def _finished(tasks: Sequence[Future[T]]) -> list[T]:
    try:
        return [task.result() for task in tasks]
    except BaseException:
        for task in tasks:
            task.cancel()
        raise
