"""Our own ingress with the platform's code removed: Ray Serve in the same configuration, and nothing but
decode → model → encode behind it. `default` as second argument runs Ray Serve as it comes, with FastAPI, instead.

    python -m tests.bench.peers.bare_ingress PORT tuned|default
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

from services.launch import environment
from services.settings import Settings

PORT = int(sys.argv[1]) if __name__ == "__main__" else 0
FOLDER = Path(tempfile.mkdtemp(prefix="bench-")) if __name__ == "__main__" else Path()

if __name__ == "__main__" and sys.argv[2] == "tuned":
    os.environ.update(environment(Settings.read({"AICHUNG_HOME": str(FOLDER), "AICHUNG_HTTP_PORT": str(PORT)})))
    os.environ.pop("AICHUNG_HOME")

import msgspec  # noqa: E402 - Ray reads its switches when it is imported
import ray  # noqa: E402
from fastapi import FastAPI  # noqa: E402
from ray import serve  # noqa: E402

from tests.bench.peers.work import Peer  # noqa: E402


class Document(msgspec.Struct):
    id: str
    text: str


class Request(msgspec.Struct):
    documents: list[Document]


class Bare:
    """The smallest ASGI application around the model."""

    def __init__(self) -> None:
        self.peer = Peer()
        self.decode = msgspec.json.Decoder(Request).decode
        self.encode = msgspec.json.Encoder().encode

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        request = self.decode(body)
        if scope["path"].endswith("/echo"):
            answer = self.encode(request)
        else:
            answer = self.encode(self.peer.answer(scope["path"].rsplit("/", 1)[1], [d.text for d in request.documents]))
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


@serve.deployment(name="nlp", max_ongoing_requests=512)
@serve.ingress()
class Tuned:
    def __serve_build_asgi_app__(self):
        return Bare()


default_app = FastAPI()


@serve.deployment(name="nlp")
@serve.ingress(default_app)
class Default:
    @default_app.post("/echo")
    async def echo(self, body: dict) -> dict:
        return body


def main() -> None:
    """Serve until a signal comes."""
    tuned = sys.argv[2] == "tuned"
    ray.init(
        address="local", num_cpus=8, include_dashboard=False, object_store_memory=80_000_000,
        _temp_dir=str(FOLDER / "r"), log_to_driver=False,
    )  # fmt: skip
    (FOLDER / "p").mkdir(exist_ok=True)
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    serve.run((Tuned if tuned else Default).bind(), name="nlp", route_prefix="/v1/nlp")
    print("ready", flush=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
