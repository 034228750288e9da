"""Every attempt to bring a model in, also those that were refused: who, what, how far it came, and why not further.

Decision: the row is written before the first byte is looked at, so that an attempt which ended the process is seen as
one. What was refused stays in quarantine under the row's id until its time is over; nobody opens it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Row, insert, select, update

from models.errors import NotFoundError
from registry.database import Database
from registry.names import new_id
from registry.review_tables import registrations

State = Literal["received", "quarantined", "trying", "registered", "refused"]


@dataclass(frozen=True, slots=True)
class Registration:
    """One attempt. `reason` is the word of a refusal; `facts` what was found and measured."""

    id: str
    tenant: str
    subject: str
    name: str
    version: str | None
    state: State
    reason: str | None
    facts: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime


class Registrations:
    """The attempts of one installation."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells seconds since 1970."""
        self._database = database
        self._clock = clock

    def begin(self, tenant: str, subject: str, name: str) -> str:
        """Note an attempt before anything of it is looked at; its id."""
        now = self._now()
        id_ = new_id("reg", now)
        with self._database.write() as connection:
            connection.execute(
                insert(registrations).values(
                    id=id_, tenant=tenant, subject=subject, name=name, version=None, state="received", reason=None,
                    facts={}, object=None, folder=None, created_at=now, updated_at=now,
                )
            )  # fmt: skip
        return id_

    def move(self, id_: str, state: State, **values: Any) -> None:
        """Note how far an attempt came; `values` are columns (version, reason, facts, folder)."""
        with self._database.write() as connection:
            changed = update(registrations).where(registrations.c.id == id_)
            connection.execute(changed.values(state=state, updated_at=self._now(), **values))

    def get(self, tenant: str, id_: str) -> Registration:
        """One attempt of an organisation. Raises NotFoundError, also for another's."""
        with self._database.read() as connection:
            asked = select(registrations).where(registrations.c.id == id_, registrations.c.tenant == tenant)
            row = connection.execute(asked).one_or_none()
        if row is None:
            raise NotFoundError("Không tìm thấy lượt đăng ký này.", "There is no such registration.")
        return _registration(row)

    def all(self, tenant: str, limit: int, after: str | None = None) -> Sequence[Registration]:
        """The attempts of an organisation, newest first, at most `limit`, those before the id `after`."""
        newest = registrations.c.id.desc()
        asked = select(registrations).where(registrations.c.tenant == tenant).order_by(newest).limit(limit)
        if after is not None:
            asked = asked.where(registrations.c.id < after)
        with self._database.read() as connection:
            return [_registration(row) for row in connection.execute(asked)]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _registration(row: Row[Any]) -> Registration:
    return Registration(
        row.id, row.tenant, row.subject, row.name, row.version, row.state, row.reason, row.facts, row.created_at,
        row.updated_at,
    )  # fmt: skip
