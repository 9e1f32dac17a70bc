"""``ledger upgrade``: bring the ledger's schema to the version of this code."""

import argparse
import json
from dataclasses import asdict

from include.perennial.cli.output import Commands, command
from include.perennial.settings import Settings

_UPGRADE = """\
Bring the ledger of PERENNIAL_LEDGER to the schema of this code, in one transaction: it is upgraded wholly or not at
all, and no recorded event changes. An empty database gets the schema. Run it once when a new version is installed,
after a backup, with a database user that may create tables; running it again changes nothing.

A ledger in an SQLite file is upgraded by whoever opens it and needs no command. A ledger is never downgraded."""


def add_commands(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add the commands of this module."""
    parser = commands.add_parser("ledger", help="the ledger's schema", description="The ledger's schema.")
    upgrade = command(
        parser.add_subparsers(required=True, metavar="command"), "upgrade", "bring it to this code's version", _UPGRADE
    )
    upgrade.set_defaults(run=_upgrade)


def _upgrade(asked: argparse.Namespace) -> int:
    from include.perennial.stores.ledger import Ledger

    done = Ledger.upgrade(Settings.from_env().ledger_url)
    if asked.json:
        print(json.dumps(asdict(done), indent=2))
        return 0
    if done.before is None:
        print(f"The ledger was made, with schema {done.after}.")
    elif done.before == done.after:
        print(f"The ledger has schema {done.after}, which this code needs: {done.events:,} events.")
    else:
        print(
            f"The ledger was upgraded from schema {done.before} to {done.after}: {done.events:,} events, none changed."
        )
    return 0
