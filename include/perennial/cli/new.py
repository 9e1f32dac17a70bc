"""``new``: a pipeline folder from a file of data."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from include.perennial.cli.output import Commands, command, print_json
from include.perennial.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from include.perennial.scaffold import Scaffolded

_NEW = """\
Make a pipeline folder and its DAG file from a CSV or Parquet file: pipeline.yaml with the reason of each threshold,
features.py, expectations.py and README.md, the data card. It says what it guessed and what to look at.

The file must hold an outcome that is known (0 and 1, a number, a count or a class), a time in each row, and a key that
occurs once. Nothing that
exists is overwritten. A file of up to 5 MB is copied into the folder; a larger one stays where it is."""


def add_commands(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add the command of this module."""
    parser = command(commands, "new", "make a pipeline folder from a file of data", _NEW)
    parser.add_argument("name", help="name of the pipeline: a-z, 0-9 and _")
    parser.add_argument("--from", dest="file", type=Path, required=True, metavar="FILE", help="CSV or Parquet")
    parser.add_argument(
        "--target", required=True, metavar="COLUMN", help="the outcome to predict: 0 and 1, a number, a count, a class"
    )
    parser.add_argument(
        "--time", required=True, metavar="COLUMN", help="the moment of the row, ISO 8601; UTC if no zone"
    )
    parser.add_argument("--key", required=True, metavar="A[,B]", help="columns that name a row")
    parser.add_argument(
        "--period", help="length of a partition, hour, day, week or month; default: chosen from the data"
    )
    parser.add_argument("--task", help="binary, regression, counts or multiclass; default: chosen from the target")
    parser.add_argument("--leave-out", default="", metavar="A[,B]", help="columns that no model may see")
    parser.add_argument("--keep", default="", metavar="A[,B]", help="columns that are no leak, however strong")
    parser.add_argument("--dags", type=Path, default=PROJECT_ROOT / "dags", help="folder of the DAG files")
    parser.set_defaults(run=_new)


def _new(asked: argparse.Namespace) -> int:
    # Heavy libraries are imported once the arguments are known to be right.
    from include.perennial.scaffold import Asked, scaffold

    done = scaffold(
        Asked(
            name=asked.name,
            file=asked.file,
            target=asked.target,
            time=asked.time,
            key=_names(asked.key),
            period=asked.period or None,
            task=asked.task or None,
            leave_out=_names(asked.leave_out),
            keep=_names(asked.keep),
        ),
        Settings.from_env().pipelines,
        asked.dags,
    )
    if asked.json:
        print_json(done)
    else:
        print(new_text(done))
    return 0


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in text.split(",") if name))


def new_text(done: "Scaffolded") -> str:
    """What was done, as a person reads it."""
    lines = [f"{done.pipeline}: made from {done.rows:,} rows", *(f"  {path}" for path in done.files)]
    lines += ["guessed:", *(f"  - {line}" for line in done.guesses)]
    lines += ["look at:", *(f"  - {line}" for line in done.look_at)]
    return "\n".join([*lines, f"next: ./perennial check {done.pipeline}"])
