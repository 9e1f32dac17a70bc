"""The data registry as a Git repository: other people's environments, clones, locks and addresses."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from include.perennial.errors import BadInput, PerennialError, Unavailable
from include.perennial.settings import Settings
from include.perennial.stores.datasets import DataRegistry, git_process
from include.perennial.stores.datasets.commits import Commits
from tests.unit.stores.datasets.publishing import PIPELINE, delivery

WEEK, ONE = "2013-01-07", b"one" * 5000


def first_commit(address: str, home: Path) -> str:
    commits = Commits(address, home)
    return commits.write(commits.head(), {"a": "1"}, "first")


@pytest.mark.parametrize("home", ["", None, "empty"], ids=["blank", "unset", "empty-folder"])
def test_no_home_and_no_git_identity_are_needed(
    registry: DataRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    (tmp_path / "empty").mkdir()
    for name in [name for name in os.environ if name.startswith(("XDG_", "GIT_", "DVC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("HOME", raising=False)
    if home is not None:
        monkeypatch.setenv("HOME", home and str(tmp_path / home))
    # A Git hook that calls us sets these; they must not lead to another repository.
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_QUARANTINE_PATH"):
        monkeypatch.setenv(name, "/nowhere")
    first = delivery(tmp_path, WEEK, ONE)
    assert registry.publish(first.validated, first.path).changed
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_plain_clone_gets_the_data_with_dvc_pull(
    registry: DataRegistry, registry_settings: Settings, tmp_path: Path
) -> None:
    first = delivery(tmp_path, WEEK, ONE)
    registry.publish(first.validated, first.path)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", registry_settings.data_registry, clone], check=True)
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(tmp_path / "site")}
    subprocess.run([sys.executable, "-m", "dvc", "pull", "--quiet"], cwd=clone, env=environment, check=True)
    assert (clone / PIPELINE / f"{WEEK}.parquet").read_bytes() == ONE
    assert subprocess.run(["git", "status", "--short"], cwd=clone, capture_output=True, check=True).stdout == b""


@pytest.mark.parametrize("registry_settings", ["url"], indirect=True)
def test_a_commit_fetched_once_needs_no_network(registry_settings: Settings, tmp_path: Path) -> None:
    first = delivery(tmp_path, WEEK, ONE)
    elsewhere = Settings.from_env(
        {"PERENNIAL_HOME": str(tmp_path / "other"), "PERENNIAL_DATA_REGISTRY": registry_settings.data_registry}
    )
    commit = first.publish(elsewhere).commit
    registry = DataRegistry.open(registry_settings)
    held = registry.partitions(PIPELINE, commit)
    (tmp_path / "shared.git").rename(tmp_path / "gone.git")
    assert registry.partitions(PIPELINE, commit) == held
    with pytest.raises(Unavailable, match="git fetch"):
        registry.head()


@pytest.mark.parametrize("age_s", [0, 3600], ids=["fresh", "stale"])
def test_the_lock_of_a_killed_git_is_waited_for_and_then_removed(tmp_path: Path, age_s: int) -> None:
    commits = Commits(str(tmp_path / "registry.git"), tmp_path)
    first = commits.write("", {"a": "1"}, "first")
    commits.land(first, "")
    second = commits.write(first, {"a": "2"}, "second")
    lock = tmp_path / "registry.git" / "refs" / "heads" / "main.lock"
    lock.touch()
    os.utime(lock, (time.time() - age_s,) * 2)
    assert "main.lock" in commits.land(second, first)
    assert lock.exists() == (age_s == 0)
    lock.unlink(missing_ok=True)
    assert commits.land(second, first) == ""


def test_a_commit_on_an_old_head_does_not_land(registry: DataRegistry) -> None:
    first = registry.commits.write("", {"a": "1"}, "first")
    rivals = [registry.commits.write(first, {"a": text}, text) for text in ("2", "3")]
    assert [registry.commits.land(first, ""), registry.commits.land(rivals[0], first)] == ["", ""]
    assert registry.commits.land(rivals[1], first)
    assert registry.head() == rivals[0]


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        pytest.param("https://me:secret@host.invalid/x.git", BadInput, "carries a password", id="password"),
        pytest.param("file:///nowhere/x.git", Unavailable, "git fetch", id="unreachable"),
        pytest.param("{tmp_path}/full/file/x.git", Unavailable, "cannot be created", id="inside-a-file"),
        pytest.param("{tmp_path}/full", BadInput, "not a bare Git repository", id="other-folder"),
    ],
)
def test_an_unusable_registry_says_so(tmp_path: Path, address: str, error: type[PerennialError], said: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(error, match=said) as raised:
        first_commit(address.format(tmp_path=tmp_path), tmp_path / "home")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("git", "error", "said"),
    [
        pytest.param(None, BadInput, "Git is not installed", id="absent"),
        pytest.param("exec sleep 30", Unavailable, "did not end within", id="hanging"),
        pytest.param("echo no space left >&2; exit 7", Unavailable, "cannot be created: no space left", id="failing"),
    ],
)
def test_a_git_that_does_not_work_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: str | None, error: type[PerennialError], said: str
) -> None:
    if git:
        program = tmp_path / "git"
        program.write_text(f"#!/bin/sh\n{git}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin" if git else str(tmp_path))
    monkeypatch.setattr(git_process, "_TIMEOUT_S", 0.5)
    with pytest.raises(error, match=said):
        first_commit(str(tmp_path / "registry.git"), tmp_path / "home")
    assert not (tmp_path / "registry.git").exists()
