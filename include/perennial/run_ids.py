"""The ids of the run under way, for the log: who starts work names them, and what is recorded meanwhile tells them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_RUN: ContextVar[Mapping[str, str]] = ContextVar("perennial_run", default={})  # noqa: B039 - never changed in place


@contextmanager
def within(ids: Mapping[str, str]) -> Iterator[None]:
    """What is recorded inside belongs to the run of ``ids``, such as ``dag_id``, ``run_id`` and ``try``."""
    token = _RUN.set(dict(ids))
    try:
        yield
    finally:
        _RUN.reset(token)


def run_ids() -> Mapping[str, str]:
    """Ids of the run under way; empty where nobody named any."""
    return _RUN.get()
