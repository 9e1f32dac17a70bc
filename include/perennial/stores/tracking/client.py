"""The connection to MLflow: short timeouts, no hidden repeats, and errors that say what to do.

MLflow's own defaults repeat every call seven times, so that a dead server blocks a task for
four minutes and a lost reply to "create version" makes four versions.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import mlflow
import requests
from mlflow.exceptions import MlflowException

from include.perennial.errors import BadInput, Unavailable
from include.perennial.settings import Settings

# Worst case for one call: a server that accepts and never answers, asked twice = 30 s.
_HTTP_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_BUSY_STATUSES = frozenset({408, 429})
_REFUSED_STATUSES = frozenset({401, 403})
_once_lock = threading.RLock()


def connect(settings: Settings) -> mlflow.MlflowClient:
    """A client of the tracking server of ``settings``; nothing is sent yet.

    Variables of the environment that are set already win over the timeouts given here.
    MLflow resolves ``models:/`` addresses through its global URI, so that is set too.
    """
    for name, value in _HTTP_DEFAULTS.items():
        os.environ.setdefault(name, value)
    mlflow.set_tracking_uri(settings.tracking_uri)
    mlflow.set_registry_uri(settings.tracking_uri)
    return mlflow.MlflowClient(tracking_uri=settings.tracking_uri, registry_uri=settings.tracking_uri)


@contextmanager
def speaking_to(tracking_uri: str) -> Iterator[None]:
    """Translate MLflow's errors while the block runs.

    Raises:
        Unavailable: the server does not answer, is overloaded or failed (5xx).
        BadInput: it refused the request (4xx).
    """
    try:
        yield
    except MlflowException as error:
        raise _translated(tracking_uri, error.get_http_status_code(), error) from error
    except requests.exceptions.RequestException as error:
        raise _translated(tracking_uri, None, error) from error


def _translated(tracking_uri: str, status: int | None, error: Exception) -> BadInput | Unavailable:
    server, said = shown_uri(tracking_uri), str(error)[:500]
    if status in _REFUSED_STATUSES:
        return BadInput(
            f"MLflow at {server} refused access (HTTP {status}): {said}. "
            "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
        )
    if status is not None and status < 500 and status not in _BUSY_STATUSES:
        return BadInput(f"MLflow at {server} refused the request (HTTP {status}): {said}.")
    return Unavailable(
        f"MLflow at {server} does not answer: {said}. "
        "Start it with `make up`, or set MLFLOW_TRACKING_URI to a server that runs; then retry."
    )


def shown_uri(uri: str) -> str:
    """``uri`` for messages, without user and password."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


@contextmanager
def sent_once() -> Iterator[None]:
    """No hidden repeats while the block runs: for calls that must not happen twice.

    MLflow reads the number from the environment on every call; a lock keeps threads from
    restoring each other's value.
    """
    with _once_lock:
        before = os.environ.get(_RETRIES)
        os.environ[_RETRIES] = "0"
        try:
            yield
        finally:
            os.environ.pop(_RETRIES)
            if before is not None:
                os.environ[_RETRIES] = before
