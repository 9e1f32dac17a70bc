"""Run one program, and start it again when it ends by itself: what a restart policy does where there are containers.

`python embedded/keeper.py PROGRAM [ARGUMENT …]`. Airflow on SQLite needs it: under many writers at once its scheduler
can find the database locked, and ends.
"""

import signal
import subprocess
import sys
import time
from types import FrameType

# A program that ends sooner does not come up at all, and starting it again would only hide why.
COMES_UP_WITHIN_S = 20
PAUSE_S = 1


def main(command: list[str]) -> int:
    """Exit status of ``command``, once it was asked to stop, ended well or did not come up."""
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        child.send_signal(number)

    while True:
        started = time.monotonic()
        child = subprocess.Popen(command)
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
        status = child.wait()
        if stopping or status == 0 or time.monotonic() - started < COMES_UP_WITHIN_S:
            return abs(status)
        print(f"{command[0]} ended with status {status}: starting it again", file=sys.stderr, flush=True)
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
