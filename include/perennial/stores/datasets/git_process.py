"""Runs Git with nothing of the user's configuration, so that an empty HOME will do.

Credentials come from SSH, PERENNIAL_DATA_REGISTRY_PASSWORD or GIT_ASKPASS; Git never asks for any.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from include.perennial.errors import BadInput, Unavailable

_TIMEOUT_S = 120
_PASSED_ON = ("GIT_SSH", "GIT_ASKPASS", "GIT_SSL", "GIT_HTTP", "GIT_PROXY")
_FIXED = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Perennial",
    "GIT_AUTHOR_EMAIL": "perennial@localhost",
    "GIT_COMMITTER_NAME": "Perennial",
    "GIT_COMMITTER_EMAIL": "perennial@localhost",
    "LC_ALL": "C",
}
# Asked by Git when a server wants a password; read in the shell that Git starts, so that it is in no argument.
_PASSWORD = "PERENNIAL_DATA_REGISTRY_PASSWORD"  # noqa: S105 - the variable's name
_HELPER = f'!f() {{ test "$1" != get || printf "password=%s\\n" "${_PASSWORD}"; }}; f'
Done = subprocess.CompletedProcess[bytes]


def run_git(arguments: Sequence[str], environment: Mapping[str, str], data: str = "") -> Done:
    """Run Git to its end, whatever its status.

    Raises:
        BadInput: Git is not installed.
        Unavailable: it did not end in time.
    """
    program = shutil.which("git")
    if program is None:
        raise BadInput("Git is not installed or not on PATH: the data registry needs Git 2.31 or newer.")
    try:
        return subprocess.run(  # noqa: S603 - a fixed program without a shell; every path and hash was checked
            [program, *arguments],
            env=environment,
            input=data.encode(),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"'git {arguments[0]}' did not end within {_TIMEOUT_S} s. Retry later.") from None


def git_environment(address: str) -> dict[str, str]:
    """Environment of every Git command. The URL goes this way since arguments are public on the machine."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k.startswith(_PASSED_ON)}
    config = {"remote.registry.url": address, "gc.auto": "0", "core.filesRefLockTimeout": "1000"}
    if os.environ.get(_PASSWORD):
        # Only for this address, wherever a server may redirect to.
        config[f"credential.{address}.helper"] = _HELPER
    for i, (key, value) in enumerate(config.items()):
        kept |= {f"GIT_CONFIG_KEY_{i}": key, f"GIT_CONFIG_VALUE_{i}": value}
    kept.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=15")
    return kept | _FIXED | {"GIT_CONFIG_COUNT": str(len(config))}


def create_bare(path: Path) -> None:
    """Create an empty bare repository at ``path`` unless there is one; safe when several processes do it at once.

    Raises:
        Unavailable: it cannot be written.
    """
    if (path / "HEAD").is_file():
        return
    try:
        _create_bare(path)
    except OSError as error:
        raise Unavailable(
            f"The data registry {path} cannot be created: {str(error)[:300]}. Check its folder, then retry."
        ) from error


def _create_bare(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-registry-") as folder:
        new = Path(folder) / "bare"
        done = run_git(["init", "--quiet", "--bare", "--template=", "-b", "main", str(new)], git_environment(""))
        if done.returncode:
            raise OSError(reason_of(done))
        try:
            os.rename(new, path)
        except OSError:
            if not (path / "HEAD").is_file():  # else another process was first
                raise


def reason_of(done: Done) -> str:
    """First line that Git wrote on standard error, or its exit status; bounded."""
    lines = (line.strip()[:300] for line in done.stderr.decode(errors="replace").splitlines())
    return next(filter(None, lines), f"status {done.returncode}")
