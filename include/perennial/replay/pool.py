"""Two worker processes: what the replay's promise of minutes is about."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

WORKERS = 2


def worker_pool(workers: int = WORKERS) -> ProcessPoolExecutor:
    """Processes forked from a server that has imported the libraries once and has no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["include.perennial.replay.walk", "include.perennial.steps.validate"])
    return ProcessPoolExecutor(workers, mp_context=context)
