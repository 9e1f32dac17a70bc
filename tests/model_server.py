"""The model server on a loopback port, in a thread of this process, and a client of it."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd
import requests
import uvicorn

from include.perennial.serving.app import Parts
from include.perennial.serving.options import ServeOptions
from include.perennial.serving.server import build
from include.perennial.settings import Settings

_WAIT_S = 30


@dataclass(frozen=True)
class ModelServer:
    """A running server; ``parts`` are what it is made of."""

    url: str
    port: int
    parts: Parts

    def get(self, path: str, **how: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=_WAIT_S, **how)

    def post(self, body: Any, pipeline: str = "toy", **how: Any) -> requests.Response:
        """POST ``body``, bytes as they are or anything else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | how.pop("headers", {})
        return requests.post(f"{self.url}/v1/predict/{pipeline}", data=data, headers=headers, timeout=_WAIT_S, **how)

    def versions(self, frame: pd.DataFrame) -> list[str]:
        """Which version answered each row."""
        answer = self.post({"rows": rows_of(frame)})
        assert answer.status_code == 200, answer.text
        return [one["model_version"] for one in answer.json()["predictions"]]

    def champion(self) -> str | None:
        found = self.get("/v1/models").json()["toy"]["champion"]
        return found["version"] if found else None

    def problems(self) -> list[str]:
        return list(self.get("/v1/models").json()["toy"]["problems"])

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric with these labels; 0 if there is none."""
        shown = ",".join(f'{key}="{value}"' for key, value in labels.items())
        start = f"{name}{{{shown}}} " if labels else f"{name} "
        lines = [line for line in self.get("/metrics").text.splitlines() if line.startswith(start)]
        return float(lines[0].rpartition(" ")[2]) if lines else 0.0


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of ``toy`` as JSON has them, without the label."""
    frame = frame.drop(columns="label", errors="ignore")
    rows = frame.assign(at=frame["at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_dict("records")
    return [row | {"noise": None if pd.isna(row["noise"]) else int(row["noise"])} for row in rows]


def until(holds: Callable[[], object], what: str) -> None:
    """Wait until ``holds``, and fail with ``what`` if it never does."""
    deadline = time.monotonic() + _WAIT_S
    while not holds():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


@contextmanager
def model_server(settings: Settings, *names: str, **options: Any) -> Iterator[ModelServer]:
    """The server of the pipelines ``names``, quick to follow and to write."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    chosen = ServeOptions(**({"poll_s": 0.05, "flush_s": 0.05, "port": port} | options))
    app = build(names, settings, chosen)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=10))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        until(lambda: server.started, "the server started")
        yield ModelServer(f"http://127.0.0.1:{port}", port, app.state.parts)
    finally:
        server.should_exit = True
        thread.join(_WAIT_S)
        listening.close()
    assert not thread.is_alive()
