"""The data registry behind HTTP: Git's own server program (`git http-backend`) with a password, for several machines.

    python -m embedded.git_server --folder /registry --address 0.0.0.0 --port 9418

The password is ``PERENNIAL_DATA_REGISTRY_PASSWORD``; without one it does not start. Any hosted Git
repository does as well: ``PERENNIAL_DATA_REGISTRY`` takes every Git URL. What passes is small, a few
kilobytes per partition: the partitions themselves are in the DVC remote.
"""

import argparse
import asyncio
import base64
import hmac
import os
import subprocess
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response

from embedded.config import LOOPBACK

REPOSITORY = "data-registry.git"
USER = "perennial"
_LONGEST_BODY_BYTES = 64 * 1024 * 1024
_TIMEOUT_S = 120


def create_app(folder: Path, password: str) -> FastAPI:
    """The server of the one repository in ``folder``, which is created if it is missing.

    Raises:
        ValueError: the password is empty.
        subprocess.CalledProcessError: Git refused to create the repository.
    """
    if not password:
        raise ValueError("The data registry has no password: set PERENNIAL_DATA_REGISTRY_PASSWORD.")
    create = ["git", "init", "--quiet", "--bare", "--template=", "-b", "main", str(folder / REPOSITORY)]
    subprocess.run(create, check=True)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    expected = "Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode()

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def repository(path: str, request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), expected.encode()):
            return Response(status_code=401, headers={"WWW-Authenticate": 'Basic realm="data registry"'})
        body = await request.body()
        if len(body) > _LONGEST_BODY_BYTES:
            return Response(status_code=413)
        return await _answer(_variables(folder, path, request), body)

    return app


def _variables(folder: Path, path: str, request: Request) -> dict[str, str]:
    """What CGI wants to know of a request."""
    headers = request.headers
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_PROJECT_ROOT": str(folder),
        "GIT_HTTP_EXPORT_ALL": "1",
        # The repository may belong to another user than the server, as a mounted volume does.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "PATH_INFO": f"/{path}",
        "QUERY_STRING": request.url.query,
        "REQUEST_METHOD": request.method,
        "CONTENT_TYPE": headers.get("content-type", ""),
        "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
        "GIT_PROTOCOL": headers.get("git-protocol", ""),
        "REMOTE_USER": USER,
    }


async def _answer(variables: dict[str, str], body: bytes) -> Response:
    backend = await asyncio.create_subprocess_exec(
        *("git", "http-backend"),
        env=variables | {"CONTENT_LENGTH": str(len(body))},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        output, _ = await asyncio.wait_for(backend.communicate(body), _TIMEOUT_S)
    except TimeoutError:
        backend.kill()
        await backend.wait()
        return Response(status_code=504)
    head, _, content = output.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200").split()[0])
    return Response(content, status_code=status, headers=headers)


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--address", default=LOOPBACK)
    parser.add_argument("--port", type=int, required=True)
    asked = parser.parse_args()
    try:
        app = create_app(asked.folder, os.environ.get("PERENNIAL_DATA_REGISTRY_PASSWORD", ""))
    except ValueError as error:
        sys.exit(str(error))
    uvicorn.run(app, host=asked.address, port=asked.port, log_level="warning")


if __name__ == "__main__":
    main()
