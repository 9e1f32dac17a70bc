"""``retain``: remove what nobody needs any more."""

import argparse
from typing import TYPE_CHECKING

from include.perennial.cli.output import Commands, command, print_json
from include.perennial.settings import Settings

if TYPE_CHECKING:
    from include.perennial.steps.retention import Retention

_RETAIN = """\
Remove raw deliveries, copies of partitions, quarantines, data docs, cards and drift reports of partitions before
KEEP_FROM. What the champion, the champions before it and every version in waiting rest on stays, whatever its age; so
do the data registry with its DVC remote, MLflow, the prediction log and the ledger, so that every version can still be
reproduced and every decision explained.

Without --yes it is a dry run: it says what would be removed and changes nothing."""


def add_commands(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add the command of this module."""
    retain = command(commands, "retain", "remove old deliveries, copies and reports that nothing needs", _RETAIN)
    retain.add_argument("pipeline", help="name of a pipeline folder")
    retain.add_argument(
        "keep_from", metavar="KEEP_FROM", help="key of the oldest partition to keep, such as 2013-06-03"
    )
    retain.add_argument("--previous", type=int, default=3, metavar="N", help="earlier champions to keep whole (3)")
    retain.add_argument("--yes", action="store_true", help="do it; without this it is a dry run")
    retain.set_defaults(run=_retain)


def _retain(asked: argparse.Namespace) -> int:
    from include.perennial.pipeline_folder import load_pipeline
    from include.perennial.steps.retention import retain
    from include.perennial.stores.ledger import Ledger
    from include.perennial.stores.objects import ObjectStore

    settings = Settings.from_env()
    done = retain(
        *(load_pipeline(asked.pipeline, settings.pipelines), asked.keep_from),
        ledger=Ledger.open(settings.ledger_url),
        store=ObjectStore.open(settings),
        previous_champions=asked.previous,
        dry_run=not asked.yes,
    )
    if asked.json:
        print_json(done)
    else:
        _print(done)
    return 0


def _print(done: "Retention") -> None:
    for area, count in sorted(done.removed.items()):
        print(f"  {area:<11}{count:>7,}")
    print(done.sentence)
    if done.dry_run:
        print("Add --yes to do it.")
