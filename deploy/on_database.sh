#!/usr/bin/env bash
# Runs a command of PostgreSQL on a SQLAlchemy URL: on_database.sh URL COMMAND…
# Tells the command where by variables: as an argument the password would show in the list of processes.
set -euo pipefail
variables=$(URL=$1 "${python:?}" -c '
import os, shlex, sqlalchemy
url = sqlalchemy.make_url(os.environ["URL"])
host = url.host or url.query.get("host")
found = {"HOST": host, "PORT": url.port, "USER": url.username, "PASSWORD": url.password, "DATABASE": url.database}
print("\n".join(f"export PG{name}={shlex.quote(str(value))}" for name, value in found.items() if value))')
eval "$variables"
exec "${@:2}"
