"""PostgreSQL for the production stack: a cluster of its own, with a database and a user for each who needs one."""

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path

import psycopg2
from psycopg2 import sql

from embedded.config import LOOPBACK
from embedded.processes import StackError
from embedded.production.stack import DATABASES, Production

_UNPRIVILEGED = "nobody"


def program(name: str) -> str | None:
    """Path of a PostgreSQL program; Debian keeps those of its newest version off PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else shutil.which(name)


def postgres_command(stack: Production) -> list[str]:
    """The server on loopback, as an unprivileged user, without a socket file."""
    return [
        *_as_unprivileged(), program("postgres") or "postgres", "-D", str(_cluster(stack)),
        "-c", f"listen_addresses={LOOPBACK}", "-c", f"port={stack.ports.postgres}",
        "-c", "unix_socket_directories=", "-c", "max_connections=200",
    ]  # fmt: skip


def create_cluster(stack: Production) -> None:
    """An empty cluster that asks everyone for a password.

    Raises:
        StackError: `initdb` refused.
    """
    cluster = _cluster(stack)
    cluster.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w", prefix="perennial-") as file:
        file.write(stack.passwords["postgres"])
        file.flush()
        if os.geteuid() == 0:
            for path in (str(cluster), file.name):
                shutil.chown(path, _UNPRIVILEGED, pwd.getpwnam(_UNPRIVILEGED).pw_gid)
        command = [
            *_as_unprivileged(), program("initdb") or "initdb", "-D", str(cluster), "-U", "postgres",
            "-A", "scram-sha-256", "--pwfile", file.name, "-E", "UTF8", "--locale=C.UTF-8",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        raise StackError(f"PostgreSQL's initdb failed: {done.stderr.strip()[-500:]}")


def create_databases(stack: Production) -> None:
    """A database and a user for Airflow, MLflow and the ledger; none may connect to another's.

    Raises:
        psycopg2.Error: the server refused.
    """
    with closing(connect(stack)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for name in DATABASES:
                user = sql.Identifier(name)
                password = sql.Literal(stack.passwords[name])
                cursor.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(user, password))
                cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(user, user))
                cursor.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(user))


def connect(stack: Production, name: str = "postgres") -> psycopg2.extensions.connection:
    """A connection to a database as its owner; by default as the administrator.

    Raises:
        psycopg2.OperationalError: the server does not answer or refuses.
    """
    return psycopg2.connect(
        host=LOOPBACK, port=stack.ports.postgres, user=name, dbname=name, password=stack.passwords[name]
    )


def _cluster(stack: Production) -> Path:
    return stack.home / "postgres"


def _as_unprivileged() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam(_UNPRIVILEGED)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
