"""Prometheus' own judgement of files: ``promtool`` and ``prometheus`` of the operating system."""

import shutil
import subprocess

import pytest


def program(name: str) -> str:
    """Path of ``name``. Its absence is a failure: a test that is skipped would look like one that passed."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed (Debian: apt-get install prometheus)")
    return found


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False, timeout=120)
