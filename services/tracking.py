"""`/mlflow`: the tracking server of ML engineers, behind our own door.

Decisions
- MLflow sleeps: its server is started by the first request and ended after a quiet quarter of an hour, because it costs
  half a gigabyte that an installation which does not train never needs.
- It listens on a Unix socket in a folder that only this user can enter, so there is no second door around ours.
- The caller's organisation decides the workspace: the header is set here, whatever the client sent, and the caller's
  credentials are not passed on. One organisation's run is 404 for another, by MLflow's own workspace filter.
- Bodies are streamed both ways; nothing is held whole in memory.
- What the server says goes through a pipe into a file that is rolled once, so a server that complains for months fills
  no disk; a disk that is full costs lines of it and never blocks the server.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

import httpx

from models.errors import UnavailableError
from services.processes import die_with_parent

PREFIX: Final = "/mlflow"
WORKSPACE_HEADER: Final = b"x-mlflow-workspace"
START_SECONDS: Final = 60.0
LOG_BYTES: Final = 5_000_000
"""Of `server.log`, and of the one before it."""

LINE_BYTES: Final = 65_536

DROPPED: Final = frozenset(
    {b"authorization", b"x-api-key", b"host", b"connection", b"transfer-encoding", b"cookie", WORKSPACE_HEADER}
)
"""Request headers that are not passed on."""

PLAIN: Final = "/:@!$&'()*+,;=~"
"""Signs that a path holds as they are, beside letters, digits and `_.-`."""

HOP_BY_HOP: Final = frozenset({b"connection", b"transfer-encoding", b"keep-alive", b"server", b"date"})


class Tracking:
    """The tracking server of one installation and the way to it."""

    def __init__(self, home: Path, idle_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is started before the first request."""
        self._folder = (home / "mlflow").resolve()
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._last_used = clock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_folder: tempfile.TemporaryDirectory[str] | None = None
        self._client: httpx.AsyncClient | None = None
        self._waking = asyncio.Lock()
        self._known_workspaces: set[str] = set()
        self._idling: asyncio.Task[None] | None = None

    @property
    def awake(self) -> bool:
        """Whether the server process runs."""
        return self._process is not None and self._process.poll() is None

    async def forward(
        self,
        method: str,
        path: str,
        query: bytes,
        headers: Mapping[bytes, bytes],
        body: AsyncIterator[bytes],
        tenant: str,
    ) -> httpx.Response:
        """Send one request on behalf of a tenant; the response's stream is open and must be closed by the caller.

        Raises UnavailableError when the server does not come up or goes away.
        """
        client = await self._wake()
        passed = [(name, value) for name, value in headers.items() if name not in DROPPED]
        passed.append((WORKSPACE_HEADER, workspace_of(tenant).encode()))
        request = client.build_request(method, target_of(path, query), headers=passed, content=body)
        try:
            await self._ensure_workspace(client, workspace_of(tenant))
            return await client.send(request, stream=True)
        except httpx.TransportError as error:
            raise _away() from error
        finally:
            self._last_used = self._clock()

    async def sleep_when_idle(self) -> None:
        """End the server when nobody has used it for the idle time; runs for as long as the server does."""
        while self.awake:
            await asyncio.sleep(min(self._idle_seconds, 30.0))
            async with self._waking:
                if self.awake and self._clock() - self._last_used > self._idle_seconds:
                    await self.close()

    async def close(self) -> None:
        """End the server process and remove its socket."""
        process, self._process = self._process, None
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                await asyncio.to_thread(process.wait, 5)
            except subprocess.TimeoutExpired:
                process.kill()
        if self._socket_folder is not None:
            self._socket_folder.cleanup()
            self._socket_folder = None

    async def _wake(self) -> httpx.AsyncClient:
        async with self._waking:
            if self.awake and self._client is not None:
                return self._client
            await self.close()
            self._folder.mkdir(parents=True, exist_ok=True)
            self._socket_folder = tempfile.TemporaryDirectory(prefix="aichung-")
            socket = Path(self._socket_folder.name) / "mlflow.sock"
            self._process = await asyncio.to_thread(self._launch, socket)
            transport = httpx.AsyncHTTPTransport(uds=str(socket), limits=httpx.Limits(max_connections=32))
            client = httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=httpx.Timeout(300))
            await self._wait(client)
            self._client = client
            self._last_used = self._clock()
            self._idling = asyncio.create_task(self.sleep_when_idle())
            return client

    def _launch(self, socket: Path) -> subprocess.Popen[bytes]:
        arguments = [
            sys.executable, "-m", "mlflow", "server",
            "--backend-store-uri", f"sqlite:///{self._folder / 'mlflow.db'}",
            "--artifacts-destination", str(self._folder / "artifacts"),
            "--enable-workspaces", "--workers", "1", "--uvicorn-opts", f"--uds {socket} --log-level warning",
        ]  # fmt: skip
        environment = {
            **os.environ,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        process = subprocess.Popen(  # noqa: S603 - fixed arguments
            arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=die_with_parent,
            cwd=self._folder,
        )  # fmt: skip
        if process.stdout is not None:
            log = (process.stdout, self._folder / "server.log")
            threading.Thread(target=keep_log, args=log, name="mlflow-log", daemon=True).start()
        return process

    async def _wait(self, client: httpx.AsyncClient) -> None:
        deadline = self._clock() + START_SECONDS
        while self._clock() < deadline and self.awake:
            try:
                if (await client.get("/health")).status_code == 200:
                    return
            except httpx.TransportError:
                pass  # not listening yet
            await asyncio.sleep(0.1)
        await client.aclose()
        await self.close()
        raise _away()

    async def _ensure_workspace(self, client: httpx.AsyncClient, name: str) -> None:
        if name in self._known_workspaces:
            return
        found = await client.get(f"/api/3.0/mlflow/workspaces/{name}")
        if found.status_code == 404:
            made = await client.post("/api/3.0/mlflow/workspaces", json={"name": name})
            if made.status_code >= 400 and made.status_code != 409:
                raise _away()
        elif found.status_code >= 400:
            raise _away()
        self._known_workspaces.add(name)


def keep_log(said: IO[bytes], path: Path, most: int = LOG_BYTES) -> None:
    """Write what a process says to a file of at most `most` bytes, the one before it beside it, until it ends."""
    before = path.with_name(path.name + ".1")
    with suppress(OSError):
        os.replace(path, before)
    size = 0
    with said:
        for line in iter(partial(said.readline, LINE_BYTES), b""):
            with suppress(OSError):
                if size + len(line) > most:
                    os.replace(path, before)
                    size = 0
                with path.open("ab", buffering=0) as file:
                    size += file.write(line)


def workspace_of(tenant: str) -> str:
    """The workspace of an organisation: MLflow allows lower-case letters, digits and hyphens."""
    plain = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in tenant.lower())
    return f"t-{plain}"[:60].rstrip("-")


def target_of(path: str, query: bytes) -> httpx.URL:
    """MLflow's address for a path that arrived decoded: encoded anew, so that no sign of it is read a second time."""
    return httpx.URL(quote(path.removeprefix(PREFIX) or "/", safe=PLAIN), query=query)


def response_headers(response: httpx.Response) -> list[tuple[bytes, bytes]]:
    """The response's headers without those that belong to one connection."""
    return [(name.lower(), value) for name, value in response.headers.raw if name.lower() not in HOP_BY_HOP]


def _away() -> UnavailableError:
    return UnavailableError(
        "Máy chủ theo dõi thí nghiệm chưa sẵn sàng.", "The tracking server is not ready.", 5, code="tracking-away"
    )
