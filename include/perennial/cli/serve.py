"""``serve``: the model server."""

import argparse
import logging
import os

from include.perennial.cli.output import Commands
from include.perennial.settings import Settings

_SERVE = """\
Answer predictions of the champion over HTTP, and follow the ledger: a promotion or a roll-back takes effect within
seconds, and no request is dropped. It needs the ledger to start and goes on without it; it needs MLflow only for a
model that this machine has never loaded.

POST /v1/predict/<pipeline>   {"rows": [{column: value, ...}, ...]}: every column of pipeline.yaml but the target
GET  /v1/models               who serves, and the columns
GET  /v1/openapi.json         the same, for programs
GET  /health, /ready          for a supervisor and a load balancer; they need no token
GET  /metrics                 for Prometheus

It listens on loopback. To listen elsewhere set PERENNIAL_SERVE_TOKEN_FILE to a file with a token a line. Every setting
is in docs/serving.md."""


def add_commands(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add the command of this module."""
    serve = commands.add_parser(
        "serve",
        help="answer predictions of the champion over HTTP",
        description=_SERVE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.add_argument("pipelines", nargs="*", metavar="pipeline", help="names of pipeline folders; default: all")
    serve.set_defaults(run=_serve)


def _serve(asked: argparse.Namespace) -> int:
    # Requests are many and small: threads inside of one prediction only get in each other's way.
    # Read when the libraries are imported, which happens below.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from include.perennial.serving.options import ServeOptions
    from include.perennial.serving.server import serve

    # Who serves since when belongs into a server's log.
    logging.getLogger("include.perennial.serving").setLevel(logging.INFO)
    options = ServeOptions.from_env()
    print(f"http://{options.host}:{options.port}", flush=True)
    serve(asked.pipelines, Settings.from_env(), options)
    return 0
