"""Settings of the whole suite."""

import os
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Of what is marked `long` the suite runs one in so many, others at the next commit; `make heavy` runs all of it.
TURNS = 3

# Two busy cores must not turn a true property into a failure, and a checkout stays as it was.
_CALM = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("suite", derandomize=True, **_CALM)
# `make heavy` looks for new counterexamples; the suite tries the same examples every time.
settings.register_profile("search", max_examples=1000, **_CALM)
settings.load_profile("suite")


def turn() -> int:
    """Whose turn it is, by the commit that is tested."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    head = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return int(head or "0", 16) % TURNS


def waiting(long: Collection[str], now: int) -> set[str]:
    """Those of ``long`` that wait while it is the turn ``now``: every one runs at one of ``TURNS`` turns."""
    return {name for place, name in enumerate(sorted(long)) if place % TURNS != now}


def pytest_report_header() -> str:
    return f"long tests take turns by commit: this is turn {turn() + 1} of {TURNS}; `make heavy` runs all of them"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is marked `long` and is not in turn is `heavy` at this commit.

    A file that is marked moves as one, for what its tests share; with `each=True` they move one by one.
    """
    long = {}
    for item in items:
        for node, mark in item.iter_markers_with_node("long"):
            long[item] = item.nodeid if mark.kwargs.get("each") else node.nodeid
    late = waiting({*long.values()}, turn())
    for item, name in long.items():
        if name in late:
            item.add_marker(pytest.mark.heavy)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Where everything is installed, as in CI, a test that skips itself has failed."""
    report = yield
    if report.skipped and os.environ.get("PERENNIAL_TESTS_MAY_SKIP") == "no":
        report.outcome, report.longrepr = "failed", f"skipped where nothing may be: {report.longrepr}"
    return report
