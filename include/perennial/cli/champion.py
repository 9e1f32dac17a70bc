"""``rollback``, ``freeze`` and ``unfreeze``: what a person does to the champion."""

import argparse
import getpass
from typing import TYPE_CHECKING

from include.perennial.cli.output import Commands, command, print_json
from include.perennial.settings import Settings

if TYPE_CHECKING:
    from include.perennial.steps.champion import ChampionChange

_DRY = "Without --yes it is a dry run: it says what would happen and changes nothing."
_ROLLBACK = f"""\
Make an earlier champion the champion again: VERSION, or the one that the champion took over from.

Before it is crowned the version is proved to serve: it is in MLflow, its files have the SHA-256 of the ledger and
load, it scores the newest partition, and it predicts what it predicted before. If not, the champion stays.
The roll-back is an entry in the ledger; MLflow's alias follows. Training goes on: a newer model may be promoted later,
so freeze the pipeline if none should.

{_DRY}"""
_FREEZE = f"""\
Keep the champion, whatever is trained: nothing is promoted, not even by force, and nothing is rolled back, until
somebody unfreezes the pipeline. Training, scoring and monitoring go on.

{_DRY}"""
_UNFREEZE = f"""\
Let the champion change again after a freeze.

{_DRY}"""


def add_commands(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add the commands of this module."""
    rollback = command(commands, "rollback", "make an earlier champion the champion again", _ROLLBACK)
    _add_pipeline(rollback)
    rollback.add_argument("version", nargs="?", help="MLflow's number of an earlier champion, such as 7")
    _add_reason(rollback)
    rollback.set_defaults(run=_rollback)
    for name, summary, text in (
        ("freeze", "keep the champion, whatever is trained", _FREEZE),
        ("unfreeze", "let the champion change again", _UNFREEZE),
    ):
        parser = command(commands, name, summary, text)
        _add_pipeline(parser)
        _add_reason(parser)
        parser.set_defaults(run=_freezing, name=name)


def _add_pipeline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pipeline", help="name of a pipeline folder")


def _add_reason(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", required=True, help="why, 1 to 500 characters; the ledger keeps it")
    parser.add_argument("--yes", action="store_true", help="do it; without this it is a dry run")


def _rollback(asked: argparse.Namespace) -> int:
    # Heavy libraries are imported once the arguments are known to be right.
    from include.perennial.pipeline_folder import load_pipeline
    from include.perennial.steps.champion import ChampionStores, rollback

    settings = Settings.from_env()
    pipeline = load_pipeline(asked.pipeline, settings.pipelines)
    done = rollback(
        *(pipeline, ChampionStores.open(settings)),
        version=asked.version,
        reason=asked.reason,
        actor=_actor(),
        dry_run=not asked.yes,
    )
    return _tell(asked, done)


def _freezing(asked: argparse.Namespace) -> int:
    from include.perennial.pipeline_folder import load_pipeline
    from include.perennial.steps.champion import freeze, unfreeze
    from include.perennial.stores.ledger import Ledger

    settings = Settings.from_env()
    name = load_pipeline(asked.pipeline, settings.pipelines).spec.name
    change = freeze if asked.name == "freeze" else unfreeze
    ledger = Ledger.open(settings.ledger_url)
    return _tell(asked, change(name, ledger, reason=asked.reason, actor=_actor(), dry_run=not asked.yes))


def _actor() -> str:
    return f"cli:{getpass.getuser()}"


def _tell(asked: argparse.Namespace, done: "ChampionChange") -> int:
    if asked.json:
        print_json(done)
    else:
        print(done.sentence)
        if done.dry_run:
            print("Add --yes to do it.")
    return 0
