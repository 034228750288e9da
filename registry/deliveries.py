"""Webhooks on their way: what is due, what was delivered, what is dead; and where each tenant allows them to go.

Decision: a delivery is a row, written in the transaction of the event it tells of (registry.jobs), so an event that
happened is told even when everything stops right after it. Whoever takes due rows first pushes their time forward by
`LEASE`: a sender that dies in the middle costs a late repetition, never a lost message. The receiver knows repetitions
by `webhook-id`.

Decision: a tenant's signing secret is kept sealed (registry.lockbox). After a rotation the secret before signs beside
its successor until the overlap ends, so that no receiver has to change at the very moment.
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
from registry.lockbox import Lockbox
from registry.names import new_id
from registry.tables import deliveries, webhooks

LEASE: Final = timedelta(seconds=60)
SECRET_BYTES: Final = 32
LONGEST_OVERLAP: Final = timedelta(days=30)


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
    """A tenant's signing secret and the inner addresses that the operator allowed it.

    `previous` is the secret before, which signs too until `previous_until`.
    """

    secret: bytes
    allowed: Sequence[str]
    updated_at: datetime
    previous: bytes | None = None
    previous_until: datetime | None = None

    @property
    def secrets(self) -> list[bytes]:
        """The secrets that sign now, the newest first."""
        return [self.secret] if self.previous is None else [self.secret, self.previous]


class Deliveries:
    """The deliveries of the installation. Every method is one short transaction."""

    def __init__(self, database: Database, lockbox: Lockbox, clock: Callable[[], float]) -> None:
        """`lockbox` seals the secrets; `clock` tells seconds since 1970."""
        self._database = database
        self._lockbox = lockbox
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
        if row is None or len(row.secret) == SECRET_BYTES:
            return self._keep(tenant)
        return self._hook(row)

    def rotate(self, tenant: str, overlap: timedelta = timedelta()) -> Hook:
        """Give a tenant a new secret; the one before signs beside it until the overlap is over."""
        until = self._now() + min(overlap, LONGEST_OVERLAP)
        return self._keep(tenant, lambda row: {
            "secret": self._sealed(tenant, secrets.token_bytes(SECRET_BYTES)),
            "previous": row.secret if overlap else None, "previous_until": until if overlap else None,
        })  # fmt: skip

    def allow(self, tenant: str, allowed: Collection[str]) -> Hook:
        """Set the inner addresses that a tenant's webhooks may go to."""
        return self._keep(tenant, lambda row: {"allowed": list(allowed)})

    def _keep(self, tenant: str, change: Callable[[Row[Any]], Mapping[str, Any]] | None = None) -> Hook:
        """Make the tenant's row where there is none, seal a secret that an older version kept open, then change it."""
        now, mine = self._now(), webhooks.c.tenant == tenant
        new = sqlite.insert if self._database.path is not None else postgresql.insert
        sealed = self._sealed(tenant, secrets.token_bytes(SECRET_BYTES))
        fresh = {"tenant": tenant, "secret": sealed, "allowed": [], "updated_at": now}
        with self._database.write() as connection:
            connection.execute(new(webhooks).values(fresh).on_conflict_do_nothing())
            row = connection.execute(select(webhooks).where(mine).with_for_update()).one()
            if len(row.secret) == SECRET_BYTES:
                connection.execute(update(webhooks).where(mine).values(secret=self._sealed(tenant, row.secret)))
                row = connection.execute(select(webhooks).where(mine)).one()
            if change is not None:
                connection.execute(update(webhooks).where(mine).values({**change(row), "updated_at": now}))
                row = connection.execute(select(webhooks).where(mine)).one()
        return self._hook(row)

    def _hook(self, row: Row[Any]) -> Hook:
        """A row with its secrets opened. Raises IntegrityError when they were altered."""
        secret = self._lockbox.open(row.secret, _purpose(row.tenant))
        if row.previous_until is None or row.previous_until <= self._now():
            return Hook(secret, row.allowed, row.updated_at)
        previous = self._lockbox.open(row.previous, _purpose(row.tenant))
        return Hook(secret, row.allowed, row.updated_at, previous, row.previous_until)

    def _sealed(self, tenant: str, secret: bytes) -> bytes:
        return self._lockbox.seal(secret, _purpose(tenant))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _purpose(tenant: str) -> str:
    return f"webhook {tenant}"


def _set(connection: Connection, delivery_id: str, **values: Any) -> None:
    connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(values))


def _delivery(row: Row[tuple[object, ...]]) -> Delivery:
    return Delivery(**row._asdict())
