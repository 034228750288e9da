"""`/mlflow/…`: the tracking server, for ML engineers of any organisation, each in its own workspace.

The standard `mlflow` client works with `MLFLOW_TRACKING_URI=http://host:port/mlflow` and the key as token.

Decision: only what tracking, models and their artefacts need passes (`ALLOWED`). The rest of MLflow's server is not
ours to give: its workspace API lists and changes other organisations' workspaces, webhooks and a model version's
foreign source make the server call any address, and its gateway, jobs and assistant hold secrets and run code.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import httpx

from models.errors import InvalidInputError, Note, NotFoundError
from services.bodies import read_body
from services.endpoints import Call, Endpoint, Reply
from services.roles import TRACKING_USE
from services.stamps import BODY_BYTES as TAG_BODY_BYTES
from services.stamps import stamped, writes_tags
from services.tracking import PREFIX, Tracking, response_headers

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
BODY_BYTES: Final = 2 << 30
CODING: Final = b"content-encoding"
ALLOWED: Final = re.compile(
    r"/mlflow/(?:(?:ajax-)?api/[23]\.0/(?:mlflow/(?:artifacts|datasets|experiments|logged-models|metrics|model-versions"
    r"|registered-models|runs|traces|unified-traces|server-info|get-trace-artifact|upload-artifact)"
    r"|mlflow-artifacts/(?:artifacts|mpu))(?:/.*)?|ajax-api/2\.0mlflow/experiments/search-datasets|v1/traces"
    r"|get-artifact|graphql|health|version|static-files/.*)?"
)


class TrackingRoutes:
    """The one route, under every method."""

    def __init__(self, tracking: Tracking) -> None:
        """Forward to `tracking`."""
        self._tracking = tracking

    async def forward(self, call: Call, body: Any) -> Reply:
        """Pass a request on in the caller's workspace; both bodies are streamed."""
        if ALLOWED.fullmatch(call.path) is None or ".." in call.path.split("/"):
            raise NotFoundError("Không có địa chỉ này.", "There is nothing at this address.")
        _check_length(call)
        headers, content = await _passed_on(call)
        response = await self._tracking.forward(
            call.method, call.path, call.query_string, headers, content, call.who.tenant
        )
        return Reply(_closing(response), response.status_code, response_headers(response))


def endpoints(tracking: Tracking) -> list[Endpoint]:
    """The rows of this door."""
    routes = TrackingRoutes(tracking)
    return [
        Endpoint(
            method=method, path=f"{PREFIX}/{{rest...}}", handler=routes.forward, tag="tracking", scope=TRACKING_USE,
            summary=Note("Theo dõi thí nghiệm (MLflow)", "Experiment tracking (MLflow)"), event="run.access",
            streamed=True, media_types=("*/*",),
        )
        for method in METHODS
    ]  # fmt: skip


async def _passed_on(call: Call) -> tuple[Mapping[bytes, bytes], AsyncIterator[bytes]]:
    """Headers and body for MLflow: streamed as they are, or read, checked and stamped where tags are written."""
    if call.receive is None or not writes_tags(call.method, call.path):
        return call.headers, call.stream()
    body = await read_body(call.receive, call.headers, TAG_BODY_BYTES)
    body = stamped(call.method, call.path, body, call.who.subject.id)
    headers = {name: value for name, value in call.headers.items() if name not in (b"content-length", CODING)}
    return {**headers, b"content-length": str(len(body)).encode()}, _whole(body)


async def _whole(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _check_length(call: Call) -> None:
    """A body must say its length, and stay under the limit for artefacts. Raises InvalidInputError."""
    length = call.header("content-length")
    if length is None and call.header("transfer-encoding") is not None:
        raise InvalidInputError.at("", "Cần Content-Length.", "Content-Length is required.", code="length-required")
    if length is not None and (not length.isdigit() or int(length) > BODY_BYTES):
        raise InvalidInputError.at("", "Nội dung tối đa 2 GiB.", "At most 2 GiB a body.", code="too-large")


async def _closing(response: httpx.Response) -> AsyncIterator[bytes]:
    """The response's bytes as they come, closed whatever happens."""
    try:
        async for part in response.aiter_raw():
            yield part
    finally:
        await response.aclose()
