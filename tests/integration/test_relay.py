"""The relay in front of S3 that the fault campaign uses: bytes pass whole, and an outage looks like one."""

import asyncio
import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from embedded.production.relay import Relay
from tests.servers import free_port

BODY = bytes(range(256)) * 5000


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was sent."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is written to the tests' output."""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A relay through a Unix socket, as a worker with a network of its own has it, in front of a server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    near, port = tmp_path / "near.sock", free_port()
    relays = [
        Relay(f"tcp:{port}", f"unix:{near}", tmp_path / "outage"),
        Relay(f"unix:{near}", f"tcp:{server.server_port}"),
    ]
    over = threading.Event()

    async def serve() -> None:
        serving = [asyncio.create_task(relay.serve()) for relay in relays]
        while not over.is_set():
            await asyncio.sleep(0.05)
        for task in serving:
            task.cancel()

    # What is still open when it ends is cancelled and waited for by `asyncio.run`.
    threads = [threading.Thread(target=asyncio.run, args=(serve(),)), threading.Thread(target=server.serve_forever)]
    for thread in threads:
        thread.start()
    yield f"http://127.0.0.1:{port}/"
    over.set()
    server.shutdown()
    server.server_close()
    for thread in threads:
        thread.join(30)


def put(address: str) -> requests.Response:
    for _ in range(100):
        with contextlib.suppress(requests.ConnectionError):
            return requests.put(address, data=BODY, timeout=10)
        time.sleep(0.05)
    raise AssertionError("the relay does not answer")


def test_bytes_pass_whole_and_an_outage_answers_503_until_it_ends(address: str, tmp_path: Path) -> None:
    assert put(address).content == BODY

    (tmp_path / "outage").touch()
    assert requests.get(address, timeout=10).status_code == 503

    (tmp_path / "outage").unlink()
    assert put(address).content == BODY
