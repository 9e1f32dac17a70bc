"""Which partitions a source has, as far as that can be told without asking it for each one."""

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

from include.perennial.errors import BadInput
from include.perennial.partitions import UTC, Partition, Period, span
from include.perennial.pipeline_folder import Pipeline
from include.perennial.s3 import SCHEME
from include.perennial.sources.narrow import partitions_in
from include.perennial.spec import FilesSource

_TRIES = 4


def existing(pipeline: Pipeline, now: dt.datetime | None = None) -> list[Partition]:
    """The labelled partitions that the source has, oldest first; where only asking tells, those of its schedule.

    Raises:
        DataError: the file that holds all time cannot be read.
    """
    spec = pipeline.spec
    newest = Partition.containing(now or dt.datetime.now(UTC), spec.period).shift(-1 - spec.data.label_delay_periods)
    first, last = spec.first_partition, min(newest, spec.last_partition or newest)
    found = listed(pipeline)
    if found is None and (path := whole_file(pipeline)):
        found = partitions_in(pipeline, path)
    return span(first, last) if found is None else [one for one in found if first <= one <= last]


def whole_file(pipeline: Pipeline) -> Path | None:
    """The file on this machine that holds all time and can be read in batches, if the source is one."""
    source = pipeline.spec.source
    if not isinstance(source, FilesSource) or "{key}" in source.path or source.path.startswith(SCHEME):
        return None
    path = pipeline.folder / source.path
    return path if source.format != "jsonl" and path.is_file() else None


def listed(pipeline: Pipeline) -> list[Partition] | None:
    """The partitions for which a local folder holds files, oldest first; None where only asking tells."""
    source = pipeline.spec.source
    if not isinstance(source, FilesSource) or "{key}" not in source.path or source.path.startswith(SCHEME):
        return None
    before, *rest = re.split(r"\{key\}", source.path)
    pattern = re.compile(re.escape(before) + r"(?P<key>[^/]+)" + r"(?P=key)".join(map(re.escape, rest)))
    root = pipeline.folder
    if source.path.startswith("/"):
        found = (str(path) for path in Path("/").glob(source.path[1:].replace("{key}", "*")))
    else:
        found = (path.relative_to(root).as_posix() for path in root.glob(source.path.replace("{key}", "*")))
    keys = {match["key"] for path in found if (match := pattern.fullmatch(path))}
    return sorted(partition for key in keys if (partition := _partition(key, pipeline.spec.period)))


def tried(pipeline: Pipeline, n: int, now: dt.datetime) -> Iterator[list[Partition]]:
    """Runs of ``n`` partitions to ask the source for, best guess first: up to the last full period, a few periods
    earlier, and from ``schedule.start``, where old data begin."""
    spec = pipeline.spec
    newest = Partition.containing(now, spec.period).shift(-1 - spec.data.label_delay_periods)
    newest = min(newest, spec.last_partition or newest)
    for back in range(_TRIES):
        yield [newest.shift(i - back) for i in range(1 - n, 1)]
    yield [spec.first_partition.shift(i) for i in range(n)]


def _partition(key: str, period: Period) -> Partition | None:
    try:
        return Partition.of_key(key, period)
    except BadInput:
        return None  # a file beside the partitions, such as a README
