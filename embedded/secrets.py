"""`make secrets`: the .env and the secret files of docker-compose.yaml, with new secrets where there are none."""

import base64
import json
import os
import secrets
from pathlib import Path

from embedded.config import PROJECT, USER, write_private


def fill(example: str, existing: dict[str, str]) -> str:
    """The text of ``.env``: ``example`` with the existing values, and a new secret for every empty one."""
    return "".join(f"{_filled(line, existing)}\n" for line in example.splitlines())


def _filled(line: str, existing: dict[str, str]) -> str:
    name, found, value = line.partition("=")
    if not found or name.startswith("#"):
        return line
    return f"{name}={existing.get(name) or value or _new(name)}"


def values(text: str) -> dict[str, str]:
    """Variables of the text of a ``.env`` file."""
    pairs = [line.partition("=") for line in text.splitlines() if not line.startswith("#")]
    return {name: value for name, found, value in pairs if found}


def write(folder: Path) -> list[str]:
    """Write ``.env`` and ``secrets/`` below ``folder``; names of the files that are new.

    Raises:
        OSError: they cannot be written.
    """
    target = folder / ".env"
    before = values(target.read_text()) if target.exists() else {}
    new = [] if target.exists() else [".env"]
    write_private(target, fill((PROJECT / ".env.example").read_text(), before))
    place = folder / "secrets"
    # The folder keeps others out; the files must be readable by the containers' users, who own none of them.
    place.mkdir(mode=0o700, exist_ok=True)
    contents = {
        "airflow_passwords.json": json.dumps({USER: secrets.token_urlsafe(16)}),
        **{name: secrets.token_urlsafe(32) for name in ("serve_token", "metrics_token", "grafana_password")},
    }
    for name, content in contents.items():
        if not (place / name).exists():
            write_private(place / name, content)
            (place / name).chmod(0o444)
            new.append(f"secrets/{name}")
    return new


def _new(name: str) -> str:
    # Letters, digits, - and _ only: they stand in URLs.
    return base64.urlsafe_b64encode(os.urandom(32)).decode() if name == "FERNET_KEY" else secrets.token_urlsafe(48)


if __name__ == "__main__":
    print("new: " + (", ".join(write(PROJECT)) or "nothing, all secrets are there"))
