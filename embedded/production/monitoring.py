"""Prometheus in the production stack, where it is installed: scrapes the exporter of the loop's metrics."""

import json
import shutil
import sys
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import yaml

from embedded.config import LOOPBACK, PROJECT

if TYPE_CHECKING:
    from embedded.production.stack import Production

SCRAPED_EVERY_S = 10
MONITORING = PROJECT / "monitoring" / "prometheus"


def is_installed() -> bool:
    """Whether this machine has Prometheus (Debian: prometheus)."""
    return shutil.which("prometheus") is not None


def commands(stack: "Production") -> dict[str, list[str]]:
    """The exporter and Prometheus, or nothing."""
    if not is_installed():
        return {}
    return {
        "exporter": [sys.executable, "-m", "include.perennial.cli", "metrics", "--serve"],
        "prometheus": [
            "prometheus", f"--config.file={stack.home / 'prometheus.yml'}",
            f"--storage.tsdb.path={stack.home / 'prometheus'}",
            f"--web.listen-address={LOOPBACK}:{stack.ports.prometheus}",
        ],
    }  # fmt: skip


def config(stack: "Production") -> str:
    """The containers' configuration with the one target that runs here, on its port; its alert rules as they are."""
    given: dict[str, Any] = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    [job] = [job for job in given["scrape_configs"] if job["job_name"] == "perennial"]
    # On loopback the exporter asks for no token.
    del job["authorization"]
    job["static_configs"] = [{"targets": [f"{LOOPBACK}:{stack.ports.exporter}"]}]
    given["global"] |= {
        name: f"{SCRAPED_EVERY_S}s" for name in ("scrape_interval", "scrape_timeout", "evaluation_interval")
    }
    rules = [str(MONITORING / name) for name in given["rule_files"]]
    return yaml.safe_dump(given | {"scrape_configs": [job], "rule_files": rules})


def query(stack: "Production", expression: str) -> list[dict[str, str]]:
    """Labels of the series that a PromQL expression finds now.

    Raises:
        OSError: Prometheus does not answer.
    """
    asked = urllib.parse.urlencode({"query": expression})
    url = f"http://{LOOPBACK}:{stack.ports.prometheus}/api/v1/query?{asked}"
    with urllib.request.urlopen(url, timeout=10) as reply:
        return [series["metric"] for series in json.load(reply)["data"]["result"]]
