"""What ``new`` is asked for, and what it says it has done."""

from dataclasses import dataclass
from pathlib import Path

from include.perennial.contracts import Contract

MOST_COLUMNS = 100


@dataclass(frozen=True)
class Asked:
    """A pipeline ``name`` out of ``file``; the other fields name columns of it.

    ``period`` and ``task`` are chosen from the data if they are None. ``leave_out`` are never used; ``keep`` are used
    although one of them alone nearly gives the label away. At most ``most_columns`` feature columns are taken.
    """

    name: str
    file: Path
    target: str
    time: str
    key: tuple[str, ...]
    period: str | None = None
    task: str | None = None
    leave_out: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    most_columns: int = MOST_COLUMNS


class Scaffolded(Contract):
    """What was written. ``guesses`` say what was decided from the data; ``look_at`` what a person should look at."""

    pipeline: str
    folder: str
    files: tuple[str, ...]
    rows: int
    guesses: tuple[str, ...]
    look_at: tuple[str, ...]
