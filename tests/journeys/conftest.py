"""A real running platform, started once for the journeys as a stranger would start it."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest

from services.launch import temporary_folder
from services.processes import installation_mark, marked_processes

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 150
T = TypeVar("T")


def free_port() -> int:
    """A port that nobody listens on, below the derived windows; each worker of pytest has a range of its own."""
    first = 8100 + 400 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for port in range(first + os.getpid() % 200, first + 400):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise RuntimeError("no free port")


@dataclass
class Platform:
    """One installation under test."""

    home: Path
    port: int
    process: subprocess.Popen[str] | None
    ready_seconds: float
    clients: list[httpx.Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def keys(self) -> dict[str, str]:
        return json.loads((self.home / "keys.json").read_text(encoding="utf-8"))

    def client(self, name: str | None = "ministry", **headers: str) -> httpx.Client:
        """A client of one of the installation's keys; closed when the platform stops."""
        if name is not None:
            headers["Authorization"] = f"Bearer {self.keys[name]}"
        self.clients.append(httpx.Client(base_url=self.url, headers=headers, timeout=60))
        return self.clients[-1]

    def bearer(self, key: str) -> httpx.Client:
        """A client of any key."""
        return self.client(None, Authorization=f"Bearer {key}")

    def stop(self, number: int = signal.SIGINT, seconds: float = 40) -> int:
        while self.clients:
            self.clients.pop().close()
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def aichung(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return aichung(self.home, *arguments, port=self.port)

    def said(self) -> str:
        """What the start printed."""
        return (self.home / "serve.out").read_text(encoding="utf-8")

    def talk(self, content: bytes, seconds: float = 20) -> bytes:
        """Send bytes on a bare socket and read to its end: for what no HTTP client would send."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as line:
            line.sendall(content)
            parts = []
            while part := line.recv(65536):
                parts.append(part)
        return b"".join(parts)

    def query(self, statement: str, *values: Any) -> list[Any]:
        """Rows of the database, read beside the platform."""
        with closing(sqlite3.connect(f"file:{self.home / 'aichung.db'}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(statement, values).fetchall()

    def tamper(self, statement: str, *values: Any) -> None:
        """Change the database behind the platform's back."""
        with closing(sqlite3.connect(self.home / "aichung.db", timeout=10)) as connection, connection:
            connection.execute(statement, values)

    def files(self) -> Iterator[tuple[Path, bytes]]:
        """Everything the installation wrote: its home, and what Ray and HAProxy keep outside it."""
        for folder in (self.home, temporary_folder(installation_mark(self.home))):
            for path in folder.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    yield path, path.read_bytes()

    def replicas(self, family: str) -> list[psutil.Process]:
        """The processes that answer for a family."""
        found = []
        for process in marked_processes(installation_mark(self.home)):
            try:
                if f"ServeReplica:{family}:" in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found


def aichung(home: Path, *arguments: str, port: int = 8000) -> subprocess.CompletedProcess[str]:
    """Run the command line on a home."""
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments], cwd=ROOT, env=environment(home, port),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def environment(home: Path, port: int) -> dict[str, str]:
    return {**os.environ, "AICHUNG_HOME": str(home), "AICHUNG_HTTP_PORT": str(port)}


SERVE = ("services.cli", "serve")


def start(
    home: Path, port: int | None = None, command: tuple[str, ...] = SERVE, checkout: Path = ROOT, **variables: str
) -> Platform:
    """Run `aichung serve` (or another module that becomes the platform) of a checkout and wait for its line."""
    port = port or free_port()
    home.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with (home / "serve.out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=checkout, env={**environment(home, port), **variables},
            stdout=out, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    while f"AI Chung ready: http://127.0.0.1:{port}" not in (home / "serve.out").read_text():
        if process.poll() is not None or time.monotonic() - started > READY_SECONDS:
            process.kill()
            raise AssertionError((home / "serve.out").read_text()[-4000:])
        time.sleep(0.1)
    return Platform(home, port, process, time.monotonic() - started)


def serve_once(home: Path, port: int, **variables: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to fail."""
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "serve"], cwd=ROOT, env={**environment(home, port), **variables},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def within(seconds: float, ask: Callable[[], T]) -> T:
    """Ask until the answer is true, at most for `seconds`; the last answer."""
    deadline = time.monotonic() + seconds
    while not (found := ask()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform of the session. Tests leave it as they found it.

    `JOURNEY_HOME` and `JOURNEY_PORT` name one that runs already: it saves the start while a journey is being written.
    """
    if "JOURNEY_HOME" in os.environ:
        running = Platform(Path(os.environ["JOURNEY_HOME"]), int(os.environ["JOURNEY_PORT"]), None, 0.0)
    else:
        running = start(tmp_path_factory.mktemp("home"), AICHUNG_CHECKPOINT_SECONDS="2")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def another(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Platform]]:
    """Start further installations; all are stopped at the end."""
    started: list[Platform] = []

    def make(home: Path | None = None, port: int | None = None, **variables: str) -> Platform:
        started.append(start(home or tmp_path_factory.mktemp("other"), port, **variables))
        return started[-1]

    yield make
    for running in started:
        running.stop()


@pytest.fixture(scope="session")
def narrow(another: Callable[..., Platform]) -> Platform:
    """A second installation, with room for one computation and four that wait, and tracking that soon falls asleep."""
    return another(
        AICHUNG_INFERENCE_THREADS="1", AICHUNG_INFERENCE_QUEUE="4", AICHUNG_DEADLINE_SECONDS="20",
        AICHUNG_TRACKING_IDLE_SECONDS="10",
    )  # fmt: skip
