"""What every answer of a model carries: who answered, under which card, and that it is a proposal of a machine."""

from __future__ import annotations

from datetime import UTC
from email.utils import format_datetime
from typing import Any, Final

import msgspec

from models.errors import Note, PlatformError
from registry.entries import Entry
from services.endpoints import Call, Headers
from services.problems import problem

NOTICE: Final = Note("Kết quả do hệ thống AI đề xuất", "This result was proposed by an AI system.")


class ModelUsed(msgspec.Struct):
    """The model behind an answer: name, version and the digest of its card."""

    name: str
    version: str
    card: str


class TextUsage(msgspec.Struct):
    """What a call of a language task is counted as."""

    documents: int
    characters: int


class SeriesUsage(msgspec.Struct):
    """What a call over time series is counted as."""

    series: int
    points: int


def model_used(entry: Entry) -> ModelUsed:
    """The body's `model` member."""
    return ModelUsed(entry.name, entry.version, entry.digests.card)


def provenance(*entries: Entry) -> Headers:
    """The headers X-Model and X-Model-Card, and the announced end of the first model that has one (RFC 9745, 8594)."""
    names = ", ".join(entry.reference for entry in entries)
    cards = ", ".join(entry.digests.card for entry in entries)
    used: Headers = ((b"x-model", names.encode()), (b"x-model-card", cards.encode()))
    for entry in entries:
        if entry.sunset is not None and entry.deprecated_at is not None:
            since = b"@%d" % entry.deprecated_at.timestamp()
            ends = format_datetime(entry.sunset.astimezone(UTC), usegmt=True).encode()
            return (*used, (b"deprecation", since), (b"sunset", ends))
    return used


def notice(call: Call) -> str:
    """The notice in the caller's language."""
    return NOTICE.en if call.language == "en" else NOTICE.vi


def item_problem(call: Call, error: PlatformError) -> dict[str, Any]:
    """The problem of one item of a call that was answered."""
    return problem(error, call.request_id, f"urn:aichung:request:{call.request_id}", call.language)
