"""The keys as they stand in the database: issue, list, rotate, revoke.

Decision: a person is known by organisation, name and kind: two keys for "Nguyễn Văn A" in one office are the same
subject, whatever the spacing or case, so four eyes cannot be met with a second key.

Decision: rotation makes a new key of the same subject, role, scopes and limits, and lets the old one live for the
overlap; nothing that depends on the old key breaks at a stroke. Every change bumps the `identity` revision in its
own transaction, so that all processes see it within one poll.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, and_, insert, or_, select, update

from models.errors import ConflictError, InvalidInputError, NotFoundError
from registry.tables import keys as table
from services.callers import Limits, Subject
from services.keys import Minted, mint, opaque_id

LONGEST_OVERLAP: Final = timedelta(days=30)
NAME_SIGNS: Final = 200


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is listed: everything but its secret."""

    id: str
    tenant: str
    subject: Subject
    role: str
    scopes: tuple[str, ...]
    limits: Limits
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    replaces: str | None

    def state(self, now: datetime) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a new key shall be; scopes are already those granted (`services.roles.granted`)."""

    tenant: str
    subject_name: str
    subject_kind: str
    role: str
    scopes: tuple[str, ...]
    limits: Limits
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key and its text, which is shown once."""

    key: Key
    minted: Minted


def plain_name(name: str) -> str:
    """A subject's name in NFC with single spaces. Raises InvalidInputError when nothing or too much is left."""
    cleaned = " ".join(unicodedata.normalize("NFC", name).split())
    if not cleaned or len(cleaned) > NAME_SIGNS or not cleaned.isprintable():
        raise InvalidInputError.at(
            "/subject/name",
            f"Tên phải có từ 1 đến {NAME_SIGNS} ký tự in được.",
            f"The name must have 1 to {NAME_SIGNS} printable characters.",
        )
    return cleaned


def subject_for(connection: Connection, tenant: str, name: str, kind: str) -> Subject:
    """The subject of this name in this organisation: the one already known, else a new one."""
    cleaned = plain_name(name)
    rows = connection.execute(
        select(table.c.subject_id, table.c.subject_name)
        .where(table.c.tenant == tenant, table.c.subject_kind == kind)
        .order_by(table.c.created_at, table.c.id)
    )
    for known_id, known_name in rows:
        if known_name.casefold() == cleaned.casefold():
            return Subject(known_id, known_name, kind)  # type: ignore[arg-type]  # the column holds only these words
    return Subject(opaque_id("s_"), cleaned, kind)  # type: ignore[arg-type]


def issue(connection: Connection, pepper: bytes, new: NewKey, *, by: str, at: datetime) -> Issued:
    """Mint and store a key. Raises InvalidInputError for a bad name or an expiry that has passed."""
    if new.expires_at is not None and new.expires_at <= at:
        raise InvalidInputError.at(
            "/expires_at", "Thời điểm hết hạn phải ở tương lai.", "The expiry must lie in the future."
        )
    subject = subject_for(connection, new.tenant, new.subject_name, new.subject_kind)
    minted = mint(pepper)
    key = Key(
        minted.public_id, new.tenant, subject, new.role, new.scopes, new.limits, at, by, new.expires_at, None, None
    )
    _store(connection, key, minted)
    return Issued(key, minted)


def rotate(connection: Connection, pepper: bytes, key_id: str, overlap: timedelta, *, by: str, at: datetime) -> Issued:
    """Issue the successor of a key; the old one ends after `overlap`, or at its own expiry when that is earlier.

    Raises NotFoundError for an unknown key, ConflictError for one that is revoked, expired or already replaced.
    """
    old = find(connection, key_id)
    if old is None:
        raise no_such_key()
    replaced = connection.execute(select(table.c.overlap_until).where(table.c.id == key_id)).scalar_one()
    if old.state(at) != "active" or replaced is not None:
        raise ConflictError(
            "Chỉ đổi được khóa đang hoạt động và chưa có khóa thay thế.",
            "Only an active key without a successor can be rotated.",
            code="key-not-active",
        )
    minted = mint(pepper)
    key = Key(
        minted.public_id,
        old.tenant,
        old.subject,
        old.role,
        old.scopes,
        old.limits,
        at,
        by,
        old.expires_at,
        None,
        old.id,
    )
    _store(connection, key, minted)
    end = at + min(overlap, LONGEST_OVERLAP)
    end = end if old.expires_at is None else min(end, old.expires_at)
    connection.execute(update(table).where(table.c.id == key_id).values(expires_at=end, overlap_until=end))
    return Issued(key, minted)


def revoke(connection: Connection, key_id: str, at: datetime) -> Key:
    """End a key now, for good; a second time changes nothing. Raises NotFoundError for an unknown key."""
    key = find(connection, key_id)
    if key is None:
        raise no_such_key()
    connection.execute(update(table).where(table.c.id == key_id, table.c.revoked_at.is_(None)).values(revoked_at=at))
    return key


def find(connection: Connection, key_id: str) -> Key | None:
    """A key by its public id."""
    row = connection.execute(select(table).where(table.c.id == key_id)).mappings().one_or_none()
    return None if row is None else key_from(row)


def listed(connection: Connection, tenants: Sequence[str] | None, after: str | None, limit: int) -> list[Key]:
    """Up to `limit` keys after the key `after`, oldest first; `tenants` None means all.

    Raises InvalidInputError when `after` is not a key that the caller may list.
    """
    query: Select[Any] = select(table).order_by(table.c.created_at, table.c.id).limit(limit)
    if tenants is not None:
        query = query.where(table.c.tenant.in_(tenants))
    if after is not None:
        last = find(connection, after)
        if last is None or (tenants is not None and last.tenant not in tenants):
            raise bad_cursor()
        later = and_(table.c.created_at == last.created_at, table.c.id > last.id)
        query = query.where(or_(table.c.created_at > last.created_at, later))
    return [key_from(row) for row in connection.execute(query).mappings()]


def bad_cursor() -> InvalidInputError:
    """A paging cursor that is none of the caller's own ids."""
    return InvalidInputError("Con trỏ `after` không hợp lệ.", "The cursor `after` is not valid.", code="bad-cursor")


def no_such_key() -> NotFoundError:
    """The one answer for an unknown key and for a foreign one."""
    return NotFoundError("Không tìm thấy khóa.", "No such key.")


def key_from(row: RowMapping) -> Key:
    """A listed key from its row."""
    return Key(
        row["id"], row["tenant"], Subject(row["subject_id"], row["subject_name"], row["subject_kind"]), row["role"],
        tuple(row["scopes"]), Limits(**row["limits"]), row["created_at"], row["created_by"], row["expires_at"],
        row["revoked_at"], row["rotated_from"],
    )  # fmt: skip


def _store(connection: Connection, key: Key, minted: Minted) -> None:
    connection.execute(
        insert(table).values(
            id=key.id, tenant=key.tenant, subject_id=key.subject.id, subject_name=key.subject.name,
            subject_kind=key.subject.kind, role=key.role, scopes=list(key.scopes), limits=asdict(key.limits),
            secret_hmac=minted.digest, created_at=key.created_at, expires_at=key.expires_at, revoked_at=None,
            rotated_from=key.replaces, overlap_until=None, created_by=key.created_by,
        )
    )  # fmt: skip
