"""Files of a tenant: rows that own objects, within a quota.

Decisions
- Every query carries the tenants whose files the caller may see, so another tenant's file is the same NotFoundError as
  a random id. A parent organisation sees its children's files (STATE-DATA), it does not change them.
- Room is taken in the transaction that makes a row own bytes, and given back in the one that lets them go; what a file
  under way has declared counts from the start.
- Deleting removes the row first and the bytes after it: a crash in between leaves bytes without an owner, which the
  next start sweeps, never a row without its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from sqlalchemy import ColumnElement, Row, delete, insert, select, update

from models.errors import ConflictError, InvalidInputError, NotFoundError, PlatformError
from registry.database import Database
from registry.names import new_id
from registry.objects import Objects, Stored
from registry.storage import Storage
from registry.tables import files

LIFE_DAYS: Final = 30
MOST_BYTES: Final = 2 << 30
UPLOAD_HOURS: Final = 48

Status = Literal["uploading", "ready"]


@dataclass(frozen=True, slots=True)
class File:
    """One file. `bytes` and `sha256` are as declared while `uploading`, as stored once `ready`."""

    id: str
    tenant: str
    subject_id: str
    purpose: str
    filename: str
    status: Status
    bytes: int
    sha256: str
    object: str | None
    created_at: datetime
    expires_at: datetime
    public: bool = False


class Files:
    """The files of the installation. Every method is one short transaction; safe for threads and processes."""

    def __init__(
        self,
        database: Database,
        objects: Objects,
        storage: Storage,
        clock: Callable[[], float],
        *,
        life_days: int = LIFE_DAYS,
    ) -> None:
        """`storage` keeps what each tenant uses; files live `life_days`."""
        self._database = database
        self.objects = objects
        self.storage = storage
        self._clock = clock
        self._life = timedelta(days=life_days)

    def add(self, tenant: str, subject_id: str, purpose: str, filename: str, stored: Stored) -> File:
        """Own an object that was written. Raises InvalidInputError (`storage-quota`); the object is removed then."""
        now = self._now()
        file = File(
            new_id("file", now), tenant, subject_id, purpose, filename, "ready", stored.bytes, stored.sha256,
            stored.name, now, now + self._life,
        )  # fmt: skip
        try:
            with self._database.write() as connection:
                self.storage.take(connection, tenant, stored.bytes)
                connection.execute(insert(files).values(_columns(file)))
        except BaseException:
            self._give_up(file, stored)
            raise
        return file

    def announce(self, tenant: str, subject_id: str, purpose: str, filename: str, size: int, sha256: str) -> File:
        """Begin a resumable upload of a declared size and digest; its bytes go to `objects.resume(file.id, …)`.

        Raises InvalidInputError (`too-large`, `storage-quota`).
        """
        if size > MOST_BYTES:
            raise InvalidInputError.at(
                "/bytes", f"Tệp tối đa {MOST_BYTES} byte.", f"A file has at most {MOST_BYTES} bytes.", code="too-large"
            )
        now = self._now()
        file = File(
            new_id("file", now), tenant, subject_id, purpose, filename, "uploading", size, sha256, None, now,
            now + timedelta(hours=UPLOAD_HOURS),
        )  # fmt: skip
        with self._database.write() as connection:
            self.storage.take(connection, tenant, size)
            connection.execute(insert(files).values(_columns(file)))
        return file

    def complete(self, tenant: str, file_id: str) -> File:
        """Make an upload whose bytes are all there a ready file.

        Raises NotFoundError, ConflictError (`incomplete-upload` with `received`, `digest-mismatch`).
        """
        file = self.get([tenant], file_id)
        if file.status == "ready":
            return file
        received = self.objects.received(file.id)
        if received != file.bytes:
            raise ConflictError(
                "Tệp chưa được gửi đủ.", "The upload is not complete.", code="incomplete-upload", received=received
            )
        stored = self.objects.seal(file.id, file.sha256)
        values = {"status": "ready", "object": stored.name, "expires_at": self._now() + self._life}
        with self._database.write() as connection:
            query = update(files).where(files.c.id == file.id, files.c.status == "uploading").values(values)
            moved = connection.execute(query).rowcount == 1
        if not moved:
            self.objects.delete(stored.name)
        return self.get([tenant], file_id)

    def get(self, tenants: Collection[str], file_id: str) -> File:
        """A file of one of these tenants. Raises NotFoundError, the same for what does not exist."""
        with self._database.read() as connection:
            row = connection.execute(select(files).where(files.c.id == file_id, _of(tenants))).one_or_none()
        if row is None:
            raise no_such_file()
        return _file(row)

    def ready(self, tenants: Collection[str], file_id: str) -> File:
        """A file that can be read. Raises NotFoundError, ConflictError (`file-not-ready`)."""
        file = self.get(tenants, file_id)
        if file.status != "ready":
            raise ConflictError("Tệp chưa được gửi xong.", "The file is still uploading.", code="file-not-ready")
        return file

    def page(self, tenants: Collection[str], limit: int, after: str | None = None) -> list[File]:
        """Up to `limit` files, newest first, that follow the id `after`."""
        query = select(files).where(_of(tenants)).order_by(files.c.id.desc()).limit(limit)
        if after is not None:
            query = query.where(files.c.id < after)
        with self._database.read() as connection:
            return [_file(row) for row in connection.execute(query)]

    def remove(self, tenant: str, file_id: str) -> File:
        """Delete a file and its bytes; what it was. Raises NotFoundError."""
        file = self.get([tenant], file_id)
        with self._database.write() as connection:
            if connection.execute(delete(files).where(files.c.id == file.id)).rowcount != 1:
                raise no_such_file()
            self.storage.give(connection, tenant, file.bytes)
        self._let_go(file)
        return file

    def expire(self, most: int = 100) -> list[File]:
        """Delete what has passed its time; what was deleted, for the ledger."""
        with self._database.write() as connection:
            query = select(files).where(files.c.expires_at < self._now()).limit(most).with_for_update()
            rows = connection.execute(query).all()
            old = [_file(row) for row in rows]
            for file in old:
                connection.execute(delete(files).where(files.c.id == file.id))
                self.storage.give(connection, file.tenant, file.bytes)
        for file in old:
            self._let_go(file)
        return old

    def _give_up(self, file: File, stored: Stored) -> None:
        """Remove the bytes of a file that has no row; when that cannot be known a sweep finds what nobody owns."""
        try:
            with self._database.read() as connection:
                kept = connection.execute(select(files.c.id).where(files.c.id == file.id)).one_or_none()
        except PlatformError:
            return
        if kept is None:
            self.objects.delete(stored.name)

    def _let_go(self, file: File) -> None:
        self.objects.discard(file.id)
        if file.object is not None:
            self.objects.delete(file.object)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def no_such_file() -> NotFoundError:
    """The one answer for every file that the caller may not see."""
    return NotFoundError("Không tìm thấy tệp.", "No such file.")


def _of(tenants: Collection[str]) -> ColumnElement[bool]:
    return files.c.tenant.in_(list(tenants))


def _columns(file: File) -> dict[str, object]:
    return {column.name: getattr(file, column.name) for column in files.columns}


def _file(row: Row[tuple[object, ...]]) -> File:
    return File(**row._asdict())
