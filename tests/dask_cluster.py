"""A Dask scheduler and two workers on loopback, started by the commands of ``docs/beyond-one-machine.md``."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from include.perennial.settings import PROJECT_ROOT
from tests.documents import commands_of
from tests.servers import free_port

PAGE = PROJECT_ROOT / "docs" / "beyond-one-machine.md"
_PORT_OF_PAGE = "8786"


@contextmanager
def dask_cluster(home: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Its address; ``settings`` are added to the workers' environment, ``home`` is where they write."""
    home.mkdir(parents=True)
    port = str(free_port())
    started = []
    env = {name: value for name, value in os.environ.items() if not name.startswith("PERENNIAL_")}
    env |= {"PYTHONPATH": str(PROJECT_ROOT), "PATH": f"{Path(sys.executable).parent}:{env['PATH']}", **settings}
    try:
        for n, command in enumerate(commands_of(PAGE)):
            with (home / f"{n}.log").open("w") as output:
                # The nannies of the workers are processes too: all end with their group.
                started.append(
                    subprocess.Popen(
                        shlex.split(command.replace(_PORT_OF_PAGE, port)),
                        cwd=home,
                        env=env,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=output,
                        start_new_session=True,
                    )
                )
        yield f"tcp://127.0.0.1:{port}"
    finally:
        for process in reversed(started):
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(20)
