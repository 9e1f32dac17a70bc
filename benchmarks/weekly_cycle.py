"""A weekly cycle under the running scheduler against one cold script, and a backfill against a warm loop.

    python -m benchmarks.weekly_cycle [--repeats 5] [--weeks 12] [--only weekly|backfill]

Both sides do the same job with the same library code on the same weeks, in turns, in one run:
fetch, validate and version one week, fit the example's three candidates, evaluate, gate, register, promote.
Each side has its own stores and its own MLflow server. Prints medians, ratios and where the scheduler's seconds go.
"""

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

import psutil

from embedded import processes
from embedded.airflow_api import Airflow
from embedded.config import PROJECT, Stack, default_home, environment, open_stack
from include.perennial.partitions import Partition, Period

PIPELINE = "flight_delays"
FIRST = Partition.of_key("2013-01-07", Period.WEEK)
HISTORY_WEEKS = 8
_AT_ONCE = 3  # one more than cores: while one run is between tasks, two work
_WORK = re.compile(r"work took ([\d.]+) s")


def week(n: int) -> str:
    """Key of the ``n``-th full week of 2013."""
    return FIRST.shift(n).key


def script(stack: Stack, keys: list[str]) -> tuple[float, dict[str, float]]:
    """Run the plain script in a cold process; wall seconds and its own split."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cold_week", *keys],
        env=environment(stack), cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    wall_s = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"the script failed: {done.stderr[-2000:]}")
    return wall_s, json.loads(done.stdout.splitlines()[-1])


def cycle(airflow: Airflow, key: str) -> tuple[float, list[dict[str, Any]]]:
    """Trigger ingest, then train, of one week; wall seconds from the first trigger to the last finish."""
    started = time.perf_counter()
    tasks = []
    for step in ("ingest", "train"):
        dag_id = f"{PIPELINE}.{step}"
        run_id = airflow.trigger(dag_id, {"partition": key})
        if airflow.wait(dag_id, run_id)["state"] != "success":
            raise RuntimeError(f"{dag_id} {run_id} failed")
        tasks.append((dag_id, run_id))
    wall_s = time.perf_counter() - started
    return wall_s, [
        split(airflow, dag_id, t) for dag_id, run_id in tasks for t in airflow.task_instances(dag_id, run_id)
    ]


def split(airflow: Airflow, dag_id: str, task: dict[str, Any]) -> dict[str, Any]:
    """Seconds of one task: queued, started (fork, parse, import), worked, finished."""
    start, end = _moment(task["start_date"]), _moment(task["end_date"])
    queued = _moment(task["queued_when"] or task["start_date"])
    text = airflow.log(dag_id, task["dag_run_id"], task["task_id"], task["try_number"], task["map_index"])
    found = _WORK.search(text)
    work = float(found.group(1)) if found else 0.0
    return {
        "task": f"{dag_id.rsplit('.', maxsplit=1)[-1]}.{task['task_id']}",
        "queue": max(0.0, start - queued),
        "start and end": max(0.0, end - start - work),
        "work": work,
    }


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def prepare(stack: Stack, history: list[str], *, champion: str | None) -> None:
    """Fill the history through the script, so that both sides start from the same state."""
    script(stack, [f"{key}+" for key in history] + ([champion] if champion else []))


def only_mlflow(stack: Stack) -> None:
    """Start the script's own MLflow server and nothing else."""
    stack.logs.mkdir(parents=True, exist_ok=True)
    processes.start_one(stack, "mlflow")


def weekly(scheduled: Stack, plain: Stack, repeats: int) -> dict[str, Any]:
    """The weekly cycle on both sides, taking turns in going first."""
    airflow = ready(scheduled)
    for stack in (scheduled, plain):
        prepare(stack, [week(n) for n in range(HISTORY_WEEKS)], champion=week(HISTORY_WEEKS))
    cycle(airflow, week(HISTORY_WEEKS + 1))  # the fork server imports once per scheduler start, not once per week
    script(plain, [week(HISTORY_WEEKS + 1)])
    walls: dict[str, list[float]] = defaultdict(list)
    tasks: list[dict[str, Any]] = []
    steps: list[dict[str, float]] = []
    for n in range(repeats):
        key = week(HISTORY_WEEKS + 2 + n)
        for side in ("script", "scheduler") if n % 2 else ("scheduler", "script"):
            if side == "script":
                wall_s, split_s = script(plain, [key])
                steps.append(split_s)
            else:
                wall_s, of_tasks = cycle(airflow, key)
                tasks += of_tasks
            walls[side].append(wall_s)
            print(f"  {key}  {side:<9} {wall_s:6.2f} s", flush=True)
    return {"walls": walls, "tasks": tasks, "steps": steps}


def ready(stack: Stack) -> Airflow:
    """Start the stack and switch the two DAGs on."""
    processes.start(stack)
    airflow = Airflow(stack)
    for step in ("ingest", "train"):
        airflow.wait_for_dag(f"{PIPELINE}.{step}")
        airflow.unpause(f"{PIPELINE}.{step}")
    time.sleep(5)
    for step in ("ingest", "train"):
        for run in airflow.runs(f"{PIPELINE}.{step}"):
            airflow.wait(f"{PIPELINE}.{step}", run["dag_run_id"])
    return airflow


