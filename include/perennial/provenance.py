"""Which code and which environment a run used: the commit, whether files differ from it, the installed packages."""

import functools
import importlib.metadata
import logging
import os
import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from include.perennial.digests import digest

UNKNOWN_COMMIT = "unknown"
_GIT_TIMEOUT_S = 30

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CodeVersion:
    """``commit`` is a full Git hash or ``"unknown"``; ``dirty`` is true if files differ from it or it is unknown."""

    commit: str
    dirty: bool


def code_version(project_root: Path) -> CodeVersion:
    """The Git commit of ``project_root`` and whether tracked or new files differ from it.

    Outside a checkout (a container image without ``.git``, no Git installed) the commit is
    ``"unknown"``, and a warning says why: such a run can be repeated only from its digests.
    """
    try:
        tracked = _git(project_root, "ls-files", "--", ".")
        commit = _git(project_root, "rev-parse", "--verify", "HEAD").strip()
        changes = _git(project_root, "status", "--porcelain", "--", ".")
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        _log.warning("The code's commit is unknown, %s is not a Git checkout: %s", project_root, reason.strip())
        return CodeVersion(UNKNOWN_COMMIT, dirty=True)
    if not tracked:
        _log.warning("The code's commit is unknown: the Git checkout around %s does not track it", project_root)
        return CodeVersion(UNKNOWN_COMMIT, dirty=True)
    return CodeVersion(commit, dirty=bool(changes))


def _git(folder: Path, *arguments: str) -> str:
    # Inside a Git hook GIT_DIR names another repository; optional locks would disturb a user's own git.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
        command,
        env=env | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
        timeout=_GIT_TIMEOUT_S,
    )
    return done.stdout


@functools.cache
def installed_packages() -> tuple[str, ...]:
    """``python==3.12.3`` and ``name==version`` of each installed distribution, sorted, names normalised (PEP 503)."""
    packages = {f"python=={platform.python_version()}"}
    for distribution in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", str(distribution.metadata["Name"])).lower()
        packages.add(f"{name}=={distribution.version}")
    return tuple(sorted(packages))


def environment_digest() -> str:
    """Hex SHA-256 that changes when Python or any installed package changes."""
    return digest(list(installed_packages()))
