"""Ledgers on SQLite and on PostgreSQL: what holds for one holds for the other."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.perennial.stores.ledger import Ledger
from tests.servers import postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty ledger."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'ledger.db'}"
    postgres = request.getfixturevalue("postgres")
    with sa.create_engine(postgres).begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS events, ledger_schema")
        connection.exec_driver_sql("DROP FUNCTION IF EXISTS events_refuse")
    return str(postgres)


@pytest.fixture
def ledger(url: str) -> Ledger:
    return Ledger.open(url)
