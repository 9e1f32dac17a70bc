"""The data registry's Git repository as one file, for backups."""

import os
from pathlib import Path

from include.perennial.errors import IntegrityError, Unavailable
from include.perennial.stores.datasets.commits import BRANCH
from include.perennial.stores.datasets.git_process import create_bare, git_environment, reason_of, run_git


def write_bundle(repository: Path, target: Path) -> bool:
    """Write all commits of the bare ``repository`` to the file ``target``; False if it has none.

    Raises:
        Unavailable: it cannot be read or written.
    """
    environment = git_environment("") | {"GIT_DIR": str(repository)}
    if not repository.exists() or run_git(["rev-parse", "--verify", "--quiet", BRANCH], environment).returncode:
        return False
    done = run_git(["bundle", "create", "--quiet", os.fspath(target.absolute()), "--all"], environment)
    if done.returncode:
        raise Unavailable(f"The data registry {repository} cannot be bundled: {reason_of(done)}. Retry later.")
    return True


def read_bundle(bundle: Path, repository: Path) -> None:
    """Make the bare ``repository``, a new folder, with all commits of ``bundle``.

    Raises:
        IntegrityError: the bundle is damaged.
    """
    create_bare(repository)
    environment = git_environment(os.fspath(bundle.absolute())) | {"GIT_DIR": str(repository)}
    done = run_git(["fetch", "--quiet", "registry", "+refs/*:refs/*"], environment)
    if done.returncode:
        raise IntegrityError(f"{bundle} cannot be read as a data registry: {reason_of(done)}. Use another backup.")
