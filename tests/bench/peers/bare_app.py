"""The deployments of `bare_ingress`: in a module of their own, because replicas import them by name."""

import msgspec
from fastapi import FastAPI
from pydantic import BaseModel
from ray import serve

from tests.bench.peers.work import Peer

QUIET = {"log_level": "WARNING", "enable_access_log": False}


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


@serve.deployment(name="nlp", max_ongoing_requests=512, logging_config=QUIET)
@serve.ingress()
class Raw:
    def __serve_build_asgi_app__(self):
        return Bare()


class EchoDocument(BaseModel):
    id: str
    text: str


class EchoRequest(BaseModel):
    documents: list[EchoDocument]


echo_app = FastAPI()


@serve.deployment(name="nlp", max_ongoing_requests=512, logging_config=QUIET)
@serve.ingress(echo_app)
class Echo:
    """The reference's own application (FastAPI and pydantic) behind our ingress."""

    @echo_app.post("/echo")
    async def echo(self, body: EchoRequest) -> EchoRequest:
        return body


default_app = FastAPI()


@serve.deployment(name="nlp")
@serve.ingress(default_app)
class Default:
    @default_app.post("/echo")
    async def echo(self, body: dict) -> dict:
        return body
