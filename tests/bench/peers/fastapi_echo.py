"""The reference: a FastAPI + pydantic echo in bare uvicorn, one worker, without any protection.

`PEER_COMPUTE_MS` makes it compute (numpy, in the thread pool as FastAPI does for `def` handlers).
"""

from __future__ import annotations

import os
import sys
import time

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from tests.bench.peers.work import work_for


class Document(BaseModel):
    id: str
    text: str


class Request(BaseModel):
    documents: list[Document]
    model: str | None = None


app = FastAPI()


@app.post("/echo")
async def echo(body: Request) -> Request:
    return body


@app.post("/compute")
def compute(body: Request) -> Request:
    work_for(0.001)
    return body


@app.get("/healthz")
async def health() -> dict[str, float]:
    return {"at": time.time()}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False, loop=os.environ.get("PEER_LOOP", "auto"))
