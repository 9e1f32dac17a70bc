"""Where a server listens, and whose tokens open it: the rules of every server of Perennial."""

import ipaddress
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from include.perennial.errors import BadInput
from include.perennial.messages import first_line, shown

T = TypeVar("T", int, float)
MIN_TOKEN_CHARS = 32


def number(env: Mapping[str, str], variable: str, kind: Callable[[str], T], default: T, low: float, high: float) -> T:
    """The number in ``variable``, or ``default`` if it is not set.

    Raises:
        BadInput: it is not a number from ``low`` to ``high``.
    """
    text = env.get(variable)
    if text is None:
        return default
    try:
        value = kind(text)
    except ValueError:
        value = None
    # NaN is in no range.
    if value is None or not low <= value <= high:
        what = "a whole number" if kind is int else "a number"
        raise BadInput(f"{variable} is {shown(text)}: expected {what} from {low:g} to {high:g}.")
    return value


def tokens_in(env: Mapping[str, str], variable: str) -> tuple[str, ...]:
    """The tokens of the file that ``variable`` names, one a line; none if it is not set.

    Raises:
        BadInput: the file cannot be read, or holds no token or a short one.
    """
    path = env.get(variable, "")
    if not path:
        return ()
    try:
        tokens = tuple(Path(path).read_text("ascii").split())
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{variable} names {shown(path)}, which cannot be read: {first_line(error)}.") from None
    if not tokens or min(map(len, tokens)) < MIN_TOKEN_CHARS:
        raise BadInput(
            f"{variable} names {shown(path)}: expected one token a line, each of {MIN_TOKEN_CHARS} ASCII "
            "characters or more. `python -c 'import secrets; print(secrets.token_urlsafe(32))'` makes one."
        )
    return tokens


def require_token(what: str, prefix: str, host: str, tokens: tuple[str, ...]) -> None:
    """Refuse to listen beyond loopback without a token; ``prefix`` is that of the server's variables.

    Raises:
        BadInput: the server would.
    """
    if not tokens and not is_loopback(host):
        raise BadInput(
            f"The {what} would listen on {shown(host)} without a token: set {prefix}TOKEN_FILE to "
            f"a file with one of {MIN_TOKEN_CHARS} characters or more, or {prefix}HOST to 127.0.0.1."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
