"""What the platform's path costs: `python -m tests.bench.bench_wire [--seconds S] [--profile]`.

Two parts. In process: microseconds of CPU for one small request through the ASGI application (auth, quota, gate,
validation, ledger note, encoding, metrics, access log), whole and with one part after the other taken away. Under bare
uvicorn, in one run: a FastAPI + pydantic echo, our doors with the platform's code removed, and the full path, each with
16 clients; printed as ratios. Servers and load generator share the machine's cores, as in the product's own figures.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from models.errors import Note
from services.doors import Doors
from services.endpoints import Call, Endpoint, Reply
from services.routes.nlp import TextRequest
from tests.bench.load import measure
from tests.services.wire.small import Place, small_house

BODY = json.dumps({"documents": [{"id": "a1", "text": "Bộ Y tế họp giao ban về phòng chống dịch."}]}).encode()
PATH = "/v1/nlp/diacritics"


class Document(BaseModel):
    """The reference's own types, as one would write them."""

    model_config = ConfigDict(extra="forbid")
    id: str
    text: str


class Request(BaseModel):
    """A request of the reference."""

    model_config = ConfigDict(extra="forbid")
    documents: list[Document]


class Response(BaseModel):
    """An answer of the reference."""

    documents: list[Document]


def reference() -> FastAPI:
    """The FastAPI + pydantic echo."""
    app = FastAPI()

    @app.post(PATH)
    async def echo(body: Request) -> Response:
        return Response(documents=body.documents)

    return app


class Nobody:
    """Stands where the platform's parts were taken out."""

    def event(self, *_: Any) -> None: ...

    def request(self, *_: Any) -> None: ...

    def failure(self, *_: Any) -> None: ...


class Bare(msgspec.Struct):
    documents: list[Any]


def bare() -> Doors:
    """Our ingress with the platform's code removed: the doors' routing, decoding and encoding around an echo."""

    async def echo(call: Call, body: TextRequest) -> Reply:
        return Reply(Bare(body.documents))

    row = Endpoint(
        method="POST", path=PATH, handler=echo, request=TextRequest, public=True, summary=Note("echo", "echo")
    )
    nobody: Any = Nobody()
    return Doors([row], identity=nobody, quota=nobody, recorder=nobody, telemetry=nobody)


def full(home: Path) -> Place:
    """The full path with a trivial model."""
    place = small_house(home, "nlp", models={"vi-diacritics": "text.diacritics/1"})
    place.house.telemetry.start()
    place.house.quota.start()
    return place


# --- in process ---------------------------------------------------------------------------------------------


async def _drive(app: Any, headers: list[tuple[bytes, bytes]], number: int) -> float:
    """CPU seconds of one request, this thread only."""
    message = {"type": "http.request", "body": BODY, "more_body": False}

    async def receive() -> dict[str, Any]:
        return message

    async def send(event: Any) -> None:
        if event["type"] == "http.response.start" and event["status"] != 200:
            raise RuntimeError(f"status {event['status']}")

    started = time.thread_time()
    for _ in range(number):
        scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "headers": headers}
        await app(scope, receive, send)
    return (time.thread_time() - started) / number


def in_process(profile: bool) -> dict[str, float]:
    """Microseconds a request: full path and bare doors."""
    with tempfile.TemporaryDirectory() as folder:
        place = full(Path(folder))
        headers = [
            (b"host", b"127.0.0.1"), (b"content-type", b"application/json"),
            (b"content-length", str(len(BODY)).encode()),
            (b"authorization", f"Bearer {place.keys['ministry']}".encode()),
        ]  # fmt: skip
        asyncio.run(_drive(place.app, headers, 500))
        whole = min(asyncio.run(_drive(place.app, headers, 3000)) for _ in range(3))
        if profile:
            profiler = cProfile.Profile()
            profiler.enable()
            asyncio.run(_drive(place.app, headers, 3000))
            profiler.disable()
            pstats.Stats(profiler).sort_stats("tottime").print_stats(35)
        asyncio.run(_drive(bare(), headers, 500))
        least = min(asyncio.run(_drive(bare(), headers, 3000)) for _ in range(3))
        place.close()
    return {"full_us": whole * 1e6, "bare_doors_us": least * 1e6, "platform_us": (whole - least) * 1e6}


# --- under uvicorn ------------------------------------------------------------------------------------------


def serve(kind: str, port: int, home: str) -> None:
    """One server in this process, until it is killed."""
    app: Any
    if kind == "reference":
        app = reference()
    elif kind == "bare":
        app = bare()
    else:
        place = full(Path(home))
        print(place.keys["ministry"], flush=True)
        app = place.app
    if kind != "full":
        print("-", flush=True)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


@contextmanager
def server(kind: str) -> Iterator[tuple[int, str]]:
    """A server in its own process; its port and a key."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        words = [sys.executable, "-m", "tests.bench.bench_wire", "--serve", kind, "--port", str(port), "--home", home]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            key = process.stdout.readline().strip()
            for _ in range(200):
                try:
                    socket.create_connection(("127.0.0.1", port), 0.2).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield port, key
        finally:
            process.kill()
            process.wait()


def load(port: int, key: str, clients: int, seconds: float) -> dict[str, Any]:
    """Run the load generator in its own process."""
    headers = {} if key == "-" else {"Authorization": f"Bearer {key}"}
    found: dict[str, Any] = measure(f"http://127.0.0.1:{port}{PATH}", BODY, headers, clients, seconds)
    return found


def under_uvicorn(seconds: float) -> dict[str, dict[str, float]]:
    """Each server alone, 16 clients, after a second of warm-up."""
    found = {}
    for kind in ("reference", "bare", "full"):
        with server(kind) as (port, key):
            load(port, key, 16, 1.0)
            found[kind] = load(port, key, 16, seconds)
            found[f"{kind}_one_client"] = load(port, key, 1, min(seconds, 3.0))
    return found


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--only-process", action="store_true")
    parser.add_argument("--serve", choices=["reference", "bare", "full"])
    parser.add_argument("--port", type=int)
    parser.add_argument("--home")
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve, asked.port, asked.home)
        return
    found: dict[str, Any] = {"cores": os.cpu_count(), "in_process": in_process(asked.profile)}
    if not asked.only_process:
        runs = under_uvicorn(asked.seconds)
        found["uvicorn"] = runs
        found["ratios"] = {
            "full_to_reference": runs["full"]["rps"] / runs["reference"]["rps"],
            "full_to_bare": runs["full"]["rps"] / runs["bare"]["rps"],
            "added_p50_ms_one_client": runs["full_one_client"]["p50_ms"] - runs["reference_one_client"]["p50_ms"],
        }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
