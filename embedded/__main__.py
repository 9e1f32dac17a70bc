"""The commands behind the Makefile: run, up, down, status, env."""

import os
import shlex
import sys

from embedded import processes
from embedded.airflow_api import ApiError
from embedded.config import USER, Stack, default_home, environment, open_stack, with_free_ports
from include.perennial.errors import PerennialError

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
    except (processes.StackError, ApiError, PerennialError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been stopped", file=sys.stderr)
        return 130


def run(stack: Stack, *arguments: str) -> int:
    """Close the loop of a pipeline, or find it closed; 0 only if it is."""
    from embedded.run import run  # its libraries take seconds to import, which the other commands need not wait for

    return run(stack, *arguments)


def up(stack: Stack) -> int:
    """Start the stack and leave it running."""
    tell = processes.timed_lines()
    if not processes.running(stack):
        stack = with_free_ports(stack)
    processes.start(stack, tell)
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
