"""The environment in which the embedded platform runs, and the step into it.

Decision: `aichung serve` replaces itself by `services.embedded` with the finished environment, because Ray and Ray
Serve read their switches when they are imported.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from services.ports import plan
from services.processes import MARK, installation_mark
from services.settings import Settings


def environment(settings: Settings) -> dict[str, str]:
    """The variables that Ray, Serve and every child process inherit."""
    ports, mark = plan(settings.http_port), installation_mark(settings.home)
    folder = temporary_folder(mark)
    proxy = folder / "p"
    return {
        MARK: mark,
        "AICHUNG_HOME": str(settings.home.resolve()),
        "AICHUNG_HTTP_HOST": settings.http_host,
        "AICHUNG_HTTP_PORT": str(settings.http_port),
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_EXPERIMENTAL_PIP_HAPROXY": "1",
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "services.threshold:middlewares",
        "RAY_SERVE_HAPROXY_NBTHREAD": "1" if (os.cpu_count() or 1) <= 2 else "2",
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports.stats),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports.metrics),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports.fallback),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports.fallback_grpc),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(proxy / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(proxy / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(proxy),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(proxy / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(proxy / "metrics.sock"),
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "15",
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(ports.replicas_first),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(ports.replicas_last),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
        "RAY_SERVE_PORT_QUARANTINE_S": "0",
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "2",
        "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "5",
        "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "1",
        "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "10000",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "0",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def temporary_folder(mark: str) -> Path:
    """Ray's and HAProxy's folder: short, because HAProxy allows 97 bytes for a socket's path and adds 68 itself."""
    return Path("/tmp") / f"aichung-{mark}"  # noqa: S108 - created with mode 0700, emptied at start


def become(settings: Settings) -> None:
    """Replace this process by the embedded platform."""
    variables = {**os.environ, **environment(settings)}
    os.execve(sys.executable, [sys.executable, "-m", "services.embedded"], variables)  # noqa: S606 - our own interpreter
