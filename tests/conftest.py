"""Fixtures that every room shares."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest


@pytest.fixture
def unused_socket() -> Iterator[socket.socket]:
    """A listening socket on a port that is therefore taken."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server
