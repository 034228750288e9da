"""Readings: how a file was understood, as a document that a person may correct and name.

Decisions
- The document is what models.tables.reading writes (STATE-DATA); this module keeps it and does not look inside.
- A correction names the version it corrects (ETag, If-Match): two persons never overwrite each other unseen.
- A named reading is the tenant's template: the newest one of a header fingerprint is applied to the next file. A name
  may stand on several fingerprints; within one, the newest wins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, insert, select, update

from models.errors import ConflictError, NotFoundError
from registry.database import Database
from registry.names import new_id
from registry.tables import readings


@dataclass(frozen=True, slots=True)
class StoredReading:
    """A reading as kept. `version` counts corrections from 1, `open_questions` is how many wait for an answer."""

    id: str
    tenant: str
    subject_id: str
    file_id: str
    file_sha256: str
    name: str | None
    fingerprint: str
    version: int
    document: Mapping[str, Any]
    open_questions: int
    created_at: datetime
    updated_at: datetime
    public: bool = False


class Readings:
    """The readings of the installation. Every method is one short transaction."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """`clock` tells seconds since 1970."""
        self._database = database
        self._clock = clock

    def add(
        self, tenant: str, subject_id: str, file_id: str, file_sha256: str, fingerprint: str,
        document: Mapping[str, Any], open_questions: int, name: str | None = None,
    ) -> StoredReading:  # fmt: skip
        """Keep a new reading of a file."""
        now = self._now()
        reading = StoredReading(
            new_id("rdg", now), tenant, subject_id, file_id, file_sha256, name, fingerprint, 1, dict(document),
            open_questions, now, now,
        )  # fmt: skip
        with self._database.write() as connection:
            values = {column.name: getattr(reading, column.name) for column in readings.columns}
            connection.execute(insert(readings).values(values))
        return reading

    def get(self, tenants: Collection[str], reading_id: str) -> StoredReading:
        """A reading of one of these tenants. Raises NotFoundError, the same for what does not exist."""
        with self._database.read() as connection:
            query = select(readings).where(readings.c.id == reading_id, _of(tenants))
            row = connection.execute(query).one_or_none()
        if row is None:
            raise no_such_reading()
        return _reading(row)

    def correct(
        self, tenant: str, reading_id: str, version: int, document: Mapping[str, Any], open_questions: int,
        name: str | None = None,
    ) -> StoredReading:  # fmt: skip
        """Replace the document and name of the version that the caller saw.

        Raises NotFoundError, ConflictError (`precondition-failed`) when somebody was faster.
        """
        values = {
            "document": dict(document), "open_questions": open_questions, "name": name, "version": version + 1,
            "updated_at": self._now(),
        }  # fmt: skip
        mine = (readings.c.id == reading_id, readings.c.tenant == tenant)
        with self._database.write() as connection:
            if connection.execute(select(readings.c.id).where(*mine)).one_or_none() is None:
                raise no_such_reading()
            query = update(readings).where(*mine, readings.c.version == version).values(values)
            if connection.execute(query).rowcount != 1:
                raise ConflictError(
                    "Cách đọc đã được người khác sửa.", "The reading was changed meanwhile.", code="precondition-failed"
                )
        return self.get([tenant], reading_id)

    def named(self, tenant: str, fingerprint: str, name: str | None = None) -> StoredReading | None:
        """The tenant's newest named reading for files with this header fingerprint (of this name, when given)."""
        query = select(readings).where(
            readings.c.tenant == tenant, readings.c.fingerprint == fingerprint, readings.c.name.is_not(None)
        )
        if name is not None:
            query = query.where(readings.c.name == name)
        with self._database.read() as connection:
            newest = query.order_by(readings.c.updated_at.desc(), readings.c.id.desc()).limit(1)
            row = connection.execute(newest).one_or_none()
        return None if row is None else _reading(row)

    def page(
        self, tenants: Collection[str], limit: int, after: str | None = None, file_id: str | None = None
    ) -> list[StoredReading]:
        """Up to `limit` readings (of a file, when given), newest first, that follow the id `after`."""
        query = select(readings).where(_of(tenants)).order_by(readings.c.id.desc()).limit(limit)
        if after is not None:
            query = query.where(readings.c.id < after)
        if file_id is not None:
            query = query.where(readings.c.file_id == file_id)
        with self._database.read() as connection:
            return [_reading(row) for row in connection.execute(query)]

    def remove(self, tenant: str, reading_id: str) -> None:
        """Forget a reading. Raises NotFoundError."""
        with self._database.write() as connection:
            query = delete(readings).where(readings.c.id == reading_id, readings.c.tenant == tenant)
            if connection.execute(query).rowcount != 1:
                raise no_such_reading()

    def forget(self, tenant: str, file_id: str) -> int:
        """Forget how a file was read, with the file; named readings stay as templates. How many were forgotten."""
        mine = (readings.c.tenant == tenant, readings.c.file_id == file_id, readings.c.name.is_(None))
        with self._database.write() as connection:
            return int(connection.execute(delete(readings).where(*mine)).rowcount)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def no_such_reading() -> NotFoundError:
    """The one answer for every reading that the caller may not see."""
    return NotFoundError("Không tìm thấy cách đọc.", "No such reading.")


def _of(tenants: Collection[str]) -> ColumnElement[bool]:
    return readings.c.tenant.in_(list(tenants))


def _reading(row: Row[tuple[object, ...]]) -> StoredReading:
    return StoredReading(**row._asdict())
