"""How the model server is set up: ``PERENNIAL_SERVE_*`` variables, read once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from include.perennial.listening import number, require_token, tokens_in

_PREFIX = "PERENNIAL_SERVE_"


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
            port=number(env, f"{_PREFIX}PORT", int, cls.port, 0, 65535),
            tokens=tokens_in(env, f"{_PREFIX}TOKEN_FILE"),
            canary_pct=number(env, f"{_PREFIX}CANARY_PCT", float, cls.canary_pct, 0, 100),
            max_rows=number(env, f"{_PREFIX}MAX_ROWS", int, cls.max_rows, 1, 100_000),
            max_body_bytes=number(env, f"{_PREFIX}MAX_BODY_BYTES", int, cls.max_body_bytes, 1024, 1 << 30),
            max_waiting=number(env, f"{_PREFIX}MAX_WAITING", int, cls.max_waiting, 1, 10_000),
            threads=number(env, f"{_PREFIX}THREADS", int, cls.threads, 1, 256),
            body_timeout_s=number(env, f"{_PREFIX}BODY_TIMEOUT_S", float, cls.body_timeout_s, 0.1, 3600),
            poll_s=number(env, f"{_PREFIX}POLL_S", float, cls.poll_s, 0.05, 3600),
            flush_s=number(env, f"{_PREFIX}FLUSH_S", float, cls.flush_s, 0.05, 3600),
            max_buffered_rows=number(env, f"{_PREFIX}MAX_BUFFERED_ROWS", int, cls.max_buffered_rows, 1, 10_000_000),
        )
        require_token("model server", _PREFIX, options.host, options.tokens)
        return options
