"""The OpenAPI 3.1 document, generated from the same rows that the doors serve.

Decision: schemas come from the very Structs that decode and encode, so the document cannot say something else than
the code. Errors are one schema, `Problem`, in every operation that can refuse.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from services.endpoints import Endpoint
from services.problems import MEDIA_TYPE

PLACE: Final = re.compile(r"\{([a-z_]+)\}")
REASONS: Final[Mapping[int, str]] = {
    400: "Malformed JSON, header or query", 401: "No valid key", 403: "Not permitted, or the gate is closed",
    404: "Not found (also: another tenant's)", 405: "Method not allowed", 406: "Not acceptable",
    409: "Conflict", 410: "Ended", 412: "Precondition failed", 413: "Too large", 415: "Unsupported media type",
    422: "Well-formed but not valid", 428: "Precondition required", 429: "Quota exceeded; see Retry-After",
    500: "Internal error", 503: "Temporarily unavailable; see Retry-After", 504: "Deadline exceeded",
    507: "Storage is full (the organisation's quota, or the disk)",
}  # fmt: skip
PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail", "instance", "code", "errors", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri"},
        "code": {"type": "string", "description": "A stable word."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON Pointer into the request body."},
                    "detail": {"type": "string"},
                },
            },
        },
        "request_id": {"type": "string"},
        "retry_after_seconds": {"type": "integer"},
    },
}
HEADERS: Final[dict[str, Any]] = {
    "X-Request-Id": {"schema": {"type": "string"}},
    "traceparent": {"schema": {"type": "string"}},
    "RateLimit-Policy": {"schema": {"type": "string"}},
    "RateLimit": {"schema": {"type": "string"}},
}
SHARED: Final = (
    ("X-Request-Id", "An id of yours, returned and logged."),
    ("traceparent", "W3C trace context."),
    ("Accept-Language", "`vi` (default) or `en`."),
)


def document(endpoints: Iterable[Endpoint], version: str) -> dict[str, Any]:
    """The OpenAPI document of a table of endpoints."""
    rows = [endpoint for endpoint in endpoints if not endpoint.hidden]
    types = [kind for row in rows for kind in (row.request, row.response) if kind is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    remaining = iter(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        request = next(remaining) if row.request is not None else None
        response = next(remaining) if row.response is not None else None
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, request, response)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "AI Chung",
            "version": version,
            "description": "Nền tảng AI dùng chung. The shared AI platform of the Vietnamese digital-government model.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(row.tag for row in rows)],
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": PROBLEM},
            "headers": HEADERS,
            "parameters": {name: _header(name, text) for name, text in SHARED},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A key `aic_…`."},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
        "security": [{"bearer": []}, {"apiKey": []}],
    }


def _header(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}


def _operation(row: Endpoint, request: Any, response: Any) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in PLACE.findall(row.path)
    ]
    parameters += [
        {
            "name": each.name, "in": "query", "required": False, "schema": dict(each.schema),
            "description": f"{each.summary.vi} | {each.summary.en}",
        }
        for each in row.query
    ]  # fmt: skip
    parameters += [{"$ref": f"#/components/parameters/{name}"} for name, _ in SHARED]
    if row.creates:
        parameters.append(_header("Idempotency-Key", "Same key and body: the same answer, for 24 hours."))
    found: dict[str, Any] = {
        "operationId": _identifier(row),
        "tags": [row.tag],
        "summary": f"{row.summary.vi} | {row.summary.en}",
        "parameters": parameters,
        "responses": _responses(row, response),
    }
    if row.scope is not None:
        found["description"] = f"Scope: `{row.scope}`."
    if row.public:
        found["security"] = []
    if row.deprecation is not None:
        found["deprecated"] = True
    if request is not None or row.request_media:
        media = {name: {"schema": schema} for name, schema in row.request_media.items()}
        if request is not None:
            media["application/json"] = {"schema": request}
            if row.examples:
                media["application/json"]["examples"] = {name: {"value": v} for name, v in row.examples.items()}
        found["requestBody"] = {"required": not row.empty_allowed, "content": media}
    return found


def _identifier(row: Endpoint) -> str:
    words = re.findall(r"[a-z0-9]+", row.path.removeprefix("/v1").lower()) or ["root"]
    return "_".join([row.method.lower(), *words])


def _responses(row: Endpoint, response: Any) -> dict[str, Any]:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in HEADERS}
    success: dict[str, Any] = {"description": "OK", "headers": headers}
    if row.status != 204:
        success["content"] = {
            media: {"schema": response if media == "application/json" and response is not None else {"type": "string"}}
            for media in row.media_types
        }
    found = {str(row.status): success}
    for status, description in row.statuses.items():
        found[str(status)] = {"description": description, "headers": headers}
    for status in sorted(_refusals(row)):
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        found[str(status)] = {"description": REASONS[status], "headers": headers, "content": content}
    return found


def _refusals(row: Endpoint) -> set[int]:
    """The statuses that a row can answer besides its success."""
    found = {*row.refusals, 500, 503}
    if not row.public:
        found |= {401, 429}
    if row.scope is not None:
        found.add(403)
    if row.request is not None:
        found |= {400, 413, 415, 422}
    if row.query:
        found |= {400, 422}
    if row.deprecation is not None:
        found.add(410)
    return found
