"""What all commands share: their form in the parser, and how results are printed."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from include.perennial.contracts import Contract

if TYPE_CHECKING:
    from rich.console import Console

Commands = argparse._SubParsersAction  # its public name does not exist


def command(
    commands: "Commands[argparse.ArgumentParser]", name: str, summary: str, text: str
) -> argparse.ArgumentParser:
    """A new command with ``--json``; ``summary`` stands in the list, ``text`` in its own help."""
    parser = commands.add_parser(
        name, help=summary, description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    return parser


def print_json(result: Contract, **more: object) -> None:
    """``result`` as one JSON object, with the fields ``more``."""
    print(json.dumps(result.model_dump(mode="json") | more, indent=2))


def console() -> "Console":
    """Where tables are printed: as wide as the terminal, 140 characters in a file."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 140, highlight=False, markup=False)
