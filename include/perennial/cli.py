"""Commands for people and scripts, without Airflow: ``python -m include.perennial.cli <command> --help``."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from include.perennial.errors import PerennialError
from include.perennial.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit status: 0 done, 1 refused or failed with a message, 2 wrong usage."""
    asked = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        return int(asked.run(asked))
    except PerennialError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include.perennial.cli", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_replay(commands)
    return parser


def _add_replay(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "compare retraining policies over months of partitions; changes nothing but files of its own"
    replay = commands.add_parser("replay", help=text, description=text)
    replay.add_argument("pipeline", help="name of a pipeline folder")
    replay.add_argument("first", metavar="from", help="key of the first partition to decide on, such as 2013-03-04")
    replay.add_argument("last", metavar="to", help="key of the last one")
    replay.add_argument(
        "--policy",
        action="append",
        metavar="NAME",
        help="never, schedule, schedule/<n>, drift, performance or drift+performance; may be repeated; default: all",
    )
    replay.add_argument("--out", type=Path, help="folder of the CSV and the plot; default: replay/ in PERENNIAL_HOME")
    replay.add_argument("--json", action="store_true", help="print the result as one JSON object instead of a table")
    replay.set_defaults(run=_replay)


def _replay(asked: argparse.Namespace) -> int:
    # Heavy libraries are imported once the arguments are known to be right.
    from rich.console import Console

    from include.perennial.pipeline_folder import load_pipeline
    from include.perennial.replay.outcome import table
    from include.perennial.replay.policies import DEFAULT_NAMES, parse_policy
    from include.perennial.replay.pool import worker_pool
    from include.perennial.replay.run import replay, write

    settings = Settings.from_env()
    pipeline = load_pipeline(asked.pipeline, settings.pipelines)
    policies = [parse_policy(name) for name in dict.fromkeys(asked.policy or DEFAULT_NAMES)]
    with worker_pool() as workers:
        found = replay(pipeline, settings, asked.first, asked.last, policies, workers, _tell)
    csv, png = write(found, asked.out or settings.home / "replay")
    if asked.json:
        result = found.model_dump(mode="json", exclude={"walks"})
        print(json.dumps({**result, "best": found.best, "csv": str(csv), "plot": str(png)}, indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else 140).print(table(found))
        print(f"{csv}\n{png}")
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
