"""`make run`: the loop of one pipeline, and a table of what it decided."""

import argparse
import sys
import time

from rich.console import Console

from embedded import job, processes
from embedded.config import Stack, environment
from embedded.plan import Job, choose
from embedded.report import Timings, show
from include.perennial.pipeline_folder import load_pipeline
from include.perennial.settings import Settings


def run(stack: Stack, *arguments: str) -> int:
    """Close the loop of a pipeline, or find it closed; 0 only if it is."""
    parser = argparse.ArgumentParser(prog="python -m embedded run", description=run.__doc__)
    parser.add_argument("pipeline", nargs="?", help="default: flight_delays over half of 2013")
    parser.add_argument("--from", dest="first", metavar="KEY", help="first partition; default: as many as needed")
    parser.add_argument("--to", dest="last", metavar="KEY", help="last partition; default: the newest of the source")
    asked = parser.parse_args(arguments)
    chosen = _job(stack, asked.pipeline, asked.first, asked.last)
    started = time.monotonic()
    outcome = job.state(stack, chosen)
    already = outcome.closed
    if not already:
        outcome = job.close_loop(stack, chosen, processes.timed_lines())
    timings = Timings.load(stack, chosen.pipeline)
    show(outcome, timings, Console(width=None if sys.stdout.isatty() else 140))
    if already:
        print(f"All of this was done before; nothing was started. Checked in {time.monotonic() - started:.1f} s.")
    elif outcome.closed:
        print(f"The loop closed in {time.monotonic() - started:.0f} s. `make up` shows it in Airflow and MLflow.")
    return 0 if outcome.closed else 1


def _job(stack: Stack, name: str | None, first: str | None, last: str | None) -> Job:
    if first is None and last is None and name in (None, job.FLIGHTS.pipeline):
        return job.FLIGHTS
    settings = Settings.from_env(environment(stack))
    chosen = choose(load_pipeline(name or job.FLIGHTS.pipeline, settings.pipelines), first, last)
    print(chosen.sentence, flush=True)
    return chosen
