"""The embedded platform: everything on one machine, in the foreground (`make serve`).

Decision: `aichung serve` replaces itself by this module with the finished environment, because Ray and Ray Serve
read their switches when they are imported.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from models.errors import PlatformError, UnavailableError
from services import deployment
from services.house import prepare
from services.ports import Ports, claim, plan
from services.processes import MARK, end_leftovers, hold, installation_mark
from services.settings import Settings

WATCH_SECONDS = 5.0
SILENCE_SECONDS = 60.0


def environment(settings: Settings) -> dict[str, str]:
    """The variables that Ray, Serve and every child process inherit."""
    ports, mark = plan(settings.http_port), installation_mark(settings.home)
    folder = temporary_folder(mark)
    proxy = folder / "proxy"
    return {
        MARK: mark,
        "AICHUNG_HOME": str(settings.home.resolve()),
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_EXPERIMENTAL_PIP_HAPROXY": "1",
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
    """Ray's folder: short, because the path of a Unix socket is limited to 107 bytes, and one for each user."""
    return Path(tempfile.gettempdir()) / f"aichung-{os.getuid()}-{mark}"


def become(settings: Settings) -> None:
    """Replace this process by the embedded platform."""
    variables = {**os.environ, **environment(settings)}
    os.execve(sys.executable, [sys.executable, "-m", "services.embedded"], variables)


def run(settings: Settings) -> int:
    """Serve until a signal comes; return the exit status."""
    mark = os.environ[MARK]
    with hold(settings.home):
        end_leftovers(mark)
        _claim(settings, plan(settings.http_port))
        keeper = prepare(settings)
        try:
            keeper.start()
            _listen()
            _start(settings, temporary_folder(mark))
            return _watch(settings)
        except KeyboardInterrupt:
            return 0
        finally:
            _stop(mark)
            keeper.close()


def _listen() -> None:
    """Turn the three ending signals into one KeyboardInterrupt; Ray replaces handlers, so this is called twice."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _claim(settings: Settings, ports: Ports) -> None:
    claim(settings.http_host, ports.http)
    for port in (ports.stats, ports.metrics, ports.fallback, ports.replicas_first):
        claim("0.0.0.0", port)  # noqa: S104 - HAProxy's own doors listen on every address; they must be free there


def _start(settings: Settings, folder: Path) -> None:
    (folder / "proxy").mkdir(parents=True, exist_ok=True, mode=0o700)
    deployment.start(settings, folder / "ray")
    _listen()
    deadline = time.monotonic() + settings.ready_seconds
    while not _answers(settings):
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"Nền tảng chưa sẵn sàng sau {settings.ready_seconds:.0f} giây; xem nhật ký trong {settings.home}/logs.",
                f"The platform was not ready after {settings.ready_seconds:.0f} s; see {settings.home}/logs.",
            )
        time.sleep(0.1)
    print(f"AI Chung ready: http://{settings.http_host}:{settings.http_port}", flush=True)


def _watch(settings: Settings) -> int:
    """Wait for a signal; give up when nothing has answered for a minute, so that a service manager restarts us."""
    silent_since = None
    while True:
        time.sleep(WATCH_SECONDS)
        if _answers(settings, "/healthz"):
            silent_since = None
            continue
        silent_since = silent_since or time.monotonic()
        if time.monotonic() - silent_since > SILENCE_SECONDS:
            print("AI Chung: không trả lời quá một phút, dừng | silent for over a minute, stopping", file=sys.stderr)
            return 1


def _answers(settings: Settings, path: str = "/readyz") -> bool:
    host = f"[{settings.http_host}]" if ":" in settings.http_host else settings.http_host
    try:
        with urllib.request.urlopen(f"http://{host}:{settings.http_port}{path}", timeout=5) as reply:  # noqa: S310
            return bool(reply.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _stop(mark: str) -> None:
    _ignore_signals()
    deployment.stop()
    end_leftovers(mark)
    shutil.rmtree(temporary_folder(mark), ignore_errors=True)


def main() -> int:
    """Run the embedded platform and tell what went wrong in one line, in both languages."""
    try:
        return run(Settings.read())
    except PlatformError as error:
        print(f"AI Chung: {error.note.vi}\n          {error.note.en}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
