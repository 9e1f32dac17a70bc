"""Which partitions a run of a pipeline takes: the newest that its source has, unless others are named."""

from collections.abc import Sequence
from dataclasses import dataclass

from include.perennial.errors import BadInput
from include.perennial.partitions import Partition, Period, span
from include.perennial.pipeline_folder import Pipeline
from include.perennial.sources.newest import existing

TRAINED, WATCHED = 4, 7


@dataclass(frozen=True)
class Job:
    """Keys of a run, oldest first: ``ingested`` and ``trained`` as of are backfilled, then ``watched`` come in.

    ``n_found`` partitions are there to choose from, where that is not fixed.
    """

    pipeline: str
    period: Period
    ingested: tuple[str, ...]
    trained: tuple[str, ...]
    watched: tuple[str, ...]
    n_found: int | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """All partitions."""
        return self.ingested + self.watched

    @property
    def sentence(self) -> str:
        """What was chosen."""
        chosen = f"{len(self.keys)} {self.period}s, {self.keys[0]} to {self.keys[-1]}"
        return (
            f"{self.pipeline}: {chosen}, of the {self.n_found} that its source has; {len(self.ingested)} are ingested, "
            f"as of {len(self.trained)} of them it is trained, and {len(self.watched)} more come in, are scored and "
            f"monitored. FROM=… and TO=… choose others."
        )

    def runs(self, keys: Sequence[str]) -> list[tuple[str, str]]:
        """``keys`` as first and last of each run of neighbours, for a backfill cannot leave out a gap."""
        found: list[tuple[str, str]] = []
        for key in keys:
            if found and Partition.of_key(found[-1][1], self.period).shift(1).key == key:
                found[-1] = (found[-1][0], key)
            else:
                found.append((key, key))
        return found


def fixed(pipeline: str, period: Period, first: str, trained: str, watched: str, last: str) -> Job:
    """The job over all partitions from ``first`` to ``last``, trained on and watched from the given ones on."""
    keys = [one.key for one in span(Partition.of_key(first, period), Partition.of_key(last, period))]
    before = tuple(key for key in keys if key < watched)
    return Job(pipeline, period, before, tuple(k for k in before if k >= trained), tuple(keys[len(before) :]))


def choose(pipeline: Pipeline, first: str | None = None, last: str | None = None) -> Job:
    """A job over the newest partitions that the source of ``pipeline`` has, or over all from ``first`` to ``last``.

    Raises:
        BadInput: they are too few, or ``first`` or ``last`` is not a partition key.
        DataError: the source cannot be read.
    """
    spec = pipeline.spec
    bounds = [Partition.of_key(key, spec.period).key if key else None for key in (first, last)]
    found = [one.key for one in existing(pipeline)]
    keys = [key for key in found if (bounds[0] or key) <= key <= (bounds[1] or key)]
    needed = spec.window.partitions + spec.window.holdout
    spare = len(keys) - needed
    if spare < 1:
        there = f"{keys[0]} to {keys[-1]}" if keys else "none"
        raise BadInput(
            f"{spec.name}: the source has {len(keys)} labelled {spec.period}s{' as asked for' if any(bounds) else ''} "
            f"({there}); a loop needs {needed + 1}: {spec.window.partitions} to train, {spec.window.holdout} to judge "
            "and 1 to score and monitor. To fix: lower window.partitions, take a shorter period, or wider FROM and TO."
        )
    watched = min(WATCHED, (spare + 1) // 2)
    # A holdout apart, so that each challenger has one that the champion before it has not seen either.
    apart = spec.window.holdout
    trained = min(TRAINED, (spare - watched) // apart + 1)
    if not any(bounds):
        keys = keys[-(needed + (trained - 1) * apart + watched) :]
    before = tuple(keys[:-watched])
    as_of = before[::-1][::apart][:trained][::-1]
    return Job(spec.name, spec.period, before, as_of, tuple(keys[-watched:]), len(found))