def backfill(scheduled: Stack, plain: Stack, weeks: int) -> dict[str, float]:
    """``weeks`` past weeks of ingest and train: a backfill of both DAGs against the loop in one warm process.

    A champion of a later week is in place, so that no run waits for another's promotion and several may run at once.
    """
    airflow = ready(scheduled)
    first_later = HISTORY_WEEKS + weeks
    others = [*range(HISTORY_WEEKS), *range(first_later, first_later + HISTORY_WEEKS)]
    keys = [week(HISTORY_WEEKS + n) for n in range(weeks)]
    for stack in (scheduled, plain):
        prepare(stack, [week(n) for n in others], champion=week(first_later + HISTORY_WEEKS))
    _, split_s = script(plain, keys)
    print("  loop by step: " + "  ".join(f"{step} {seconds:.1f}" for step, seconds in split_s.items()), flush=True)
    loop_s = split_s["total"] - split_s["import"]
    started, before = time.perf_counter(), cpu_seconds(scheduled)
    for step in ("ingest", "train"):
        airflow.backfill(f"{PIPELINE}.{step}", keys[0], keys[-1], max_active_runs=_AT_ONCE)
        _wait(airflow, f"{PIPELINE}.{step}", weeks)
        print(f"  {step} under the scheduler after {time.perf_counter() - started:.1f} s", flush=True)
    wall_s, after = time.perf_counter() - started, cpu_seconds(scheduled)
    used = {name: after[name] - before[name] for name in after}
    print("  processor seconds: " + "  ".join(f"{name} {seconds:.1f}" for name, seconds in used.items()), flush=True)
    return {"script": loop_s, "scheduler": wall_s}


def cpu_seconds(stack: Stack) -> dict[str, float]:
    """Processor seconds of each process of the stack and of all that it has started and waited for."""
    return {name: _cpu_of(psutil.Process(pid)) for name, pid in sorted(processes.running(stack).items())}


def _cpu_of(process: psutil.Process) -> float:
    total = 0.0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += sum(one.cpu_times()[:4])  # user, system, and both of the children that have ended
        except psutil.NoSuchProcess:
            continue
    return total


def _wait(airflow: Airflow, dag_id: str, n: int) -> None:
    while True:
        runs = [run for run in airflow.runs(dag_id) if run["run_type"] == "backfill"]
        if len(runs) >= n and all(run["state"] in ("success", "failed") for run in runs):
            if any(run["state"] == "failed" for run in runs):
                raise RuntimeError(f"a run of {dag_id} failed")
            return
        time.sleep(0.1)


def show(result: dict[str, Any]) -> None:
    """Medians, the ratio, and the scheduler's seconds by task."""
    medians = {side: statistics.median(values) for side, values in result["walls"].items()}
    print("\nweekly cycle, median seconds of", len(result["walls"]["script"]), "repeats")
    print(f"  cold script {medians['script']:.2f}   scheduler {medians['scheduler']:.2f}   "
          f"ratio {medians['scheduler'] / medians['script']:.2f}")  # fmt: skip
    print("  script by step: " + "  ".join(f"{k} {statistics.median([s[k] for s in result['steps'] if k in s]):.2f}"
                                           for k in result["steps"][0]))  # fmt: skip
    by_task: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for task in result["tasks"]:
        by_task[task["task"]].append(task)
    print(f"  {'task':<18} {'queue':>7} {'start+end':>10} {'work':>7}")
    for name, rows in by_task.items():
        parts = [statistics.median(row[part] for row in rows) for part in ("queue", "start and end", "work")]
        print(f"  {name:<18} {parts[0]:7.2f} {parts[1]:10.2f} {parts[2]:7.2f}")


def main() -> None:
    """Run both comparisons in fresh folders and stop everything."""
    processes.stop_on_terminate()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--weeks", type=int, default=12)
    parser.add_argument("--only", choices=["weekly", "backfill"])
    options = parser.parse_args()
    base = default_home() / "bench"
    shutil.rmtree(base, ignore_errors=True)
    parts: dict[str, Callable[[Stack, Stack], None]] = {
        "weekly": lambda scheduled, plain: show(weekly(scheduled, plain, options.repeats)),
        "backfill": lambda scheduled, plain: show_backfill(backfill(scheduled, plain, options.weeks), options.weeks),
    }
    for name in [options.only] if options.only else parts:
        scheduled, plain = open_stack(base / name / "scheduler"), open_stack(base / name / "script")
        try:
            only_mlflow(plain)
            parts[name](scheduled, plain)
        finally:
            processes.stop(scheduled)
            processes.stop(plain)


def show_backfill(seconds: dict[str, float], weeks: int) -> None:
    """Both sides and their ratio."""
    ratio = seconds["scheduler"] / seconds["script"]
    print(f"\n{weeks}-week backfill: warm loop {seconds['script']:.1f} s, scheduler {seconds['scheduler']:.1f} s, "
          f"ratio {ratio:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
