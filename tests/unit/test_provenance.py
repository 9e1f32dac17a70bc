"""Which code and which environment a run used, from real Git checkouts."""

import logging
import platform
import subprocess
from pathlib import Path

import pytest

from include.perennial.digests import digest
from include.perennial.provenance import CodeVersion, code_version, environment_digest, installed_packages


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "init.defaultBranch=main"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q")
    (root / "code.py").write_text("A = 1\n")
    (root / ".gitignore").write_text("/.state/\n")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root


def test_a_clean_checkout_has_its_commit(checkout: Path) -> None:
    assert code_version(checkout) == CodeVersion(git(checkout, "rev-parse", "HEAD"), dirty=False)


def test_a_changed_file_makes_it_dirty(checkout: Path) -> None:
    (checkout / "code.py").write_text("A = 2\n")

    assert code_version(checkout).dirty


def test_a_new_file_makes_it_dirty(checkout: Path) -> None:
    (checkout / "new.py").write_text("")

    assert code_version(checkout).dirty


def test_ignored_files_leave_it_clean(checkout: Path) -> None:
    (checkout / ".state").mkdir()
    (checkout / ".state" / "ledger.db").write_text("")

    assert not code_version(checkout).dirty


def test_a_project_in_a_folder_of_a_larger_checkout_looks_at_its_own_files(checkout: Path) -> None:
    inner = checkout / "inner"
    inner.mkdir()
    (inner / "code.py").write_text("")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "second")
    (checkout / "code.py").write_text("changed outside\n")

    assert code_version(inner) == CodeVersion(git(checkout, "rev-parse", "HEAD"), dirty=False)


def test_a_git_hook_s_variables_do_not_point_to_another_repository(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))

    assert code_version(checkout).commit != "unknown"


@pytest.mark.parametrize("kind", ["no checkout", "no commit", "not tracked"])
def test_without_a_commit_it_says_so_and_why(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    if kind != "no checkout":
        git(tmp_path, "init", "-q")
    if kind == "not tracked":
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", "somebody's home folder")

    with caplog.at_level(logging.WARNING):
        version = code_version(folder)

    assert version == CodeVersion("unknown", dirty=True)
    assert "The code's commit is unknown" in caplog.text


def test_without_git_the_commit_is_unknown(checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert code_version(checkout) == CodeVersion("unknown", dirty=True)


def test_the_environment_is_python_and_every_installed_package_in_order() -> None:
    packages = installed_packages()

    assert f"python=={platform.python_version()}" in packages
    assert f"pytest=={pytest.__version__}" in packages
    assert list(packages) == sorted(packages)
    assert environment_digest() == digest(list(packages))
