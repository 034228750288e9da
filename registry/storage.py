"""What each tenant keeps in the object store, against its quota; and which objects anybody owns.

Decision: room is taken and given back inside the transaction that makes a row own bytes or lets them go, so the count
and the rows never disagree. Results of accepted jobs are counted without being refused: the work was promised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from models.errors import InvalidInputError
from registry.database import Database
from registry.tables import files, job_chunks, jobs, storage

QUOTA_BYTES: Final = 20 << 30


class Storage:
    """The use of the object store, by tenant."""

    def __init__(self, database: Database, *, quota_bytes: int = QUOTA_BYTES) -> None:
        """`quota_bytes` holds for tenants without a quota of their own."""
        self._database = database
        self._quota_bytes = quota_bytes

    def usage(self, tenant: str) -> tuple[int, int]:
        """Bytes that a tenant keeps, and its quota."""
        with self._database.read() as connection:
            row = connection.execute(select(storage).where(storage.c.tenant == tenant)).one_or_none()
        if row is None:
            return 0, self._quota_bytes
        return row.bytes, self._quota_bytes if row.quota_bytes is None else row.quota_bytes

    def take(self, connection: Connection, tenant: str, size: int) -> None:
        """Take room inside a write transaction. Raises InvalidInputError (`storage-quota`, 507)."""
        self._have_row(connection, tenant)
        row = connection.execute(select(storage).where(storage.c.tenant == tenant).with_for_update()).one()
        quota = self._quota_bytes if row.quota_bytes is None else row.quota_bytes
        if row.bytes + size > quota:
            raise InvalidInputError(
                "Vượt hạn mức lưu trữ của đơn vị; hãy xóa bớt tệp.",
                "The organisation's storage quota is exceeded; delete files first.",
                code="storage-quota",
                quota_bytes=quota,
                used_bytes=row.bytes,
            )
        connection.execute(update(storage).where(storage.c.tenant == tenant).values(bytes=row.bytes + size))

    def count(self, connection: Connection, tenant: str, size: int) -> None:
        """Count what was promised, over the quota or not; a negative size gives room back."""
        self._have_row(connection, tenant)
        connection.execute(update(storage).where(storage.c.tenant == tenant).values(bytes=storage.c.bytes + size))

    def give(self, connection: Connection, tenant: str, size: int) -> None:
        """Give room back inside a write transaction."""
        self.count(connection, tenant, -size)

    def set_quota(self, tenant: str, quota_bytes: int | None) -> None:
        """Give a tenant its own quota; None: the installation's default."""
        with self._database.write() as connection:
            self._have_row(connection, tenant)
            connection.execute(update(storage).where(storage.c.tenant == tenant).values(quota_bytes=quota_bytes))

    def _have_row(self, connection: Connection, tenant: str) -> None:
        new = sqlite.insert if self._database.path is not None else postgresql.insert
        connection.execute(new(storage).values(tenant=tenant, bytes=0).on_conflict_do_nothing())


def objects_of(result: Mapping[str, Any] | None) -> list[str]:
    """The objects of a job's result: what was kept of it, and its JSON as it is handed out."""
    return [str(result[name]) for name in ("object", "json") if result and result.get(name)]


def owned(database: Database) -> tuple[set[str], set[str]]:
    """Every object that a row owns, and every upload under way: what a sweep must spare."""
    with database.read() as connection:
        names = set(connection.scalars(select(files.c.object).where(files.c.object.is_not(None))))
        names |= set(connection.scalars(select(jobs.c.data_object).where(jobs.c.data_object.is_not(None))))
        for result in connection.scalars(select(jobs.c.result).where(jobs.c.result.is_not(None))):
            names |= set(objects_of(result))
        for row in connection.execute(select(job_chunks.c.input_object, job_chunks.c.output_object)):
            names |= {name for name in row if name is not None}
        uploads = set(connection.scalars(select(files.c.id).where(files.c.status == "uploading")))
    return {str(name) for name in names}, uploads
