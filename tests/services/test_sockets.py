"""What leaves a replica's socket: one write an answer, nothing held back, nothing kept without bound."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from services.sockets import HELD_BYTES, JoiningProtocol, JoiningTransport

REQUEST = b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}"


class Recorded(asyncio.Transport):
    """Keeps every write; is asked for its socket by uvicorn."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = self.aborted = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def get_write_buffer_size(self) -> int:
        return 7


def answering(*parts: tuple[bytes, float]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1")]})
        for part, pause in parts:
            await asyncio.sleep(pause) if pause else None
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


def writes_of(app: Any) -> list[bytes]:
    async def run() -> list[bytes]:
        loop = asyncio.get_running_loop()
        state, inner = ServerState(), Recorded()
        config = Config(app, lifespan="off", ws="none", log_config=None)
        config.load()
        protocol = JoiningProtocol(config, state, {}, loop)
        protocol.connection_made(inner)
        protocol.data_received(REQUEST)
        while state.tasks:
            await asyncio.wait(state.tasks)
        protocol.connection_lost(ConnectionError())
        return inner.writes

    return asyncio.run(run())


def test_an_answer_given_at_once_leaves_in_one_write():
    (written,) = writes_of(answering((b"hello", 0)))
    assert written.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"hello" in written
    assert written.endswith(b"0\r\n\r\n")


def test_a_stream_is_passed_on_as_it_comes():
    writes = writes_of(answering((b"one", 0.01), (b"two", 0.01)))
    assert [word for part in writes for word in (b"HTTP/1.1", b"one", b"two") if word in part] == [
        b"HTTP/1.1", b"one", b"two",
    ]  # fmt: skip
    assert len(writes) >= 3


def test_a_body_that_never_yields_is_not_held_in_memory():
    part = b"x" * 10_000
    writes = writes_of(answering(*[(part, 0)] * 100))
    assert b"".join(writes).count(b"x" * 10_000) == 100
    assert max(map(len, writes)) <= HELD_BYTES + 2 * len(part)


def test_closing_sends_what_is_held_and_aborting_drops_it():
    async def run() -> tuple[Recorded, Recorded]:
        closed, aborted = Recorded(), Recorded()
        for inner, end in ((closed, "close"), (aborted, "abort")):
            transport = JoiningTransport(inner, asyncio.get_running_loop())
            transport.write(b"a")
            transport.write(b"b")
            assert transport.get_write_buffer_size() == 9
            getattr(transport, end)()
            await asyncio.sleep(0)
        return closed, aborted

    closed, aborted = asyncio.run(run())
    assert (closed.writes, closed.closed) == ([b"ab"], True)
    assert (aborted.writes, aborted.aborted) == ([], True)


@pytest.mark.parametrize("pipelined", [1, 3])
def test_requests_over_a_real_socket_are_answered_in_order(pipelined: int):
    async def run() -> bytes:
        loop = asyncio.get_running_loop()
        config = Config(answering((b"hello", 0)), lifespan="off", ws="none", log_config=None)
        config.load()
        state = ServerState()
        server = await loop.create_server(lambda: JoiningProtocol(config, state, {}, loop), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        writer.write(REQUEST * pipelined)
        got = b""
        while got.count(b"0\r\n\r\n") < pipelined:
            got += await asyncio.wait_for(reader.read(4096), 10)
        writer.close()
        server.close()
        return got

    got = asyncio.run(run())
    assert got.count(b"HTTP/1.1 200 OK") == got.count(b"hello") == pipelined
