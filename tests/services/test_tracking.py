"""The way to the tracking server: what is passed on says the same as what came in."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from models.errors import UnavailableError
from services.tracking import Tracking, keep_log, target_of


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/mlflow", b"/"),
        ("/mlflow/api/2.0/mlflow/runs/get", b"/api/2.0/mlflow/runs/get"),
        ("/mlflow/artifacts/tệp?a#b%2e.txt", b"/artifacts/t%E1%BB%87p%3Fa%23b%252e.txt"),
        ("/mlflow/artifacts/%2e%2e/x", b"/artifacts/%252e%252e/x"),
        ("/mlflow/a\x01b c", b"/a%01b%20c"),
    ],
)
def test_a_decoded_path_is_encoded_once(path: str, sent: bytes) -> None:
    target = target_of(path, b"q=%20&x=1")
    assert target.raw_path == sent + b"?q=%20&x=1"


class Awake(Tracking):
    """Tracking whose server is a function."""

    def __init__(self, home: Path, answer: httpx.MockTransport) -> None:
        super().__init__(home, 900.0)
        self._answer = answer

    async def _wake(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self._answer, base_url="http://localhost")


async def nothing() -> AsyncIterator[bytes]:
    """An empty body."""
    return
    yield b""


def forward(tracking: Tracking, headers: dict[bytes, bytes]) -> httpx.Response:
    path = "/mlflow/api/2.0/mlflow/runs/get"
    return asyncio.run(tracking.forward("GET", path, b"", headers, nothing(), "t_abc"))


def test_headers_pass_byte_for_byte_and_the_workspace_is_ours(tmp_path: Path) -> None:
    seen: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200)

    sent = {b"x-odd": b"\xff\xe1", b"authorization": b"Bearer a", b"x-mlflow-workspace": b"t-other", b"cookie": b"a"}
    forward(Awake(tmp_path, httpx.MockTransport(answer)), sent)
    raw = dict(seen[-1].raw)
    assert raw[b"x-odd"] == b"\xff\xe1"
    assert raw[b"x-mlflow-workspace"] == b"t-t-abc"
    assert b"authorization" not in raw
    assert b"cookie" not in raw


@pytest.mark.parametrize("status", [0, 500])
def test_a_server_that_goes_away_while_it_is_asked_for_the_workspace_is_told(tmp_path: Path, status: int) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if status == 0:
            raise httpx.ConnectError("gone")
        return httpx.Response(status)

    with pytest.raises(UnavailableError):
        forward(Awake(tmp_path, httpx.MockTransport(answer)), {})


def test_what_the_server_says_is_kept_within_bounds(tmp_path: Path) -> None:
    log, before = tmp_path / "server.log", tmp_path / "server.log.1"
    log.write_bytes(b"of the start before\n")
    talker = "for number in range(5000): print('line', number, '-' * 50)"
    with subprocess.Popen([sys.executable, "-c", talker], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        keep_log(process.stdout, log, 20_000)
    assert b"of the start before" not in before.read_bytes()
    assert 0 < log.stat().st_size <= 20_000
    assert 0 < before.stat().st_size <= 20_000
    kept = (before.read_bytes() + log.read_bytes()).splitlines()
    assert [int(line.split()[1]) for line in kept] == list(range(5000 - len(kept), 5000))


def test_a_log_that_cannot_be_written_never_blocks_the_server(tmp_path: Path) -> None:
    talker = "for number in range(5000): print('line', number, '-' * 50)"
    with subprocess.Popen([sys.executable, "-c", talker], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        keep_log(process.stdout, tmp_path / "gone" / "server.log", 20_000)
    assert process.returncode == 0
