"""The recorded commit's code, and the process that rebuilds a model with it."""

import io
import json
import logging
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.perennial.contracts import Decision
from include.perennial.messages import clipped
from include.perennial.provenance import UNKNOWN_COMMIT
from include.perennial.settings import Settings
from include.perennial.steps import rebuild

log = logging.getLogger(__name__)

_REBUILD = "include/perennial/steps/rebuild.py"
_TIMEOUT_S = 3600


@dataclass(frozen=True)
class RecordedCode:
    """Where the code to run is, and what is to be said of it."""

    root: Path
    project_root: Path
    notes: tuple[str, ...]


def recorded_code(decision: Decision, project_root: Path, target: Path) -> RecordedCode:
    """The files of the recorded commit in ``target``; the code that is here now, with a note, if they cannot be had."""
    commit = decision.plan.code_commit
    if commit == UNKNOWN_COMMIT:
        note = "The code's commit was not known when it was trained: the code that is here now was used."
        return RecordedCode(project_root, project_root, (note,))
    done = subprocess.run(  # noqa: S603 - fixed arguments and a commit of the ledger, no shell
        ["git", "-C", str(project_root), "archive", "--format=tar", f"{commit}^{{commit}}"],  # noqa: S607
        env={name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        capture_output=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    if done.returncode:
        why = " ".join(done.stderr.decode(errors="replace").split())[:300]
        note = f"Commit {commit[:12]} is not in {project_root} ({why}): the code that is here now was used."
        return RecordedCode(project_root, project_root, (note,))
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(target, filter="data")
    dirty = (
        f"Files differed from commit {commit[:12]} when it was trained, so the commit cannot be trusted alone; "
        "it was used as it is."
    )
    return RecordedCode(target, project_root, (dirty,) if decision.plan.code_dirty else ())


def run_rebuild(
    recorded: dict[str, Any], decision: Decision, code: RecordedCode, settings: Settings, folder: Path
) -> dict[str, Any]:
    """What ``steps/rebuild.py`` answers, its files in ``folder``; ``error`` is in it if it could not rebuild.

    ``recorded`` is the payload of the ``judged`` event, ``decision`` the same as an object.
    """
    own = code.root / _REBUILD
    asked = {
        # As it was written: the code of that time knows its own fields and no later ones.
        "plan": recorded["plan"],
        "winner": decision.winner,
        "chosen": decision.chosen,
        "refitted": decision.cutoff != decision.plan.candidate_cutoff,
        "pipelines": [str(path) for path in _pipeline_roots(code, settings)],
        "out": str(folder),
    }
    done = subprocess.run(  # noqa: S603 - this interpreter, no shell
        [sys.executable, "-P", str(own if own.exists() else rebuild.__file__)],
        cwd=folder,
        env=os.environ | _environment(settings) | {"PYTHONPATH": str(code.root)},
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    answer = folder / "rebuilt.json"
    if answer.exists():
        return dict(json.loads(answer.read_text()))
    said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    log.warning("The rebuild ended with status %s:\n%s", done.returncode, done.stderr[-4000:])
    return {"error": f"The code of commit {decision.plan.code_commit[:12]} could not rebuild it: {clipped(said, 600)}"}


def _pipeline_roots(code: RecordedCode, settings: Settings) -> list[Path]:
    """The recorded commit's pipelines, then those of today: a pipeline folder may live outside of the checkout."""
    here, root = settings.pipelines.resolve(), code.project_root.resolve()
    inside = [code.root / here.relative_to(root)] if here.is_relative_to(root) else []
    return [*inside, here]


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "PERENNIAL_HOME": str(settings.home),
        "PERENNIAL_STORE": settings.store_url,
        "PERENNIAL_LEDGER": settings.ledger_url,
        "PERENNIAL_DATA_REGISTRY": settings.data_registry,
        "PERENNIAL_DVC_REMOTE": settings.dvc_remote,
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
    }
