"""Git side of the data registry: commits read and written without a checkout.

A bare repository on this machine is used in place. Any other Git URL (``ssh://``, ``https://``,
``git@host:path``, ``file://``) has a mirror under ``home``, fetched when its head is asked for and
when a commit is not in it yet.
"""

import hashlib
import io
import os
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from include.perennial.errors import BadInput, IntegrityError, PerennialError, Unavailable
from include.perennial.stores.datasets.git_process import Done, create_bare, git_environment, reason_of, run_git
from include.perennial.stores.datasets.lock import exclusive

BRANCH = "refs/heads/main"
_NO_COMMIT = "0" * 40
_STALE_LOCK_S = 60
_URL = re.compile(r"[a-z][a-z0-9+]*://|[^/]+:")
_COMMIT = re.compile(r"[0-9a-f]{40,64}")


class Commits:
    """The branch ``main`` of one Git repository."""

    def __init__(self, address: str, home: Path) -> None:
        """``address`` is a path or a Git URL; nothing is created or contacted yet.

        Raises:
            BadInput: the URL carries a password, or the path is something else than a bare repository.
        """
        self.address = address
        self.is_remote = bool(_URL.match(address))
        if self.is_remote:
            _refuse_password(address)
            self._git_dir = home / "registries" / f"{hashlib.sha256(address.encode()).hexdigest()[:16]}.git"
        else:
            self._git_dir = Path(address).resolve()
            _refuse_other_folder(self._git_dir)

    def head(self) -> str:
        """Hash of the newest commit, ``""`` if there is none.

        Raises:
            Unavailable: the repository behind the URL does not answer.
        """
        if self.is_remote:
            self._refresh()
        if not self._git_dir.exists():
            return ""
        return self._git("for-each-ref", "--format=%(objectname)", BRANCH)

    def read(self, commit: str, paths: Sequence[str]) -> dict[str, str]:
        """Text of each of ``paths`` that exists at ``commit``.

        Raises:
            IntegrityError: there is no such commit.
        """
        self._require(commit)
        texts = self._texts([f"{commit}:{path}" for path in paths])
        return {path: text for path, text in zip(paths, texts, strict=True) if text is not None}

    def read_folder(self, commit: str, folder: str) -> dict[str, str]:
        """Text of every file under ``folder`` at ``commit``, by path.

        Raises:
            IntegrityError: there is no such commit.
        """
        self._require(commit)
        listing = self._git("ls-tree", "-r", "-z", commit, f"{folder}/")
        rows = [row.split("\t", 1) for row in listing.split("\0") if row]
        texts = self._texts([described.split()[2] for described, _ in rows])
        return {path: text for (_, path), text in zip(rows, texts, strict=True) if text is not None}

    def touching(self, commit: str, path: str) -> list[str]:
        """Commits up to ``commit`` that changed ``path``, oldest first.

        Raises:
            IntegrityError: there is no such commit.
        """
        self._require(commit)
        return self._git("log", "--reverse", "--format=%H", commit, "--", path).split()

    def write(self, parent: str, files: Mapping[str, str], message: str) -> str:
        """Hash of a new commit on ``parent`` (``""``: a first commit) with ``files``, text by path, added or replaced.

        Raises:
            Unavailable: it cannot be written.
        """
        create_bare(self._git_dir)
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": os.path.join(folder, "index")}
            if parent:
                self._git("read-tree", parent, env=index)
            entries = [f"100644 {self._write_blob(text)}\t{path}\n" for path, text in files.items()]
            self._git("update-index", "--add", "--index-info", data="".join(entries), env=index, error=Unavailable)
            tree = self._git("write-tree", env=index, error=Unavailable)
        return self._git("commit-tree", tree, *(["-p", parent] if parent else []), data=message, error=Unavailable)

    def land(self, commit: str, expected: str) -> str:
        """Make ``commit`` the head if the head is still ``expected``; the reason if that failed, else ``""``."""
        if self.is_remote:
            done = self._run("push", "--quiet", "registry", f"{commit}:{BRANCH}")
        else:
            done = self._run("update-ref", BRANCH, commit, expected or _NO_COMMIT)
        if done.returncode == 0:
            return ""
        self._drop_stale_locks()
        return reason_of(done)

    def _write_blob(self, text: str) -> str:
        return self._git("hash-object", "-w", "--stdin", data=text, error=Unavailable)

    def _refresh(self) -> None:
        create_bare(self._git_dir)
        with exclusive(self._git_dir.with_suffix(".lock")):
            self._drop_stale_locks()
            refs = "+refs/heads/*:refs/heads/*"  # a pattern: a repository without any branch is no error
            self._git("fetch", "--quiet", "--prune", "--no-tags", "registry", refs, error=Unavailable)

    def _require(self, commit: str) -> None:
        if _COMMIT.fullmatch(commit):
            if self._has(commit):
                return
            if self.is_remote:
                self._refresh()
                if self._has(commit):
                    return
        raise IntegrityError(
            f"Commit {commit[:64]!r} is not in the data registry {self.address}. "
            "Check PERENNIAL_DATA_REGISTRY, or restore the registry from a backup."
        )

    def _has(self, commit: str) -> bool:
        return self._git_dir.exists() and self._run("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0

    def _texts(self, names: Sequence[str]) -> list[str | None]:
        if not names:
            return []
        done = self._run("cat-file", "--batch", data="\n".join(names) + "\n")
        self._check(done, "cat-file", IntegrityError)
        stream = io.BytesIO(done.stdout)
        return [_next_text(stream) for _ in names]

    def _drop_stale_locks(self) -> None:
        """A killed Git leaves its lock files, which would refuse every later change of the branch."""
        for lock in (*self._git_dir.glob("*.lock"), *self._git_dir.glob("refs/heads/*.lock")):
            try:
                if time.time() - lock.stat().st_mtime > _STALE_LOCK_S:
                    lock.unlink()
            except FileNotFoundError:
                continue  # its owner was alive after all and has finished

    def _git(
        self,
        *arguments: str,
        data: str = "",
        env: Mapping[str, str] | None = None,
        error: type[PerennialError] = IntegrityError,
    ) -> str:
        done = self._run(*arguments, data=data, env=env)
        self._check(done, arguments[0], error)
        return done.stdout.decode().strip()

    def _check(self, done: Done, command: str, error: type[PerennialError]) -> None:
        if done.returncode:
            raise error(
                f"The data registry {self.address} failed at 'git {command}': "
                f"{reason_of(done)}. "
                "Check PERENNIAL_DATA_REGISTRY and the access to it, then retry."
            )

    def _run(self, *arguments: str, data: str = "", env: Mapping[str, str] | None = None) -> Done:
        environment = git_environment(self.address) | {"GIT_DIR": str(self._git_dir)} | dict(env or {})
        return run_git(arguments, environment, data)


def _next_text(stream: io.BytesIO) -> str | None:
    header = stream.readline().split()
    if header[-1] == b"missing":
        return None
    content = stream.read(int(header[2]))
    stream.read(1)
    return content.decode(errors="replace")


def _refuse_password(url: str) -> None:
    if "://" in url and urlsplit(url).password:
        raise BadInput(
            f"PERENNIAL_DATA_REGISTRY carries a password for {urlsplit(url).hostname}: it would show in the list of "
            "processes. Leave it out and set PERENNIAL_DATA_REGISTRY_PASSWORD, or use an SSH key."
        )


def _refuse_other_folder(path: Path) -> None:
    if path.is_dir() and any(path.iterdir()) and not (path / "HEAD").is_file():
        raise BadInput(
            f"PERENNIAL_DATA_REGISTRY {path} is not a bare Git repository: name an empty or new folder, "
            "a repository made by 'git init --bare', or a Git URL."
        )
