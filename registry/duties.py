"""Whom the platform draws as reviewers, and until when they should have decided (GOVERNANCE R2).

Decisions
- The platform draws, not the owner: among the persons who hold the role and are no authors, the one with the fewest
  open duties; a tie is settled by a digest, so that nobody can choose the order. At T3 somebody of another
  organisation than the model's comes first.
- A duty that is overdue, or whose holder no longer has the role, passes to the next person who takes it up; until
  then nobody else may sign in that role.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, or_, select, update

from models.errors import ForbiddenError
from registry.entries import Entry
from registry.rules import DUE_DAYS, Actor
from registry.tables import assignments, keys, tenants

PLATFORM: Final = "platform"


@dataclass(frozen=True, slots=True)
class Duty:
    """A review that somebody was drawn for. `ended_at`: decided, or passed on."""

    id: str
    name: str
    version: str
    round: int
    role: str
    subject: str
    at: datetime
    due_at: datetime
    ended_at: datetime | None


def pool(connection: Connection, entry: Entry, role: str, now: datetime) -> dict[str, str]:
    """Who could be drawn: persons with a living key in that role, by subject with their organisation.

    What is public is reviewed by the platform's people alone, anything else by its own organisation's too.
    """
    platform = select(tenants.c.id).where(tenants.c.kind == PLATFORM)
    home = (
        keys.c.tenant.in_(platform) if entry.public else or_(keys.c.tenant.in_(platform), keys.c.tenant == entry.tenant)
    )
    living = (
        keys.c.role == role,
        keys.c.subject_kind == "person",
        keys.c.revoked_at.is_(None),
        or_(keys.c.expires_at.is_(None), keys.c.expires_at > now),
    )
    rows = connection.execute(select(keys.c.subject_id, keys.c.tenant).where(home, *living))
    return {row.subject_id: row.tenant for row in rows if row.subject_id not in entry.authors}


def draw(
    connection: Connection, entry: Entry, round: int, role: str, now: datetime, taken: Collection[str]
) -> Duty | None:
    """Draw somebody for a role and write it down; None when nobody is left. `taken` have a part in this round."""
    found = {who: tenant for who, tenant in pool(connection, entry, role, now).items() if who not in taken}
    if not found:
        return None
    others = [who for who, tenant in found.items() if tenant != entry.tenant]
    candidates = others if entry.tier == "T3" and others else list(found)
    busy = Counter(connection.execute(select(assignments.c.subject).where(assignments.c.ended_at.is_(None))).scalars())
    chosen = min(candidates, key=lambda who: (busy[who], sha256(f"{entry.reference}/{round}/{who}".encode()).digest()))
    return assign(connection, entry, round, role, chosen, now)


def assign(connection: Connection, entry: Entry, round: int, role: str, subject: str, now: datetime) -> Duty:
    """Write a duty down."""
    duty = Duty(
        f"dut_{secrets.token_hex(12)}", entry.name, entry.version, round, role, subject, now,
        now + timedelta(days=DUE_DAYS[entry.tier]), None,
    )  # fmt: skip
    connection.execute(
        insert(assignments).values(
            id=duty.id, name=duty.name, version=duty.version, round=round, role=role, subject=subject, at=now,
            due_at=duty.due_at, ended_at=None,
        )
    )  # fmt: skip
    return duty


def claim(connection: Connection, actor: Actor, entry: Entry, round: int, now: datetime) -> None:
    """Make sure that the role's duty in this round is the actor's, passing it on where the rules allow.

    Raises ForbiddenError (`not-drawn`) when somebody else was drawn and still has time.
    """
    duty = next((one for one in duties(connection, entry, round) if one.role == actor.role and not one.ended_at), None)
    if duty is not None and duty.subject == actor.subject:
        return
    if duty is not None and now < duty.due_at and duty.subject in pool(connection, entry, actor.role, now):
        raise ForbiddenError(
            "Nền tảng đã giao việc thẩm định này cho người khác.",
            "The platform has drawn somebody else for this review.",
            code="not-drawn", due_at=duty.due_at.isoformat(),
        )  # fmt: skip
    end(connection, entry, round, now, role=actor.role)
    assign(connection, entry, round, actor.role, actor.subject, now)


def end(connection: Connection, entry: Entry, round: int, now: datetime, *, role: str | None = None) -> None:
    """End the open duties of a round: of one role, or all."""
    open_ones = [*_about(entry), assignments.c.round == round, assignments.c.ended_at.is_(None)]
    if role is not None:
        open_ones.append(assignments.c.role == role)
    connection.execute(update(assignments).where(*open_ones).values(ended_at=now))


def duties(connection: Connection, entry: Entry, round: int) -> list[Duty]:
    """The duties of a round, in the order of drawing."""
    query = select(assignments).where(*_about(entry), assignments.c.round == round).order_by(assignments.c.at)
    return [_duty(row) for row in connection.execute(query)]


def duties_of(connection: Connection, subject: str) -> list[Duty]:
    """A person's open duties, the most urgent first."""
    open_ones = (assignments.c.subject == subject, assignments.c.ended_at.is_(None))
    return [
        _duty(row) for row in connection.execute(select(assignments).where(*open_ones).order_by(assignments.c.due_at))
    ]


def _about(entry: Entry) -> tuple[Any, Any]:
    return assignments.c.name == entry.name, assignments.c.version == entry.version


def _duty(row: Row[Any]) -> Duty:
    return Duty(row.id, row.name, row.version, row.round, row.role, row.subject, row.at, row.due_at, row.ended_at)
