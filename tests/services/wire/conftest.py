"""Fixtures of the wire's tests: one house for a module, and a fresh one for tests that change it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.wire.small import BUNDLED, Place, small_house

LANGUAGE = {name: kind for name, kind in BUNDLED.items() if kind.startswith("text.")}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A house shared by a module: its tests read."""
    place = small_house(tmp_path_factory.mktemp("house"))
    yield place
    place.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Place]:
    """A house of the test's own: it suspends, revokes, overloads."""
    place = small_house(tmp_path / "home", models=LANGUAGE)
    yield place
    place.close()
