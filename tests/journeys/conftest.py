"""A real running platform, started once for the journeys as a stranger would start it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 150


def free_port() -> int:
    """A port that nobody listens on, below the range of the derived windows."""
    for port in range(8100 + os.getpid() % 300, 9000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise RuntimeError("no free port")


@dataclass
class Platform:
    """One installation under test."""

    home: Path
    port: int
    process: subprocess.Popen[str]
    ready_seconds: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def keys(self) -> dict[str, str]:
        return json.loads((self.home / "keys.json").read_text(encoding="utf-8"))

    def client(self, name: str | None = "ministry", **headers: str) -> httpx.Client:
        if name is not None:
            headers["Authorization"] = f"Bearer {self.keys[name]}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def stop(self, number: int = signal.SIGINT, seconds: float = 40) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def aichung(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments], cwd=ROOT, env=environment(self.home, self.port),
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip


def environment(home: Path, port: int) -> dict[str, str]:
    return {**os.environ, "AICHUNG_HOME": str(home), "AICHUNG_HTTP_PORT": str(port)}


def start(home: Path, port: int | None = None, **variables: str) -> Platform:
    """Run `aichung serve` and wait for its line."""
    port = port or free_port()
    home.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with (home / "serve.out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "serve"], cwd=ROOT, env={**environment(home, port), **variables},
            stdout=out, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    while f"AI Chung ready: http://127.0.0.1:{port}" not in (home / "serve.out").read_text():
        if process.poll() is not None or time.monotonic() - started > READY_SECONDS:
            process.kill()
            raise AssertionError((home / "serve.out").read_text()[-4000:])
        time.sleep(0.1)
    return Platform(home, port, process, time.monotonic() - started)


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform of the session."""
    running = start(tmp_path_factory.mktemp("home"))
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
