"""The ports of one installation, all derived from its HTTP port.

Decision: Ray Serve's HAProxy and replicas take fixed default ports, which two installations on one machine would
share (some silently, through SO_REUSEPORT). Each installation therefore derives a window of its own from its HTTP
port; ports that Ray's daemons choose freely need no plan.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

from models.errors import ConflictError

WINDOW = 24
LOWEST = 20_000
SPAN = 532 * WINDOW


@dataclass(frozen=True, slots=True)
class Ports:
    """Port numbers; `replicas_first`…`replicas_last` is where replicas listen."""

    http: int
    stats: int
    metrics: int
    fallback: int
    fallback_grpc: int
    dashboard_agent: int
    tracking: int
    replicas_first: int
    replicas_last: int


def plan(http: int) -> Ports:
    """The window of an HTTP port: slots below Linux's ephemeral ports (32768), so that neighbours do not meet."""
    first = LOWEST + (http * WINDOW) % SPAN
    if first <= http < first + WINDOW:
        first = LOWEST + (first + WINDOW - LOWEST) % SPAN
    return Ports(http, first, first + 1, first + 2, first + 3, first + 4, first + 5, first + 6, first + WINDOW - 1)


def claim(host: str, port: int) -> None:
    """Prove that nobody listens on a port. Raises ConflictError that names it when somebody does.

    A port that only closed connections still remember (TIME_WAIT) counts as free: a restart must not wait a minute.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            return
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            if taken and not _answers(family, port):
                return
            raise ConflictError(
                f"Cổng {port} {'đang được dùng' if taken else 'không mở được'}; đặt AICHUNG_HTTP_PORT khác.",
                f"Port {port} {'is in use' if taken else 'cannot be opened'}; set another AICHUNG_HTTP_PORT.",
                code="port-in-use",
            ) from error


def _answers(family: socket.AddressFamily, port: int) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as visitor:
        visitor.settimeout(1.0)
        return visitor.connect_ex(("::1" if family == socket.AF_INET6 else "127.0.0.1", port)) == 0
