"""The platform's operations as its own description lists them, with a key that may call each and one that may not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import httpx

from tests.journeys.conftest import Platform

METHODS = ("get", "post", "put", "patch", "delete")
ALLOWED = {
    None: "ministry", "predict": "ministry", "keys:manage": "admin", "tenants:manage": "admin",
    "metrics:read": "operator",
    "models:suspend": "operator", "models:read": "reviewer", "models:register": "engineer", "models:review": "reviewer",
    "models:release": "operator", "audit:read": "inspector", "usage:read": "ministry",
    "kpis:read": "owner", "tracking:use": "engineer", "files:read": "province", "files:write": "province",
    "jobs:read": "province", "jobs:write": "province", "webhooks:manage": "operator",
}  # fmt: skip
"""A key of the evaluation installation for each scope that an endpoint may ask for."""

LACKING = {"keys:manage": "ministry", "tenants:manage": "inspector", "metrics:read": "ministry",
           "models:suspend": "ministry", "models:register": "ministry", "models:review": "ministry",
           "models:release": "ministry", "kpis:read": "ministry", "tracking:use": "ministry",
           "webhooks:manage": "ministry"}  # fmt: skip
"""A key that lacks the scope; the administrator's lacks all the others."""


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    scope: str | None
    public: bool
    takes_json: bool
    takes_form: bool
    may_be_empty: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def url(self) -> str:
        """The path with a value, which nothing has, for every parameter."""
        return re.sub(r"\{[a-z_.]+\}", "khong-co", self.path)

    @property
    def streamed(self) -> bool:
        """Whether the body goes past the strict path, to the tracking server."""
        return self.path.startswith("/mlflow")

    def allowed(self, platform: Platform) -> httpx.Client:
        """A client that may call it."""
        return platform.client(ALLOWED[self.scope] if self.path != "/v1/keys/{key_id}/rotate" else "admin")

    def lacking(self, platform: Platform) -> httpx.Client:
        """A client whose role may not."""
        return platform.client(LACKING.get(self.scope or "", "admin"))


def operations(platform: Platform) -> list[Operation]:
    """Every operation of `/openapi.json`."""
    document: dict[str, Any] = platform.client(None).get("/openapi.json").json()
    found = []
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method not in methods:
                continue
            operation = methods[method]
            scope = re.search(r"Scope: `([a-z:]+)`", operation.get("description", ""))
            body = operation.get("requestBody", {})
            found.append(Operation(
                method.upper(), path, scope[1] if scope else None, operation.get("security") == [],
                "application/json" in body.get("content", {}), "multipart/form-data" in body.get("content", {}),
                not body.get("required", True),
            ))  # fmt: skip
    return found
