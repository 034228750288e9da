"""Fixtures of the registry's tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.backups import back_up
from registry.database import Database
from registry.founding import found
from registry.signatures import Signer
from tests.registry.making import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database founded once; each test works on its own copy."""
    path = tmp_path_factory.mktemp("founded") / "aichung.sqlite"
    database = found(f"sqlite:///{path}")
    back_up(database, path.with_name("copy.sqlite"))
    database.close()
    return path.with_name("copy.sqlite")


@pytest.fixture
def database(founded: Path, tmp_path: Path) -> Iterator[Database]:
    path = shutil.copy(founded, tmp_path / "aichung.sqlite")
    database = Database.open(f"sqlite:///{path}")
    yield database
    database.close()


@pytest.fixture
def signer() -> Signer:
    return Signer.generate("bootstrap")
