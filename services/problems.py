"""Errors as RFC 9457 problems, in Vietnamese or English.

Decision: the errors know nothing of HTTP. Their class names a status here, found by walking the ancestors, and a few
code words name a more exact one (`too-large` is invalid input and 413). What is not a PlatformError is our fault:
500, logged with the request id, and the caller sees neither a traceback nor a class name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from models.errors import (
    ConflictError,
    DeadlineError,
    ForbiddenError,
    IntegrityError,
    InvalidInputError,
    Note,
    NotFoundError,
    PlatformError,
    QuotaExceededError,
    UnauthenticatedError,
    UnavailableError,
)

Language = Literal["vi", "en"]
MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:aichung:problem:"
INTEGRITY_RETRY_SECONDS: Final = 60

STATUS_OF_CLASS: Final[Mapping[type[Exception], int]] = {
    InvalidInputError: 422,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    QuotaExceededError: 429,
    UnavailableError: 503,
    DeadlineError: 504,
    IntegrityError: 503,
    PlatformError: 500,
}
STATUS_OF_WORD: Final[Mapping[str, int]] = {
    "malformed-json": 400,
    "empty-body": 400,
    "duplicate-key": 400,
    "too-deep": 400,
    "not-utf-8": 400,
    "malformed-gzip": 400,
    "malformed-multipart": 400,
    "malformed-header": 400,
    "malformed-query": 400,
    "body-cut-short": 400,
    "method-not-allowed": 405,
    "not-acceptable": 406,
    "gone": 410,
    "precondition-failed": 412,
    "length-required": 411,
    "too-large": 413,
    "unsupported-media-type": 415,
    "unsupported-content-encoding": 415,
    "precondition-required": 428,
    "storage-quota": 507,
    "files-full": 507,
}
INTERNAL: Final = Note("Lỗi bên trong nền tảng; đã được ghi lại.", "An internal error; it was recorded.")
LANGUAGE_RANGE: Final = re.compile(
    r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]{1,30})?\s*(?:;\s*[qQ]=([01](?:\.\d{0,3})?))?\s*"
)


def language_of(accept_language: str | None) -> Language:
    """The language that an Accept-Language header prefers (RFC 9110 12.5.4): `vi` unless English weighs more."""
    if not accept_language:
        return "vi"
    weights = {"vi": -1.0, "en": -1.0, "*": -1.0}
    for part in accept_language[:200].split(","):
        match = LANGUAGE_RANGE.fullmatch(part)
        if match and match[1].lower() in weights:
            weights[match[1].lower()] = float(match[2] or 1)
    vi = weights["vi"] if weights["vi"] >= 0 else max(weights["*"], 0.0)
    en = weights["en"] if weights["en"] >= 0 else max(weights["*"], 0.0)
    return "en" if en > vi else "vi"


def status_of(error: BaseException) -> int:
    """The HTTP status of an error."""
    if not isinstance(error, PlatformError):
        return 500
    word = STATUS_OF_WORD.get(error.word)
    if word is not None:
        return word
    return next(STATUS_OF_CLASS[kind] for kind in type(error).__mro__ if kind in STATUS_OF_CLASS)


def problem(error: BaseException, request_id: str, instance: str, language: Language = "vi") -> dict[str, Any]:
    """The problem document of an error; `instance` is a reference to this occurrence, never what was sent."""
    status = status_of(error)
    if not isinstance(error, PlatformError):
        word, title, note, facts = "internal-error", PlatformError.title(), INTERNAL, {}
    else:
        word, title, note, facts = error.word, error.title(), error.note, error.facts
    document: dict[str, Any] = {
        "type": TYPE_PREFIX + word,
        "title": getattr(title, language),
        "status": status,
        "detail": getattr(note, language),
        "instance": instance,
        "code": word,
        "errors": [],
        "request_id": request_id,
    }
    if isinstance(error, InvalidInputError):
        document["errors"] = [{"pointer": fault.pointer, "detail": getattr(fault, language)} for fault in error.faults]
    if isinstance(error, QuotaExceededError | UnavailableError):
        document["retry_after_seconds"] = error.retry_after_seconds
    return document | {name: value for name, value in facts.items() if name not in document}


def headers_of(error: BaseException) -> list[tuple[bytes, bytes]]:
    """The headers that belong to an error: WWW-Authenticate, Retry-After, Allow, Range."""
    if isinstance(error, UnauthenticatedError):
        return [(b"www-authenticate", b'Bearer realm="aichung", charset="UTF-8"')]
    if isinstance(error, QuotaExceededError | UnavailableError):
        return [(b"retry-after", str(max(1, error.retry_after_seconds)).encode())]
    if isinstance(error, IntegrityError):
        return [(b"retry-after", str(INTEGRITY_RETRY_SECONDS).encode())]
    if isinstance(error, PlatformError) and error.word == "method-not-allowed":
        return [(b"allow", str(error.facts["allow"]).encode())]
    if isinstance(error, ConflictError) and error.facts.get("received"):  # how far a resumable upload came
        return [(b"range", f"bytes=0-{error.facts['received'] - 1}".encode())]
    return []
