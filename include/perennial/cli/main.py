"""The parser of all commands, and what becomes of an error."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence

from include.perennial.cli import (
    backup,
    champion,
    check,
    ledger,
    metrics,
    new,
    reading,
    records,
    replay,
    retention,
    serve,
)
from include.perennial.errors import PerennialError

_DESCRIPTION = """\
Look after the models of this installation, without Airflow.

The stores are those of PERENNIAL_HOME, PERENNIAL_LEDGER, MLFLOW_TRACKING_URI and so on (see .env.example). The script
`perennial` in the checkout takes those of `make up` and `make run` when none is set."""
_EXIT_STATUS = """\
exit status: 0 done or all is well; 1 refused, failed, or something is not as it was recorded; 2 wrong usage.
With --json each command prints one JSON object on stdout, errors too, and nothing else."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit status: 0 done, 1 refused or failed with a message, 2 wrong usage."""
    asked = parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    # Each repeat of a request would be told before the error that sums them up.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    try:
        return int(asked.run(asked))
    except PerennialError as error:
        if getattr(asked, "json", False):
            print(json.dumps({"error": str(error)}))
        print(f"error: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="perennial",
        description=_DESCRIPTION,
        epilog=_EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for module in (reading, records, champion, ledger, backup, retention, replay, serve, metrics, check, new):
        module.add_commands(commands)
    return parser
