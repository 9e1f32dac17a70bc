"""Runs a program as if on a machine of its own: its own network, files and name, on Linux.

The program sees a loopback interface with nothing on it but the ports that are named, and of the hidden folders
only what is kept. A port is passed through a Unix socket, ``FOLDER/PORT.sock``; a relay outside (``relay``)
connects it to the server. Started by `unshare`::

    unshare --net --mount --uts python -m embedded.production.machine --sockets FOLDER --port 5432 \
        --hide HOME --keep HOME/worker-1 --code HOME/worker-1/code -- airflow celery worker
"""

import argparse
import asyncio
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from embedded.production.relay import Relay

UNSHARE = ("unshare", "--net", "--mount", "--uts")
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1  # SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP of <linux/sockios.h>


def is_possible() -> bool:
    """Whether this process may make networks and mounts: a root with the capabilities, which containers often lack."""
    try:
        done = subprocess.run([*UNSHARE, sys.executable, "-c", "pass"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def main() -> int:
    """Set the machine up and run the program; returns its exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sockets", type=Path, required=True)
    parser.add_argument("--port", type=int, action="append", default=[])
    parser.add_argument("--hide", type=Path, action="append", default=[])
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--code", type=Path, required=True)
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args()
    # Whoever stops the group means the program; this process ends when the program has.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _left_to_the_program)
    _hide(asked.hide, asked.keep)
    _loopback_up()
    socket.sethostname(asked.keep.name)
    return asyncio.run(_run(asked.sockets, asked.port, asked.code, asked.command))


def _left_to_the_program(number: int, frame: object) -> None:
    return


def _hide(folders: list[Path], keep: Path) -> None:
    """Mount an empty folder over each of ``folders``; ``keep`` appears again in its place."""
    aside = Path(tempfile.mkdtemp())
    _mount("--bind", str(keep), str(aside))
    for folder in folders:
        _mount("-t", "tmpfs", "-o", "mode=0711", "tmpfs", str(folder))
    keep.mkdir(parents=True, exist_ok=True)
    _mount("--move", str(aside), str(keep))
    aside.rmdir()


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, _GET_FLAGS, request))[1]
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags | _UP))


async def _run(sockets: Path, ports: list[int], code: Path, command: list[str]) -> int:
    relays = [Relay(f"tcp:{port}", f"unix:{sockets / f'{port}.sock'}") for port in ports]
    serving = [asyncio.create_task(relay.serve()) for relay in relays]
    program = await asyncio.create_subprocess_exec(*command, cwd=code, env=os.environ | {"PYTHONPATH": str(code)})
    status = await program.wait()
    for task in serving:
        task.cancel()
    return status


if __name__ == "__main__":
    sys.exit(main())
