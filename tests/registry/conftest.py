"""Fixtures of the registry's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.database import Database
from registry.founding import found
from registry.signatures import Signer
from tests.registry.making import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = found(f"sqlite:///{tmp_path / 'aichung.sqlite'}")
    yield database
    database.close()


@pytest.fixture
def signer() -> Signer:
    return Signer.generate("bootstrap")
