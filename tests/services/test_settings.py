"""Settings say which variable is wrong and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import ConflictError, InvalidInputError
from services.ports import LOWEST, SPAN, claim, plan
from services.settings import Settings


def test_the_defaults_serve_on_loopback():
    settings = Settings.read({})
    assert (settings.http_host, settings.http_port, settings.home) == ("127.0.0.1", 8000, Path("var"))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AICHUNG_HTTP_PORT", "eight"),
        ("AICHUNG_HTTP_PORT", "80"),
        ("AICHUNG_PROFILE", "demo"),
        ("AICHUNG_POLL_SECONDS", "5"),
        ("AICHUNG_DEADLINE_SECONDS", "-1"),
        ("AICHUNG_HTTP_HOST", "a b"),
    ],
)
def test_a_wrong_value_is_refused_by_the_variable_s_name(variable, value):
    with pytest.raises(InvalidInputError) as caught:
        Settings.read({variable: value})
    assert variable in caught.value.note.vi
    assert value not in caught.value.note.en


def test_production_requires_postgresql():
    with pytest.raises(InvalidInputError, match="AICHUNG_DATABASE_URL"):
        Settings.read({"AICHUNG_PROFILE": "production"})


def test_neighbouring_installations_share_no_port():
    seen: dict[int, int] = {}
    for http in range(8000, 8400):
        ports = plan(http)
        window = {ports.stats, ports.metrics, ports.fallback, ports.fallback_grpc, ports.dashboard_agent,
                  ports.tracking, *range(ports.replicas_first, ports.replicas_last + 1)}  # fmt: skip
        assert all(LOWEST <= port < LOWEST + SPAN for port in window)
        assert not window & set(seen)
        seen.update(dict.fromkeys(window, http))


def test_the_http_port_never_lies_in_its_own_window():
    for http in range(1024, 60_000):
        ports = plan(http)
        assert not ports.stats <= http <= ports.replicas_last


def test_a_port_in_use_is_named(unused_socket):
    port = unused_socket.getsockname()[1]
    with pytest.raises(ConflictError) as caught:
        claim("127.0.0.1", port)
    assert str(port) in caught.value.note.vi
