"""How the model server is set up: ``PERENNIAL_SERVE_*`` variables, read once."""

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from include.perennial.errors import BadInput
from include.perennial.messages import first_line, shown

T = TypeVar("T", int, float)
_PREFIX = "PERENNIAL_SERVE_"
MIN_TOKEN_CHARS = 32


@dataclass(frozen=True)
class ServeOptions:
    """Limits and addresses.

    ``host``, ``port``     where the server listens
    ``tokens``             each of them opens the server; without any it listens on loopback only
    ``canary_pct``         percentage of the keys that a challenger answers, 0 to 100
    ``max_rows``           rows of one request
    ``max_body_bytes``     bytes of one request's body
    ``max_waiting``        requests that may be read or wait for a thread; one more is told to come again
    ``threads``            predictions made at a time
    ``body_timeout_s``     how long a client may take to send a body
    ``poll_s``             seconds between two looks at the ledger
    ``flush_s``            seconds that an answer waits, at most, to be written to the prediction log
    ``max_buffered_rows``  answers kept while the object store is down; more are counted and lost
    """

    host: str = "127.0.0.1"
    port: int = 8500
    tokens: tuple[str, ...] = ()
    canary_pct: float = 0.0
    max_rows: int = 1000
    max_body_bytes: int = 2 << 20
    max_waiting: int = 64
    threads: int = 2
    body_timeout_s: float = 10.0
    poll_s: float = 2.0
    flush_s: float = 60.0
    max_buffered_rows: int = 100_000

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "ServeOptions":
        """The options that the environment names.

        Raises:
            BadInput: a value is not a number in its range, the token file cannot be read or holds a short token, or
                the server would listen beyond loopback without a token.
        """
        env = os.environ if environ is None else environ
        options = cls(
            host=env.get(f"{_PREFIX}HOST", cls.host),
            port=_number(env, "PORT", int, cls.port, 0, 65535),
            tokens=_tokens(env.get(f"{_PREFIX}TOKEN_FILE", "")),
            canary_pct=_number(env, "CANARY_PCT", float, cls.canary_pct, 0, 100),
            max_rows=_number(env, "MAX_ROWS", int, cls.max_rows, 1, 100_000),
            max_body_bytes=_number(env, "MAX_BODY_BYTES", int, cls.max_body_bytes, 1024, 1 << 30),
            max_waiting=_number(env, "MAX_WAITING", int, cls.max_waiting, 1, 10_000),
            threads=_number(env, "THREADS", int, cls.threads, 1, 256),
            body_timeout_s=_number(env, "BODY_TIMEOUT_S", float, cls.body_timeout_s, 0.1, 3600),
            poll_s=_number(env, "POLL_S", float, cls.poll_s, 0.05, 3600),
            flush_s=_number(env, "FLUSH_S", float, cls.flush_s, 0.05, 3600),
            max_buffered_rows=_number(env, "MAX_BUFFERED_ROWS", int, cls.max_buffered_rows, 1, 10_000_000),
        )
        if not options.tokens and not options.is_loopback:
            raise BadInput(
                f"The model server would listen on {shown(options.host)} without a token: set {_PREFIX}TOKEN_FILE to "
                f"a file with one of {MIN_TOKEN_CHARS} characters or more, or {_PREFIX}HOST to 127.0.0.1."
            )
        return options

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def _number(env: Mapping[str, str], name: str, kind: Callable[[str], T], default: T, low: float, high: float) -> T:
    text = env.get(f"{_PREFIX}{name}")
    if text is None:
        return default
    try:
        value = kind(text)
    except ValueError:
        value = None
    # NaN is in no range.
    if value is None or not low <= value <= high:
        what = "a whole number" if kind is int else "a number"
        raise BadInput(f"{_PREFIX}{name} is {shown(text)}: expected {what} from {low:g} to {high:g}.")
    return value


def _tokens(path: str) -> tuple[str, ...]:
    if not path:
        return ()
    try:
        tokens = tuple(Path(path).read_text("ascii").split())
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{_PREFIX}TOKEN_FILE names {shown(path)}, which cannot be read: {first_line(error)}.") from None
    if not tokens or min(map(len, tokens)) < MIN_TOKEN_CHARS:
        raise BadInput(
            f"{_PREFIX}TOKEN_FILE names {shown(path)}: expected one token a line, each of {MIN_TOKEN_CHARS} ASCII "
            "characters or more. `python -c 'import secrets; print(secrets.token_urlsafe(32))'` makes one."
        )
    return tokens
