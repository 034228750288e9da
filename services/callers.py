"""Who calls: the frozen facts that every door and every step of a request may ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from models.errors import ForbiddenError
from services.tenants import PLATFORM, Tenant

SubjectKind = Literal["person", "system"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be consumed in a minute: requests, and units (documents or points)."""

    requests_per_minute: int
    units_per_minute: int


DEFAULT_LIMITS = Limits(600, 2_000_000)
WIDE_LIMITS = Limits(600_000, 1_000_000_000)
MOST_LIMITS = Limits(10_000_000, 1_000_000_000_000)


@dataclass(frozen=True, slots=True)
class Subject:
    """The person or system behind a key. Four eyes compares these ids, never keys."""

    id: str
    name: str
    kind: SubjectKind


class Visible(Protocol):
    """Anything that belongs to a tenant and may be public: a registry entry, a record, a result."""

    @property
    def tenant(self) -> str:
        """Id of the tenant it belongs to."""

    @property
    def public(self) -> bool:
        """Whether every tenant may see it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller.

    `tenant` is the organisation's id, `organisation` its facts, `ancestors` the ids above it (nearest first),
    `descendants` the ids below it.
    """

    key_id: str
    subject: Subject
    tenant: str
    organisation: Tenant
    ancestors: tuple[str, ...]
    descendants: frozenset[str]
    role: str
    scopes: frozenset[str]
    limits: Limits
    expires_at: datetime | None = None

    @property
    def platform(self) -> bool:
        """Whether the key belongs to the platform's own tenant."""
        return self.organisation.kind == PLATFORM

    def require(self, scope: str) -> None:
        """Raise ForbiddenError, naming the scope, when the key does not carry it."""
        if scope not in self.scopes:
            raise ForbiddenError(
                f"Khóa này không có quyền {scope}.", f"This key lacks the scope {scope}.", required_scope=scope
            )

    def may(self, scope: str) -> bool:
        """Whether the key carries the scope."""
        return scope in self.scopes

    def sees(self, entry: Visible) -> bool:
        """Whether an object is visible: public, the caller's own, or a child's. Keys are judged by `administers`."""
        return entry.public or self.sees_tenant(entry.tenant)

    def sees_tenant(self, tenant: str) -> bool:
        """Whether results of this tenant are visible: the own organisation and those below it."""
        return tenant == self.tenant or tenant in self.descendants

    def administers(self, tenant: str) -> bool:
        """Whether the caller's keys:manage reaches the keys of this tenant: the platform's all, others their own."""
        return self.platform or tenant == self.tenant
