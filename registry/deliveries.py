"""Webhooks on their way: what is due, what was delivered, what is dead; and where each tenant allows them to go.

Decision: a delivery is a row, written in the transaction of the event it tells of (registry.jobs), so an event that
happened is told even when everything stops right after it. Whoever takes due rows first pushes their time forward by
`LEASE`: a sender that dies in the middle costs a late repetition, never a lost message. The receiver knows repetitions
by `webhook-id`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from models.errors import ConflictError, NotFoundError
from registry.database import Database
from registry.names import new_id
from registry.tables import deliveries, webhooks

LEASE: Final = timedelta(seconds=60)
SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one address; see registry.tables."""

    id: str
    tenant: str
    job_id: str
    event: str
    url: str
    body: Mapping[str, Any]
    state: str
    tries: int
    due_at: datetime | None
    fault: str | None
    created_at: datetime
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Hook:
    """A tenant's signing secret and the inner addresses that the operator allowed it."""

    secret: bytes
    allowed: Sequence[str]
    updated_at: datetime


class Deliveries:
    """The deliveries of the installation. Every method is one short transaction."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """`clock` tells seconds since 1970."""
        self._database = database
        self._clock = clock

    def due(self, most: int = 20) -> list[Delivery]:
        """Take up to `most` messages that are due, the oldest first; they are due again after `LEASE`."""
        now = self._now()
        with self._database.write() as connection:
            query = select(deliveries).where(deliveries.c.due_at <= now).order_by(deliveries.c.due_at).limit(most)
            if self._database.path is None:
                query = query.with_for_update(skip_locked=True)
            found = [_delivery(row) for row in connection.execute(query)]
            for delivery in found:
                _set(connection, delivery.id, due_at=now + LEASE)
        return found

    def delivered(self, delivery: Delivery) -> None:
        """The receiver took the message."""
        with self._database.write() as connection:
            _set(connection, delivery.id, state="delivered", tries=delivery.tries + 1, due_at=None, fault=None,
                 delivered_at=self._now())  # fmt: skip

    def failed(self, delivery: Delivery, fault: str, pause_seconds: float | None) -> None:
        """A try failed; the next one comes after the pause, none when it is None: the message is dead."""
        due = None if pause_seconds is None else self._now() + timedelta(seconds=pause_seconds)
        with self._database.write() as connection:
            _set(connection, delivery.id, state="dead" if due is None else "pending", tries=delivery.tries + 1,
                 due_at=due, fault=fault[:64])  # fmt: skip

    def page(
        self, tenant: str, limit: int, after: str | None = None, state: str | None = None, job_id: str | None = None
    ) -> list[Delivery]:
        """Up to `limit` messages of a tenant, newest first, that follow the id `after`."""
        query = select(deliveries).where(deliveries.c.tenant == tenant).order_by(deliveries.c.id.desc()).limit(limit)
        for column, value in ((deliveries.c.state, state), (deliveries.c.job_id, job_id)):
            if value is not None:
                query = query.where(column == value)
        if after is not None:
            query = query.where(deliveries.c.id < after)
        with self._database.read() as connection:
            return [_delivery(row) for row in connection.execute(query)]

    def retry(self, tenant: str, delivery_id: str) -> Delivery:
        """Send a dead message again, from the first pause on. Raises NotFoundError, ConflictError (`illegal-move`)."""
        mine = (deliveries.c.id == delivery_id, deliveries.c.tenant == tenant)
        with self._database.write() as connection:
            row = connection.execute(select(deliveries).where(*mine)).one_or_none()
            if row is None:
                raise NotFoundError("Không tìm thấy thông báo.", "No such delivery.")
            if row.state != "dead":
                raise ConflictError(
                    "Chỉ gửi lại được thông báo đã hỏng.", "Only a dead delivery is sent again.", code="illegal-move",
                    state=row.state,
                )  # fmt: skip
            _set(connection, delivery_id, state="pending", tries=0, due_at=self._now(), fault=None)
            return _delivery(connection.execute(select(deliveries).where(*mine)).one())

    def ping(self, tenant: str, url: str, body: Mapping[str, Any]) -> Delivery:
        """Write a message that belongs to no job, to try an address out."""
        now = self._now()
        new = Delivery(new_id("msg", now), tenant, "", "ping", url, body, "pending", 0, now, None, now, None)
        with self._database.write() as connection:
            connection.execute(insert(deliveries).values(
                {column.name: getattr(new, column.name) for column in deliveries.columns}
            ))  # fmt: skip
        return new

    # --- hooks ----------------------------------------------------------------------------------------------

    def hook(self, tenant: str) -> Hook:
        """A tenant's secret and allow-list; the secret is made when it is first asked for."""
        with self._database.read() as connection:
            row = connection.execute(select(webhooks).where(webhooks.c.tenant == tenant)).one_or_none()
        return self._keep(tenant) if row is None else Hook(row.secret, row.allowed, row.updated_at)

    def rotate(self, tenant: str) -> Hook:
        """Give a tenant a new secret; what is still to be sent is signed with it."""
        return self._keep(tenant, secret=secrets.token_bytes(SECRET_BYTES))

    def allow(self, tenant: str, allowed: Collection[str]) -> Hook:
        """Set the inner addresses that a tenant's webhooks may go to."""
        return self._keep(tenant, allowed=list(allowed))

    def _keep(self, tenant: str, **changes: Any) -> Hook:
        now = self._now()
        new = sqlite.insert if self._database.path is not None else postgresql.insert
        fresh = {"tenant": tenant, "secret": secrets.token_bytes(SECRET_BYTES), "allowed": [], "updated_at": now}
        with self._database.write() as connection:
            connection.execute(new(webhooks).values(fresh | changes).on_conflict_do_nothing())
            if changes:
                values = {**changes, "updated_at": now}
                connection.execute(update(webhooks).where(webhooks.c.tenant == tenant).values(values))
            row = connection.execute(select(webhooks).where(webhooks.c.tenant == tenant)).one()
            return Hook(row.secret, row.allowed, row.updated_at)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _set(connection: Connection, delivery_id: str, **values: Any) -> None:
    connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(values))


def _delivery(row: Row[tuple[object, ...]]) -> Delivery:
    return Delivery(**row._asdict())
