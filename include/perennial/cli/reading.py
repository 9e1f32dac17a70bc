"""``status``, ``history`` and ``explain``: what the ledger says. No server has to run."""

import argparse
import json
from typing import TYPE_CHECKING

from include.perennial.cli.output import Commands, command, print_json
from include.perennial.errors import BadInput
from include.perennial.messages import did_you_mean, shown
from include.perennial.settings import Settings

if TYPE_CHECKING:
    from include.perennial.stores.ledger import Ledger
    from include.perennial.views.decision import DecisionView
    from include.perennial.views.overview import PipelineOverview
    from include.perennial.views.trials import Trial

_WHEN = "%Y-%m-%d %H:%M"
_STATUS = """\
For each pipeline: who is champion since when and why, the newest data, what the monitor saw last, what was tried since
the crowning, and what needs a person now. It reads the ledger only, and ends with status 0 whatever it has to say."""
_HISTORY = """\
Every training run of a pipeline, newest first: as of which partition, what asked for it, what became of it and why.

The third column is promoted, registered, rejected, refused (the champion had changed), declined (by a person), skipped
or dry_run. The key of a run that has no version is what `explain` takes."""
_EXPLAIN = """\
One training run in full: what asked for it, the evaluations of the monitor before it, the data, every check of the
gate with its interval and threshold, and what followed."""


def add_commands(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add the commands of this module."""
    status = command(commands, "status", "champion, newest data, drift, and what needs a person", _STATUS)
    status.add_argument("pipeline", nargs="?", help="name of a pipeline; default: all")
    status.set_defaults(run=_status)
    history = command(commands, "history", "every training run and what became of it", _HISTORY)
    history.add_argument("pipeline", help="name of a pipeline")
    history.add_argument("--last", type=int, default=20, metavar="N", help="how many; 0 for all (default: 20)")
    history.set_defaults(run=_history)
    explain = command(commands, "explain", "why a run was made, and why it was promoted or not", _EXPLAIN)
    explain.add_argument("pipeline", help="name of a pipeline")
    explain.add_argument("what", metavar="version|run", help="a registered version such as 7, or a key of `history`")
    explain.set_defaults(run=_explain)


def _status(asked: argparse.Namespace) -> int:
    from include.perennial.views.overview import overview, pipeline_names

    settings, ledger = _open()
    names = _known(asked.pipeline, pipeline_names(settings, ledger)) if asked.pipeline else None
    found = [overview(name, settings, ledger) for name in names or pipeline_names(settings, ledger)]
    if asked.json:
        print(json.dumps({"pipelines": [one.model_dump(mode="json") for one in found]}, indent=2))
    else:
        print("\n\n".join(map(status_text, found)) or f"There is no pipeline in {settings.pipelines}.")
    return 0


def _history(asked: argparse.Namespace) -> int:
    from include.perennial.views.overview import pipeline_names
    from include.perennial.views.trials import TRIAL_KINDS, trials

    settings, ledger = _open()
    [name] = _known(asked.pipeline, pipeline_names(settings, ledger))
    found = trials(ledger.events(name, TRIAL_KINDS))
    shown = found[: asked.last] if asked.last > 0 else found
    if asked.json:
        print(json.dumps({"pipeline": name, "runs": [one.model_dump(mode="json") for one in shown]}, indent=2))
    else:
        print("\n".join(map(trial_text, shown)) or f"The ledger holds no training run of {name}.")
        if left := len(found) - len(shown):
            print(f"{left} earlier; --last 0 shows all.")
    return 0


def _explain(asked: argparse.Namespace) -> int:
    from include.perennial.views.decision import decision_view

    _, ledger = _open()
    view = decision_view(asked.pipeline, asked.what, ledger)
    if asked.json:
        print_json(view)
    else:
        print(explain_text(view))
    return 0


def _open() -> "tuple[Settings, Ledger]":
    from include.perennial.stores.ledger import Ledger

    settings = Settings.from_env()
    return settings, Ledger.open(settings.ledger_url)


def _known(name: str, names: list[str]) -> list[str]:
    if name not in names:
        known = ", ".join(names) or "none"
        raise BadInput(f"There is no pipeline {shown(name)}{did_you_mean(name, names)}: known are {known}.")
    return [name]


def status_text(view: "PipelineOverview") -> str:
    """One pipeline as a person reads it."""
    lines = [f"{view.name}: {view.title}"]
    if crown := view.champion:
        over = f", over version {crown.over}" if crown.over else ""
        lines.append(f"  champion    version {crown.version} since {crown.since_utc:{_WHEN}} UTC{over}")
        lines.append(f"              {crown.why}")
        if crown.trigger:
            lines.append(
                f"              trained up to {crown.cutoff}; trigger {crown.trigger}. {crown.reason}".rstrip()
            )
    else:
        lines.append("  champion    none yet")
    if newest := view.newest:
        lines.append(f"  data        {newest.key}, {newest.rows:,} rows, {newest.rows_quarantined} quarantined")
    if watched := view.watch:
        lines.append(f"  watched     {watched.sentence}")
        if watched.evaluation:
            lines.append(f"              {watched.evaluation.outcome}: {watched.evaluation.sentence}")
    lines += [f"  since then  {trial_text(trial)}" for trial in view.tried[:5]]
    lines += [f"  needs you   {need.title}: {need.text}" for need in view.needs] or ["  needs you   nothing"]
    return "\n".join(lines)


def trial_text(trial: "Trial") -> str:
    """One training run in one line."""
    version = f"version {trial.version}" if trial.version else trial.key or "no run"
    return f"{trial.as_of}  {trial.trigger:<11} {trial.became:<10} {version:<26} {trial.why}"


def explain_text(view: "DecisionView") -> str:
    """The decision as Markdown, the questions that came before it, and what followed."""
    from include.perennial.decision_report import decision_markdown

    lines = [decision_markdown(view.decision).rstrip(), ""]
    if view.questions:
        lines += ["## What the monitor asked before", ""]
        lines += [f"- {one.evaluation.outcome}: {one.evaluation.sentence}" for one in view.questions] + [""]
    lines += ["## What followed", ""]
    lines += [f"- {one.at_utc:{_WHEN}} UTC: {one.sentence} ({one.actor})" for one in view.followed] or ["- nothing"]
    return "\n".join(lines)
