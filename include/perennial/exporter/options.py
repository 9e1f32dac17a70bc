"""How the exporter is set up: ``PERENNIAL_METRICS_*`` variables, read once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from include.perennial.listening import number, require_token, tokens_in

_PREFIX = "PERENNIAL_METRICS_"


@dataclass(frozen=True)
class ExporterOptions:
    """``host`` and ``port`` to listen on; each of ``tokens`` opens it, without any it listens on loopback only."""

    host: str = "127.0.0.1"
    port: int = 9109
    tokens: tuple[str, ...] = ()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "ExporterOptions":
        """The options that the environment names.

        Raises:
            BadInput: the port is none, the token file cannot be read or holds a short token, or the exporter would
                listen beyond loopback without a token.
        """
        env = os.environ if environ is None else environ
        options = cls(
            host=env.get(f"{_PREFIX}HOST", cls.host),
            port=number(env, f"{_PREFIX}PORT", int, cls.port, 0, 65535),
            tokens=tokens_in(env, f"{_PREFIX}TOKEN_FILE"),
        )
        require_token("exporter", _PREFIX, options.host, options.tokens)
        return options
