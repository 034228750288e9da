"""Databases for the contract tests, founded once: a SQLite file, and a real PostgreSQL where there is a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from registry.database import Database
from registry.founding import found
from tests.registry.making import Postgres, postgres_binaries


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = found(f"sqlite:///{tmp_path_factory.mktemp('laws') / 'laws.sqlite'}")
    yield database
    database.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server binaries on this machine")
    server = Postgres(binaries)
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def postgresql(server: Postgres) -> Iterator[Database]:
    database = found(server.url)
    yield database
    database.close()
