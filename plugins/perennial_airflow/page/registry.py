"""One line about MLflow: whether it answers. Nothing else on the page needs it, so it may not hold the page up."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass

_PATIENCE_S = 1.0


@dataclass(frozen=True)
class RegistryStatus:
    """``url`` is where a browser finds MLflow, empty where the registry is a database without pages."""

    url: str
    answers: bool


def registry_status(tracking_uri: str) -> RegistryStatus:
    """Ask the server at ``tracking_uri`` once, for a second at most."""
    if not tracking_uri.startswith(("http://", "https://")):
        return RegistryStatus("", True)
    url = tracking_uri.rstrip("/")
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=_PATIENCE_S) as answer:  # noqa: S310 - http by the check above
            return RegistryStatus(url, answer.status == 200)
    except (OSError, urllib.error.URLError):
        return RegistryStatus(url, False)


def mlflow_run_url(tracking_uri: str, run_id: str) -> str:
    """Address of a run in MLflow's pages without asking MLflow for its experiment; empty where there are no pages."""
    return f"{tracking_uri.rstrip('/')}/#/runs/{run_id}" if tracking_uri.startswith("http") else ""
