"""The reference: FastAPI + pydantic in bare uvicorn, one worker, without any protection: an echo, and the models."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from tests.bench.peers.work import Peer, spin


class Document(BaseModel):
    id: str
    text: str


class Request(BaseModel):
    documents: list[Document]


app = FastAPI()
peer = Peer()


@app.post("/echo")
async def echo(body: Request) -> Request:
    for document in body.documents:
        spin(document.text)
    return body


@app.post("/{task}")
async def compute(task: str, body: Request) -> list[Any]:
    return peer.answer(task, [document.text for document in body.documents])


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
