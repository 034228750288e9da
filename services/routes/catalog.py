"""What may be called now: the catalog, and the list in OpenAI's dialect.

Decision: figures are those of the card (measured by the pipeline on real data) and those measured in operation since
the installation started; nothing here is typed in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from models.errors import Note
from registry.card_values import value_of
from registry.entries import Entry
from registry.gate import may_serve
from services.documents import card_of
from services.endpoints import Call, Endpoint, Reply
from services.handles import Handles, answers
from services.roles import MODELS_READ
from services.telemetry import Telemetry

PATHS: Final = {
    "segment": "/v1/nlp/segment", "topics": "/v1/nlp/topics", "sentiment": "/v1/nlp/sentiment",
    "toxicity": "/v1/nlp/toxicity", "classify": "/v1/nlp/classify", "diacritics": "/v1/nlp/diacritics",
    "forecast": "/v1/timeseries/forecast", "anomalies": "/v1/timeseries/anomalies",
    "tabular-anomalies": "/v1/tabular/anomalies",
}  # fmt: skip

OIP_PATH: Final = "/v2/models/{name}/infer"


class Measured(Struct):
    """Measured in operation since the installation started: calls, and upper bounds of p50 and p99."""

    calls: int
    p50_ms: float
    p99_ms: float


class CatalogRow(Struct, kw_only=True):
    """What may be called: where, by whom it is vouched for, how fast and how good."""

    id: str
    name: str
    version: str
    tasks: Sequence[str]
    default_for: Sequence[str]
    endpoints: list[str]
    tier: str
    card: str
    approval_kind: str
    approval_until: datetime
    purpose: Any
    measured: Measured | None
    throughput: Any
    accuracy: Any


class Catalog(Struct):
    """Everything the caller may call."""

    request_id: str
    data: list[CatalogRow]


class OpenAiModel(Struct):
    """A model in OpenAI's words."""

    id: str
    created: int
    owned_by: str
    object: str = "model"


class OpenAiModels(Struct):
    """A list of models in OpenAI's words."""

    data: list[OpenAiModel]
    object: str = "list"


class CatalogRoutes:
    """The endpoints and the parts they need."""

    def __init__(self, handles: Handles, telemetry: Telemetry, clock: Callable[[], float] = time.time) -> None:
        """Keep the parts."""
        self._handles = handles
        self._telemetry = telemetry
        self._clock = clock

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        read: dict[str, Any] = {"method": "GET", "tag": "models", "scope": MODELS_READ}
        return [
            Endpoint(
                path="/v1/catalog", handler=self.catalog, response=Catalog, event="registry.catalog",
                summary=Note("Những mô hình gọi được, tốc độ và độ chính xác", "What may be called"), **read,
            ),
            Endpoint(
                path="/v1/models", handler=self.openai_models, response=OpenAiModels, event="registry.list",
                summary=Note("Danh sách mô hình theo kiểu OpenAI", "Models in OpenAI's dialect"), **read,
            ),
        ]  # fmt: skip

    async def catalog(self, call: Call, body: None) -> Reply:
        """Everything the caller may call now."""
        call.query()
        return Reply(Catalog(call.request_id, await asyncio.to_thread(self._catalog, self._open(call))))

    def _catalog(self, entries: Sequence[Entry]) -> list[CatalogRow]:
        spread = self._telemetry.metrics.spread("aichung_prediction_seconds", "model")
        return [self._row(entry, card_of(entry), spread.get(entry.reference)) for entry in entries]

    @staticmethod
    def _row(entry: Entry, card: Mapping[str, Any], spread: tuple[int, float, float] | None) -> CatalogRow:
        approval = entry.approval
        if approval is None:
            raise AssertionError("the gate let an entry pass without an approval")
        measured = None if spread is None else Measured(spread[0], spread[1] * 1e3, spread[2] * 1e3)
        return CatalogRow(
            id=entry.reference, name=entry.name, version=entry.version, tasks=answers(entry),
            default_for=entry.is_default,
            endpoints=[*(PATHS[task] for task in answers(entry) if task in PATHS), OIP_PATH.format(name=entry.name)],
            tier=entry.tier, card=entry.digests.card, approval_kind=approval.kind,
            approval_until=approval.valid_until, purpose=value_of(card, "purpose.intended_use"), measured=measured,
            throughput=value_of(card, "evaluation.load_test"), accuracy=value_of(card, "evaluation.metrics"),
        )  # fmt: skip

    async def openai_models(self, call: Call, body: None) -> Reply:
        """What may be called, in OpenAI's words."""
        call.query()
        rows = {e.name: OpenAiModel(e.name, int(e.created_at.timestamp()), "aichung") for e in self._open(call)}
        return Reply(OpenAiModels([rows[name] for name in sorted(rows)]))

    def _open(self, call: Call) -> list[Entry]:
        """What the caller sees and the gate lets pass now."""
        now = self._clock()
        return [e for e in self._handles.index.all() if call.who.sees(e) and may_serve(e, now).allowed]
