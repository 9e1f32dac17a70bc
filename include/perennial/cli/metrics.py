"""``metrics``: the loop's metrics for Prometheus."""

import argparse
import os
import sys
from pathlib import Path

from include.perennial.cli.output import Commands
from include.perennial.errors import BadInput
from include.perennial.messages import first_line, shown
from include.perennial.settings import Settings

_METRICS = """\
The metrics of the loop, read from the ledger: runs, verdicts, champions, data, drift, performance, and what needs a
person. docs/observability.md lists them.

Without an option they are printed once. --serve answers Prometheus on http://127.0.0.1:9109/metrics until it is ended;
to listen elsewhere set PERENNIAL_METRICS_HOST, and PERENNIAL_METRICS_TOKEN_FILE to a file with a token a line.
--write puts them into a file, whole or not at all, for the textfile collector of node_exporter."""


def add_commands(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add the command of this module."""
    metrics = commands.add_parser(
        "metrics",
        help="the loop's metrics for Prometheus: printed, written or served",
        description=_METRICS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    how = metrics.add_mutually_exclusive_group()
    how.add_argument("--serve", action="store_true", help="answer scrapes over HTTP")
    how.add_argument("--write", type=Path, metavar="FILE", help="write them to FILE, such as …/perennial.prom")
    metrics.set_defaults(run=_metrics)


def _metrics(asked: argparse.Namespace) -> int:
    settings = Settings.from_env()
    if asked.serve:
        return _serve(settings)
    from include.perennial.exporter.exporter import Exporter

    text = Exporter(settings).text()
    if asked.write:
        _write_whole(asked.write, text)
    else:
        sys.stdout.write(text.decode())
    return 0


def _serve(settings: Settings) -> int:
    from include.perennial.exporter.options import ExporterOptions
    from include.perennial.exporter.server import serve

    options = ExporterOptions.from_env()
    print(f"http://{options.host}:{options.port}/metrics", flush=True)
    serve(settings, options)
    return 0


def _write_whole(target: Path, text: bytes) -> None:
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(text)
        unfinished.replace(target)
    except OSError as error:
        raise BadInput(f"The metrics cannot be written to {shown(str(target), 200)}: {first_line(error)}.") from None
