"""Many training runs under one scheduler: does anything hang, does memory grow?

    python -m benchmarks.soak [--runs 200]

Every run is a full one (three fits, judgement, registration, promotion where earned): 42 as-of weeks of 2013, and
again with other parameters. Prints the memory of the stack's processes every 20 runs and fails on a hang, a failed
run or a broken ledger.
"""

import argparse
import shutil
import statistics
import sys
import time

import psutil

from benchmarks.weekly_cycle import PIPELINE, ready, script, week
from embedded import processes
from embedded.airflow_api import Airflow
from embedded.config import Stack, default_home, environment, open_stack
from include.perennial.settings import Settings
from include.perennial.stores.ledger import EventKind, Ledger

WEEKS = 51
WARM_UP_RUNS = 20
# Airflow's own caches settle late; a leak of one task's memory per run would pass this many times over.
ALLOWED_GROWTH = 1.25


def memory_mb(stack: Stack) -> dict[str, float]:
    """Unique resident megabytes of each process of the stack with its children."""
    return {name: _tree_mb(psutil.Process(pid)) for name, pid in sorted(processes.running(stack).items())}


def _tree_mb(root: psutil.Process) -> float:
    total = 0.0
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss / 2**20
        except psutil.NoSuchProcess:
            continue
    return total


def train(airflow: Airflow, n: int, first: int) -> float:
    """One training run; every lap over the weeks has other parameters, so that nothing is found done."""
    lap, offset = divmod(n, WEEKS - first)
    conf = {"partition": week(first + offset), "overrides": {"logistic_regression": {"C": 0.01 * (lap + 1)}}}
    started = time.monotonic()
    run_id = airflow.trigger(f"{PIPELINE}.train", conf)
    state = airflow.wait(f"{PIPELINE}.train", run_id, timeout_s=180)["state"]
    if state != "success":
        raise RuntimeError(f"run {n} of {conf['partition']} ended as {state}")
    return time.monotonic() - started


def main() -> int:
    """Soak a fresh stack; 0 if nothing hung, failed or grew."""
    processes.stop_on_terminate()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    shutil.rmtree(default_home() / "soak", ignore_errors=True)
    stack = open_stack(default_home() / "soak")
    try:
        airflow = ready(stack)
        script(stack, [f"{week(n)}+" for n in range(WEEKS)])
        seconds, memory = soak(airflow, stack, runs)
        ledger = Ledger.open(Settings.from_env(environment(stack)).ledger_url)
        problems = ledger.verify()
        judged = len(ledger.events(PIPELINE, [EventKind.JUDGED]))
    finally:
        processes.stop(stack)
    growth = sum(memory[-1].values()) / sum(memory[0].values())
    print(f"{runs} runs, {judged} decisions, median {statistics.median(seconds):.1f} s, longest {max(seconds):.1f} s")
    print(f"memory {growth:.2f} times that after {WARM_UP_RUNS} runs; ledger problems: {problems or 'none'}")
    return 0 if growth < ALLOWED_GROWTH and not problems and judged == runs else 1


def soak(airflow: Airflow, stack: Stack, runs: int) -> tuple[list[float], list[dict[str, float]]]:
    """Seconds of every run, and memory every 20 runs."""
    seconds: list[float] = []
    memory: list[dict[str, float]] = []
    for n in range(runs):
        seconds.append(train(airflow, n, first=8))
        if (n + 1) % WARM_UP_RUNS == 0:
            memory.append(memory_mb(stack))
            sizes = "  ".join(f"{name} {mb:.0f}" for name, mb in memory[-1].items())
            print(f"  {n + 1:>4} runs  {statistics.median(seconds[-20:]):5.1f} s  MB: {sizes}", flush=True)
    return seconds, memory


if __name__ == "__main__":
    sys.exit(main())
