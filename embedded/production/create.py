"""A new production stack: its folders, its ports, its secrets and the files that its servers read them from."""

import base64
import json
import os
import secrets
from dataclasses import fields
from pathlib import Path

from embedded.config import LOOPBACK, USER, free_ports, write_private
from embedded.production import machine, monitoring
from embedded.production.stack import BUCKET, CONTROL, SECRETS, WORKERS, Production, ProductionPorts


def create(home: Path) -> Production:
    """A new stack below ``home`` with fresh ports and secrets; isolated if this process may.

    Raises:
        OSError: the folder cannot be written.
    """
    # PostgreSQL runs as another user than root and must reach its folder below this one.
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o711)
    stack = Production(
        home=home,
        ports=ProductionPorts(*free_ports(len(fields(ProductionPorts)))),
        password=secrets.token_urlsafe(12),
        jwt_secret=secrets.token_urlsafe(64),
        fernet_key=base64.urlsafe_b64encode(os.urandom(32)).decode(),
        flask_secret=secrets.token_urlsafe(32),
        passwords={name: secrets.token_urlsafe(24) for name in SECRETS},
        isolated=machine.is_possible(),
    )
    for name in (CONTROL, *WORKERS):
        for folder in ("work", "airflow", "net"):
            (stack.machine(name) / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("redis", "registry", f"s3/{BUCKET}"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    write_private(stack.airflow_home / "passwords.json", json.dumps({USER: stack.password}))
    write_private(home / "redis.conf", _redis_config(stack))
    write_private(home / "mlflow-auth.ini", _mlflow_config(stack))
    write_private(home / "prometheus.yml", monitoring.config(stack))
    return stack


def _redis_config(stack: Production) -> str:
    return "\n".join(
        [
            f"bind {LOOPBACK}",
            f"port {stack.ports.redis}",
            f"requirepass {stack.passwords['redis']}",
            f"dir {stack.home / 'redis'}",
            # What is queued survives a restart.
            "appendonly yes",
            'save ""',
        ]
    )


def _mlflow_config(stack: Production) -> str:
    return "\n".join(
        [
            "[mlflow]",
            "default_permission = NO_PERMISSIONS",
            f"database_uri = {stack.database_url('mlflow')}",
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth",
            # Else every call hashes the password anew, which takes longer than the call.
            "auth_cache_ttl_seconds = 60",
        ]
    )
