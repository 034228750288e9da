"""What the platform says of itself: health, readiness, metrics, version, and its own description.

Decision: `/healthz` asks whether this process answers, `/readyz` whether the installation can answer: every serving
process writes its own readiness beside its metrics, and the platform's process reads them all. The reasons are words
without content, so both need no key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from models.errors import Note, UnavailableError
from services.docs_page import page
from services.endpoints import Call, Endpoint, Reply
from services.markup import HTML, SAFE
from services.openapi import document
from services.roles import METRICS_READ
from services.telemetry import Telemetry

RETRY_SECONDS: Final = 2
EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"


class HealthOut(Struct):
    """The process answers."""

    status: str


class VersionOut(Struct):
    """What runs here."""

    name: str
    version: str
    api: str
    profile: str


class PlatformRoutes:
    """The endpoints and the parts they need.

    `expected` are the processes whose readiness counts besides this one's; `reasons` says why this one cannot answer.
    """

    def __init__(
        self, telemetry: Telemetry, *, version: str, profile: str, expected: Sequence[str],
        reasons: Callable[[], Sequence[str]],
    ) -> None:  # fmt: skip
        """Keep the parts."""
        self._telemetry = telemetry
        self._version = VersionOut("AI Chung", version, "v1", profile)
        self._expected = expected
        self._reasons = reasons
        self._rows: Sequence[Endpoint] = ()
        self._described: tuple[bytes, bytes] | None = None

    def describe(self, endpoints: Sequence[Endpoint]) -> None:
        """Name all endpoints of the installation; their description is made when it is first asked for."""
        self._rows, self._described = endpoints, None

    def _description(self) -> tuple[bytes, bytes]:
        """The OpenAPI document and the page for people."""
        if self._described is None:
            found = document(self._rows, self._version.version)
            self._described = msgspec.json.encode(found), page(found)
        return self._described

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        public: dict[str, Any] = {"method": "GET", "tag": "platform", "public": True}
        return [
            Endpoint(
                path="/healthz", handler=self.health, response=HealthOut,
                summary=Note("Tiến trình còn sống", "The process answers"), **public,
            ),
            Endpoint(
                path="/readyz", handler=self.ready, response=HealthOut,
                summary=Note("Nền tảng trả lời được", "The installation can answer"), **public,
            ),
            Endpoint(
                path="/v1/version", handler=self.version, response=VersionOut,
                summary=Note("Phiên bản", "Version"), **public,
            ),
            Endpoint(
                path="/openapi.json", handler=self.openapi, response=dict[str, Any],
                summary=Note("Mô tả API", "This description"), **public,
            ),
            Endpoint(
                path="/docs", handler=self.docs, media_types=("text/html",),
                summary=Note("Tài liệu API", "The description for people"), **public,
            ),
            Endpoint(
                method="GET", path="/metrics", tag="platform", handler=self.metrics, scope=METRICS_READ,
                media_types=("text/plain",), summary=Note("Số đo Prometheus", "Prometheus metrics"),
            ),
        ]  # fmt: skip

    async def health(self, call: Call, body: None) -> Reply:
        """Answer."""
        return Reply(HealthOut("ok"))

    async def ready(self, call: Call, body: None) -> Reply:
        """Say whether every process can answer. Raises UnavailableError with the reasons."""
        reasons = list(self._reasons())
        if self._expected:
            found = await asyncio.to_thread(self._telemetry.metrics.living, "aichung_ready")
            reasons += [f"{process}: not-ready" for process in self._expected if not found.get(process)]
        if reasons:
            vi, en = "Nền tảng chưa sẵn sàng.", "The platform is not ready."
            raise UnavailableError(vi, en, RETRY_SECONDS, code="not-ready", reasons=reasons)
        return Reply(HealthOut("ready"))

    async def version(self, call: Call, body: None) -> Reply:
        """Name the version."""
        return Reply(self._version)

    async def openapi(self, call: Call, body: None) -> Reply:
        """The OpenAPI document."""
        return Reply((await asyncio.to_thread(self._description))[0])

    async def docs(self, call: Call, body: None) -> Reply:
        """The page for people."""
        shown = (await asyncio.to_thread(self._description))[1]
        return Reply(shown, 200, SAFE, HTML)

    async def metrics(self, call: Call, body: None) -> Reply:
        """The metrics of all processes."""
        call.query()
        return Reply(await asyncio.to_thread(self._telemetry.metrics.render), media_type=EXPOSITION.encode())
