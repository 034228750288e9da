"""Organisations: the tree of tenants.

Decision: a tenant's id is opaque and never changes; code, vintage and name are facts about it (63 provinces became
34 on 1 July 2025, and a code without its vintage is ambiguous). Who stands above whom is the `parent` alone.

Decision: the platform's own tenant is called `platform` in every installation: the bundled models are its, before
anybody has entered an organisation.

Decision: a parent sees its children's results, never their keys; the platform's own tenant is no parent of anybody,
so running the platform gives no sight of anyone's results.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, cast

from sqlalchemy import Connection, RowMapping, insert, select

from models.errors import ConflictError, InvalidInputError
from registry.tables import tenants as table
from services.keys import opaque_id

TenantKind = Literal["party", "state", "front", "union", "court", "platform"]
Level = Literal["central", "province", "commune"]

RANK: Final[dict[Level, int]] = {"central": 0, "province": 1, "commune": 2}
PLATFORM: Final = "platform"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One organisation. `parent` is the id of the organisation above it."""

    id: str
    code: str
    vintage: str
    name: str
    kind: TenantKind
    level: Level
    parent: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewTenant:
    """What is needed to enter an organisation."""

    code: str
    vintage: str
    name: str
    kind: TenantKind
    level: Level
    parent: str | None = None


class Tree:
    """All tenants as they stood at one revision; ancestors and descendants are computed once."""

    def __init__(self, tenants: Iterable[Tenant]) -> None:
        """Keep the tenants by id, oldest first."""
        self.by_id = {tenant.id: tenant for tenant in tenants}
        self._descendants: dict[str, set[str]] = defaultdict(set)
        for tenant in self.by_id.values():
            for above in self.ancestors(tenant.id):
                self._descendants[above].add(tenant.id)

    def ancestors(self, tenant: str) -> tuple[str, ...]:
        """Ids above `tenant`, the nearest first. A circle, impossible through this code, ends the walk."""
        found: list[str] = []
        above = self.by_id[tenant].parent
        while above is not None and above not in found and above in self.by_id:
            found.append(above)
            above = self.by_id[above].parent
        return tuple(found)

    def descendants(self, tenant: str) -> frozenset[str]:
        """Ids below `tenant`, at any depth."""
        return frozenset(self._descendants.get(tenant, ()))


def load_tenants(connection: Connection) -> list[Tenant]:
    """All tenants, oldest first."""
    rows = connection.execute(select(table).order_by(table.c.created_at, table.c.id)).mappings()
    return [_tenant(row) for row in rows]


def insert_tenant(connection: Connection, new: NewTenant, at: datetime) -> Tenant:
    """Enter an organisation; the caller bumps the revision.

    Raises InvalidInputError for an unknown or lower parent, ConflictError for a code and vintage already entered or a
    second platform.
    """
    known = load_tenants(connection)
    parent = next((t for t in known if t.id == new.parent), None)
    if new.parent is not None and parent is None:
        raise InvalidInputError.at("/parent", "Không có đơn vị cấp trên này.", "There is no such parent.")
    if parent is not None and RANK[parent.level] > RANK[new.level]:
        raise InvalidInputError.at(
            "/parent",
            "Đơn vị cấp trên ở cấp thấp hơn đơn vị mới.",
            "The parent is of a lower level than the new tenant.",
        )
    if any((t.code, t.vintage) == (new.code, new.vintage) for t in known):
        raise ConflictError(
            "Đơn vị có mã và kỳ hiệu lực này đã được đăng ký.",
            "A tenant with this code and vintage is already entered.",
            code="tenant-exists",
        )
    if new.kind == PLATFORM and any(t.kind == PLATFORM for t in known):
        raise ConflictError(
            "Đơn vị vận hành nền tảng đã có.", "The platform's own tenant already exists.", code="tenant-exists"
        )
    own = PLATFORM if new.kind == PLATFORM else opaque_id("t_")
    tenant = Tenant(own, new.code, new.vintage, new.name, new.kind, new.level, new.parent, at)
    connection.execute(
        insert(table).values(
            id=tenant.id, code=tenant.code, vintage=tenant.vintage, name=tenant.name,
            kind=tenant.kind, level=tenant.level, parent=tenant.parent, created_at=at,
        )
    )  # fmt: skip
    return tenant


def _tenant(row: RowMapping) -> Tenant:
    return Tenant(
        row["id"], row["code"], row["vintage"], row["name"], cast(TenantKind, row["kind"]), cast(Level, row["level"]),
        row["parent"], row["created_at"],
    )  # fmt: skip
