"""``backup`` and ``restore``: everything that is recorded, to another folder or machine."""

import argparse
from pathlib import Path

from include.perennial.cli.output import Commands, command, print_json
from include.perennial.settings import Settings

_BACKUP = """\
Copy the ledger, MLflow with its model files, the data registry, its DVC remote and the object store into FOLDER, which
is new or empty, with the SHA-256 of every file in manifest.json. The loop may go on: what is recorded in the copy is in
the copy. Not in it: secrets, logs, caches and what Airflow remembers of its runs.

For a stack of one machine (make run, make up). docs/backup.md has the commands for PostgreSQL, Git and S3."""
_RESTORE = """\
Put the backup in FOLDER where PERENNIAL_HOME has its stores. Nothing is overwritten: anything there is a refusal.
Every file's SHA-256 is checked before one is written. Then start the stack (make up) and run `perennial verify`.

Without --yes it is a dry run: it checks the backup and the target and writes nothing."""


def add_commands(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add the commands of this module."""
    backup = command(commands, "backup", "copy everything that is recorded into a folder", _BACKUP)
    backup.add_argument("folder", metavar="FOLDER", type=Path, help="a new or empty folder")
    backup.set_defaults(run=_backup)
    restore = command(commands, "restore", "put a backup into an empty home", _RESTORE)
    restore.add_argument("folder", metavar="FOLDER", type=Path, help="folder of a backup")
    restore.add_argument("--yes", action="store_true", help="do it; without this it is a dry run")
    restore.set_defaults(run=_restore)


def _backup(asked: argparse.Namespace) -> int:
    from include.perennial.steps.backup import save

    done = save(Settings.from_env(), asked.folder)
    if asked.json:
        print_json(done)
    else:
        print("\n".join([*(f"  {head}" for head in done.heads), done.sentence]))
    return 1 if done.problems else 0


def _restore(asked: argparse.Namespace) -> int:
    from include.perennial.steps.backup import restore

    done = restore(Settings.from_env(), asked.folder, dry_run=not asked.yes)
    if asked.json:
        print_json(done)
    else:
        print("\n".join([*(f"  {head}" for head in done.heads), done.sentence]))
        if done.dry_run:
            print("Add --yes to do it.")
    return 0
