"""Cards, evaluation records and bias reports as they were registered, and which form of them a caller wants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.errors import IntegrityError, InvalidInputError
from registry.canonical import digest, read_document
from registry.card_values import field_of
from registry.entries import Entry
from registry.evidence import BIAS, CARD, EVALUATION


def card_of(entry: Entry) -> dict[str, Any]:
    """The card of an entry. Raises IntegrityError when the file is not the one that was registered."""
    return _held(entry, CARD, entry.digests.card)


def evaluation_of(entry: Entry) -> dict[str, Any]:
    """The evaluation record of an entry. Raises IntegrityError when the file is not the one that was registered."""
    return _held(entry, EVALUATION, entry.digests.evaluation)


def bias_of(entry: Entry) -> dict[str, Any] | None:
    """The bias report of an entry, None where it has none. Raises IntegrityError when it is not the registered one."""
    if not (Path(entry.folder) / BIAS).exists():
        if entry.digests.bias_report != digest(field_of(card_of(entry), "fairness.bias_report")):
            raise _altered(entry, BIAS)
        return None
    return _held(entry, BIAS, entry.digests.bias_report)


def _held(entry: Entry, name: str, expected: str) -> dict[str, Any]:
    document = read_document(Path(entry.folder) / name)
    if digest(document) != expected:
        raise _altered(entry, name)
    return document


def _altered(entry: Entry, name: str) -> IntegrityError:
    return IntegrityError(
        f"Tệp {name} của {entry.reference} khác bản đã đăng ký.",
        f"{name} of {entry.reference} is not what was registered.",
        code="evidence-altered",
    )


def wanted_type(accept: str | None, offered: Sequence[str]) -> str:
    """The offered media type that an Accept header prefers (RFC 9110 12.5.1); the first when it does not care.

    Raises InvalidInputError (406) when it wants none of them.
    """
    if not accept:
        return offered[0]
    ranges: list[tuple[str, float]] = []
    for part in accept[:500].split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                weight = _weight(value)
        ranges.append((name, weight))
    best = max(offered, key=lambda kind: _quality(kind, ranges))
    if _quality(best, ranges) <= 0:
        vi, en = f"Chỉ có: {', '.join(offered)}.", f"Offered: {', '.join(offered)}."
        raise InvalidInputError(vi, en, code="not-acceptable")
    return best


def _weight(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def _quality(kind: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The weight of the most specific range that covers a media type."""
    family = kind.partition("/")[0] + "/*"
    for wanted in (kind, family, "*/*"):
        found = [weight for name, weight in ranges if name == wanted]
        if found:
            return found[0]
    return 0.0
