"""A process that rolls back and kills itself half-way."""

import multiprocessing
import os
import signal
import sys
from types import FrameType
from typing import Any

from include.perennial.steps.champion import ChampionStores, rollback
from tests.closed_loop import Loop

_SPAWNER = multiprocessing.get_context("forkserver")
_SPAWNER.set_forkserver_preload([__name__])
_WRITERS = ("steps/champion/crowning.py", "steps/reconcile.py", "ledger/rows.py", "ledger/database.py", "registry.py")
_TIMEOUT_S = 120


def run(loop: Loop, kill_at: int | None) -> tuple[int | None, int]:
    """Roll back in a process of its own, killed at the ``kill_at``-th line that may write; exit code and lines run."""
    lines = _SPAWNER.Value("i", 0)
    process = _SPAWNER.Process(target=_roll_back, args=(loop, kill_at, lines))
    process.start()
    process.join(_TIMEOUT_S)
    return process.exitcode, lines.value


def roll_back(loop: Loop) -> str | None:
    """Who is champion after the roll-back that the process makes."""
    how = {"reason": "incident 7", "actor": "tester", "dry_run": False}
    return rollback(loop.pipeline, ChampionStores.open(loop.settings), **how).champion_version


def _roll_back(loop: Loop, kill_at: int | None, lines: Any) -> None:
    def trace(frame: FrameType, _: str, __: object) -> Any:
        return step if frame.f_code.co_filename.endswith(_WRITERS) else None

    def step(_: FrameType, event: str, __: object) -> Any:
        if event == "line":
            lines.value += 1
            if lines.value == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return step

    sys.settrace(trace)
    roll_back(loop)
