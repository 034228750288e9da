"""One way to give a JSON document its digest: SHA-256 of its RFC 8785 form."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import rfc8785

from models.errors import IntegrityError

MAX_DOCUMENT_BYTES = 8 << 20


def canonical(document: Any) -> bytes:
    """The RFC 8785 bytes. Raises IntegrityError for what JSON cannot hold exactly (NaN, integers beyond 2^53)."""
    try:
        return rfc8785.dumps(cast(Any, document))
    except rfc8785.CanonicalizationError as error:
        raise IntegrityError(
            "Tài liệu chứa giá trị mà JSON không biểu diễn được chính xác.", "The document is not exact JSON."
        ) from error


def digest(document: Any) -> str:
    """`sha256:…` of a JSON document, whatever its layout on disk."""
    return "sha256:" + sha256(canonical(document)).hexdigest()


def read_document(path: Path) -> dict[str, Any]:
    """A JSON object from disk. Raises IntegrityError when it is missing, too large, or anything else."""
    try:
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            raise ValueError("too large")
        document = json.loads(path.read_bytes(), object_pairs_hook=_once)
        if not isinstance(document, dict):
            raise ValueError("not an object")
    except (OSError, ValueError, RecursionError) as error:
        raise IntegrityError(
            f"Không đọc được tài liệu {path.name} của {path.parent.name}.",
            f"The document {path.name} of {path.parent.name} is missing or not a JSON object.",
        ) from error
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse duplicate names: two readers must see the same document."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate name")
    return found
