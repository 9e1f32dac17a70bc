"""``replay``: compare retraining policies over months."""

import argparse
import json
import sys
from pathlib import Path

from include.perennial.cli.output import Commands, command
from include.perennial.settings import Settings


def add_commands(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add the command of this module."""
    text = "compare retraining policies over months of partitions; changes nothing but files of its own"
    replay = command(commands, "replay", text, text)
    replay.add_argument("pipeline", help="name of a pipeline folder")
    replay.add_argument("first", metavar="from", help="key of the first partition to decide on, such as 2013-03-04")
    replay.add_argument("last", metavar="to", help="key of the last one")
    replay.add_argument(
        "--policy",
        action="append",
        metavar="NAME",
        help="never, or of schedule, schedule/<n>, drift and performance those joined by +; may be repeated",
    )
    replay.add_argument("--out", type=Path, help="folder of the CSV and the plot; default: replay/ in PERENNIAL_HOME")
    text = "say whether the ledger holds the same decisions over the same windows; exit status 1 if one differs"
    replay.add_argument("--check", action="store_true", help=text)
    replay.set_defaults(run=_replay)


def _replay(asked: argparse.Namespace) -> int:
    # Heavy libraries are imported once the arguments are known to be right.
    from rich.console import Console

    from include.perennial.pipeline_folder import load_pipeline
    from include.perennial.replay.agreement import agreement
    from include.perennial.replay.outcome import table
    from include.perennial.replay.policies import DEFAULT_NAMES, parse_policy
    from include.perennial.replay.pool import worker_pool
    from include.perennial.replay.run import replay, write
    from include.perennial.stores.ledger import Ledger

    settings = Settings.from_env()
    pipeline = load_pipeline(asked.pipeline, settings.pipelines)
    policies = [parse_policy(name) for name in dict.fromkeys(asked.policy or DEFAULT_NAMES)]
    with worker_pool() as workers:
        found = replay(pipeline, settings, asked.first, asked.last, policies, workers, _tell)
    csv, png = write(found, asked.out or settings.home / "replay")
    ledger = Ledger.open(settings.ledger_url) if asked.check else None
    checked = [agreement(walk, pipeline.spec.name, ledger) for walk in found.walks] if ledger else []
    if asked.json:
        result = found.model_dump(mode="json", exclude={"walks"}) | {"best": found.best}
        result |= {"agreements": [one.model_dump(mode="json") for one in checked]}
        print(json.dumps(result | {"csv": str(csv), "plot": str(png)}, indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else 140).print(table(found))
        print("\n".join([*(line for one in checked for line in (one.sentence, *one.differences)), str(csv), str(png)]))
    return 1 if any(one.differences for one in checked) else 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
