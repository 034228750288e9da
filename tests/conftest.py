"""Fixtures that every room shares, and how hypothesis looks for counter-examples.

Decision: `make test` tries the same examples every time and on every machine, however busy it is, so that a failure is
a change's and never the day's. `pytest --hypothesis-profile=explore` draws new ones: for whoever hunts faults.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

TOO_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=TOO_SLOW)
settings.register_profile("explore", deadline=None, max_examples=1_000, suppress_health_check=TOO_SLOW)
settings.load_profile("steady")


@pytest.fixture
def unused_socket() -> Iterator[socket.socket]:
    """A listening socket on a port that is therefore taken."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server
