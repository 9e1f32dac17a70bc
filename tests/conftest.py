"""Settings of the whole suite."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Two busy cores must not turn a true property into a failure, and a checkout stays as it was.
_CALM = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("suite", derandomize=True, **_CALM)
# `make heavy` looks for new counterexamples; the suite tries the same examples every time.
settings.register_profile("search", max_examples=1000, **_CALM)
settings.load_profile("suite")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Where everything is installed, as in CI, a test that skips itself has failed."""
    report = yield
    if report.skipped and os.environ.get("PERENNIAL_TESTS_MAY_SKIP") == "no":
        report.outcome, report.longrepr = "failed", f"skipped where nothing may be: {report.longrepr}"
    return report
