"""``check``: would this pipeline folder run?"""

import argparse
import os
import sys
from typing import TYPE_CHECKING

from include.perennial.cli.output import Commands, command, print_json
from include.perennial.settings import Settings

if TYPE_CHECKING:
    from include.perennial.steps.check import CheckReport

_CHECK = """\
Dry-run a pipeline folder in seconds, without Airflow, on the newest partitions that its source has: spec, source,
expectations, features, one fit of each candidate, the gate, and what a week will cost.

Each problem is told with file, line and remedy. A warning is what a sample alone does not prove. Nothing is written
but to a scratch folder that is removed. SQL connections are read from AIRFLOW_CONN_<ID>, as Airflow reads them; where
one is not set, an SQLite file made by database.py of the folder stands for it, if there is one."""


def add_commands(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add the command of this module."""
    parser = command(commands, "check", "dry-run a pipeline folder on a sample, in seconds", _CHECK)
    parser.add_argument("pipeline", help="name of a pipeline folder")
    text = "how many of the newest partitions to take; default: as many as a training run needs"
    parser.add_argument("--partitions", type=int, metavar="N", help=text)
    parser.set_defaults(run=_check)


def _check(asked: argparse.Namespace) -> int:
    # Heavy libraries are imported once the arguments are known to be right.
    from include.perennial.sources import EnvironmentConnections
    from include.perennial.steps.check import check

    settings = Settings.from_env()
    connections = EnvironmentConnections(settings, _environ(asked.pipeline, settings))
    report = check(asked.pipeline, settings.pipelines, connections, n_partitions=asked.partitions)
    if asked.json:
        print_json(report, is_ready=report.is_ready, sentence=report.sentence)
    else:
        print(check_text(report))
    return 0 if report.is_ready else 1


def _environ(pipeline: str, settings: Settings) -> dict[str, str]:
    """The environment, with an SQLite file for the pipeline's SQL connection where its folder can make one."""
    from include.perennial import stand_ins

    environ = dict(os.environ)
    for name, (owner, file) in stand_ins.stand_ins(settings, environ).items():
        if owner.spec.name == pipeline:
            stand_ins.build(owner, file)
            environ[name] = stand_ins.url(file)
            print(f"{name} is not set: {file}, made by database.py, stands for it", file=sys.stderr)
    return environ


def check_text(report: "CheckReport") -> str:
    """The report as a person reads it."""
    lines = [f"{done.step:<13}{done.seconds:5.1f} s  {done.sentence}" for done in report.steps]
    for problem in report.problems:
        lines += [
            f"{problem.level}: {problem.file}:{problem.line}: {problem.text}",
            f"  to fix: {problem.remedy}",
        ]
    if cost := report.cost:
        parts = f"ingest {cost.ingest_s:.1f} + train {cost.train_s:.1f} + score {cost.score_s:.1f}"
        lines.append(
            f"a week       {cost.week_s:5.1f} s  of one core, about: {cost.runs_per_week:.3g} x ({parts}), "
            "without Airflow's own work"
        )
    return "\n".join([*lines, report.sentence])
