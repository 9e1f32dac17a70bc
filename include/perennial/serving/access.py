"""Who may ask, and how much they may send: before anything of a request is looked at."""

import hmac
import json
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS = frozenset({"/health", "/ready"})
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


def refusal(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    """An error as all of the server's are: an object with one sentence."""
    return Response(json.dumps({"error": sentence}), status, headers, "application/json")


class Access:
    """Middleware: all but ``OPEN_PATHS`` wants one of the tokens.

    Without tokens the server listens on loopback only, and answers to loopback's own names: a page of a hostile site
    whose name was pointed at 127.0.0.1 gets nothing.
    """

    def __init__(self, app: ASGIApp, tokens: Sequence[str]) -> None:
        self._app, self._tokens = app, [token.encode() for token in tokens]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            refused = self._refusal(Headers(scope=scope))
            if refused is not None:
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> Response | None:
        if not self._tokens:
            host = headers.get("host", "")
            name = host if host.endswith("]") else host.rpartition(":")[0] or host
            if name in _LOOPBACK_NAMES:
                return None
            return refusal(421, "This server has no token and answers to the names of loopback only, like localhost.")
        scheme, _, given = headers.get("authorization", "").partition(" ")
        offered = given.strip().encode("utf-8", "replace")
        # Every token is compared, so that time does not tell which came near.
        is_known = [hmac.compare_digest(offered, token) for token in self._tokens]
        if scheme.lower() == "bearer" and any(is_known):
            return None
        return refusal(401, "A token is needed: send `Authorization: Bearer <token>`.", {"WWW-Authenticate": "Bearer"})
