"""Fixtures of the doors' tests: a real SQLite database, tenants and keys in it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn

from registry.database import Database
from registry.founding import found
from services.evaluation import found_evaluation, read_keys
from services.identity import Caller, Identity
from services.keys import open_pepper
from tests.services.wire.small import Place, small_house


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of an evaluation installation, founded once and copied for each test."""
    home = tmp_path_factory.mktemp("installation")
    database = found(f"sqlite:///{home / 'aichung.db'}")
    pepper = open_pepper(home / "keys" / "pepper", create=True)
    assert found_evaluation(database, pepper, home, datetime.fromtimestamp(HandClock()(), UTC)) == []
    database.close()
    return home


@pytest.fixture
def home(installation: Path, tmp_path: Path) -> Path:
    """A test's own installation."""
    return Path(shutil.copytree(installation, tmp_path / "var"))


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{home / 'aichung.db'}")
    yield database
    database.close()


@pytest.fixture
def pepper(home: Path) -> bytes:
    return open_pepper(home / "keys" / "pepper", create=False)


@pytest.fixture
def evaluation(home: Path) -> dict[str, str]:
    """The keys of the installation by name."""
    return read_keys(home)


@pytest.fixture
def identity(database: Database, pepper: bytes, clock: HandClock) -> Identity:
    """The identities of an evaluation installation."""
    return Identity(database, pepper, clock)


@pytest.fixture
def caller(identity: Identity, evaluation: dict[str, str]) -> Callable[[str], Caller]:
    """The caller behind a named evaluation key."""
    return lambda name: identity.authenticate(f"Bearer {evaluation[name]}")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A whole house with small models, for a module's tests; none takes anything away from the others."""
    place = small_house(tmp_path_factory.mktemp("house"))
    yield place
    place.close()


@pytest.fixture(scope="module")
def address(place: Place) -> Iterator[str]:
    """The house on a real socket."""
    server = uvicorn.Server(uvicorn.Config(place.app, port=0, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(5)
