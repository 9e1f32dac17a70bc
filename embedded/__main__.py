"""The commands behind the Makefile: run, up, down, status, env."""

import argparse
import os
import shlex
import sys
import time

from rich.console import Console

from embedded import job, processes
from embedded.airflow_api import ApiError
from embedded.config import USER, Stack, default_home, environment, open_stack, with_free_ports
from embedded.plan import Job, choose
from embedded.report import Timings, show
from include.perennial.errors import PerennialError
from include.perennial.pipeline_folder import load_pipeline
from include.perennial.settings import Settings

_USAGE = "usage: python -m embedded {up,down,status,env,run [PIPELINE] [--from KEY] [--to KEY]}"


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit status."""
    commands = {"run": run, "up": up, "down": down, "status": status, "env": env}
    if not arguments or arguments[0] not in commands or (len(arguments) > 1 and arguments[0] != "run"):
        print(_USAGE, file=sys.stderr)
        return 2
    processes.stop_on_terminate()
    try:
        return commands[arguments[0]](open_stack(default_home()), *arguments[1:])
    except (job.LoopError, processes.StackError, ApiError, PerennialError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been stopped", file=sys.stderr)
        return 130


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
        outcome = job.close_loop(stack, chosen, lambda line: _tell(line, started))
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


def up(stack: Stack) -> int:
    """Start the stack and leave it running."""
    started = time.monotonic()
    if not processes.running(stack):
        stack = with_free_ports(stack)
    processes.start(stack, lambda line: _tell(line, started))
    print(f"Airflow  {stack.airflow_url}   user {USER}, password {stack.password}")
    print(f"MLflow   {stack.mlflow_url}")
    print(f"Logs     {stack.logs}\nStop it with `make down`.")
    return 0


def down(stack: Stack) -> int:
    """Stop the stack."""
    names = ", ".join(processes.running(stack))
    processes.stop(stack)
    print(f"stopped {names}" if names else "nothing was running")
    return 0


def status(stack: Stack) -> int:
    """List the processes; 0 if all run."""
    alive = processes.running(stack)
    for name in stack.commands():
        print(f"{name:<14} {'running, process ' + str(alive[name]) if name in alive else 'not running'}")
    if alive:
        print(f"Airflow  {stack.airflow_url}\nMLflow   {stack.mlflow_url}")
    return 0 if len(alive) == len(stack.commands()) else 3


def env(stack: Stack) -> int:
    """Print the stack's environment as shell exports, for `airflow` on the command line; it holds secrets."""
    for name, value in environment(stack).items():
        if os.environ.get(name) != value:
            print(f"export {name}={shlex.quote(value)}")
    return 0


def _tell(line: str, started: float) -> None:
    print(f"[{time.monotonic() - started:6.1f} s] {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
