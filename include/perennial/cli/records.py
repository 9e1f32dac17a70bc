"""``verify`` and ``reproduce``: is what was recorded still so, and can it be made again?"""

import argparse
from typing import TYPE_CHECKING

from include.perennial.cli.output import Commands, command, console, print_json
from include.perennial.settings import Settings

if TYPE_CHECKING:
    from include.perennial.steps.reproduce import Reproduction
    from include.perennial.steps.verify import Verification

_VERIFY = """\
Look at everything that the ledger has recorded and say what is missing or was changed since:

  the ledger's own hash chain, and its end against the heads that MLflow's versions keep
  registered versions and aliases in MLflow against the ledger
  every model file in MLflow, and this machine's copies, by SHA-256
  every partition of the data registry: entry, object in the DVC remote, this machine's copy
  predictions of each decision, the prediction log, the decision that MLflow shows

Each finding says what, where, expected, found and how to fix it. --repair mends what can be mended without doubt:
aliases, damaged copies, files that an intact copy on this machine can replace. The ledger is never mended; a mended
alias is recorded in it. What was mended is looked at again before it is called so."""
_REPRODUCE = """\
Rebuild a registered version from what was recorded of it and compare: the code of the recorded Git commit in a process
of its own, the data of the recorded commit of the data registry, the recorded parameters and seed, and the packages
that are installed now.

It ends as identical, different (by how much), altered (rebuilt, but what is stored is not what was recorded) or failed
(with the reason, such as missing data). Only identical has exit status 0. Nothing that is stored changes."""


def add_commands(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add the commands of this module."""
    verify = command(commands, "verify", "say what is no longer as it was recorded, and mend what can be", _VERIFY)
    verify.add_argument("pipeline", nargs="?", help="name of a pipeline; default: all that the ledger has")
    verify.add_argument("--repair", action="store_true", help="mend what can be mended")
    verify.set_defaults(run=_verify)
    reproduce = command(commands, "reproduce", "rebuild a registered version and compare", _REPRODUCE)
    reproduce.add_argument("pipeline", help="name of a pipeline")
    reproduce.add_argument("version", help="MLflow's number of a registered version, such as 7")
    reproduce.set_defaults(run=_reproduce)


def _verify(asked: argparse.Namespace) -> int:
    # Heavy libraries are imported once the arguments are known to be right.
    from include.perennial.steps.verify import verify

    names = [asked.pipeline] if asked.pipeline else []
    found = verify(Settings.from_env(), names, repair=asked.repair)
    if asked.json:
        print_json(found, is_whole=found.is_whole, sentence=found.sentence)
    else:
        _print_verification(found)
    return 0 if found.is_whole else 1


def _print_verification(found: "Verification") -> None:
    for finding in found.findings:
        print(f"{finding.pipeline}: {finding.what}{' (mended)' if finding.repaired else ''}")
        for name in ("where", "expected", "found", "fix"):
            print(f"  {name:<9}{getattr(finding, name)}")
    for hidden in found.not_looked_at:
        print(f"not looked at: {hidden}")
    print(found.sentence)


def _reproduce(asked: argparse.Namespace) -> int:
    from include.perennial.steps.reproduce import Outcome, reproduce

    result = reproduce(asked.pipeline, asked.version, Settings.from_env())
    if asked.json:
        print_json(result)
    else:
        _print_reproduction(result)
    return 0 if result.outcome is Outcome.IDENTICAL else 1


def _print_reproduction(result: "Reproduction") -> None:
    from rich.table import Table

    if result.compared:
        table = Table(box=None, pad_edge=False)
        for header in ("compared", "recorded", "rebuilt", ""):
            table.add_column(header)
        for one in result.compared:
            says = "identical" if one.identical else "different"
            if one.difference:
                says += f" by {one.difference:.3g}"
            table.add_row(one.name, _shown(one.recorded), _shown(one.rebuilt), says)
        console().print(table)
    print(f"code {result.code_commit[:12]}, data {result.data_commit[:12]}, run {result.run_key}")
    for note in result.notes:
        print(f"note: {note}")
    print(result.sentence)


def _shown(value: str | float) -> str:
    return value[:16] if isinstance(value, str) else f"{value:.6f}"
