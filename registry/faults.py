"""Foreign storage errors, translated once.

A locked database, a full disk, a lost server: UnavailableError, the caller may try again. A damaged file:
IntegrityError that names the file and the command that restores it. A duplicate key: ConflictError. What is none
of these is a fault of the code and passes through unchanged.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError, TimeoutError

from models.errors import ConflictError, IntegrityError, PlatformError, UnavailableError

RESTORE_COMMAND = "aichung restore"
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")
_FULL = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_NOLFS")
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_POSTGRES_DAMAGED = ("XX001", "XX002")
_POSTGRES_AWAY = ("08", "53", "57", "58")
_UNREACHABLE = ("OperationalError", "InterfaceError")
_POSTGRES_RACE = ("40001", "40P01", "55P03")


def damaged(where: Path | str, vi: str, en: str) -> IntegrityError:
    """The error for a database that cannot be trusted; `vi` and `en` say what is wrong with it."""
    return IntegrityError(
        f"Cơ sở dữ liệu {where}: {vi}. Khôi phục từ bản sao lưu bằng lệnh: {RESTORE_COMMAND}",
        f"Database {where}: {en}. Restore a backup with: {RESTORE_COMMAND}",
        code="database-damaged",
        command=RESTORE_COMMAND,
    )


def translate(error: DBAPIError | TimeoutError | sqlite3.Error, where: Path | str) -> PlatformError | None:
    """The platform's error for a storage error, or None when it is no fault of the storage."""
    if isinstance(error, TimeoutError):
        return _busy()
    cause: BaseException | None = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return _sqlite(cause, where)
    state = getattr(cause, "sqlstate", None)
    if isinstance(error, DBAPIError) and (state is not None or error.connection_invalidated):
        return _postgres(str(state or "08006"), where)
    if any(kind.__name__ in _UNREACHABLE and kind.__module__.startswith("psycopg") for kind in type(cause).__mro__):
        return _away()
    return None


def _sqlite(cause: sqlite3.Error, where: Path | str) -> PlatformError | None:
    name = getattr(cause, "sqlite_errorname", "") or ""
    if name.startswith(_BUSY):
        return _busy()
    if name.startswith(_FULL):
        return _full()
    if name.startswith(_DAMAGED):
        return damaged(where, "tệp bị hỏng", "the file is damaged")
    if name == "SQLITE_CONSTRAINT_TRIGGER":
        return _append_only()
    if name.startswith(("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE")):
        return _duplicate()
    return None


def _postgres(state: str, where: Path | str) -> PlatformError | None:
    if state in _POSTGRES_DAMAGED:
        return damaged(where, "dữ liệu bị hỏng", "its data is damaged")
    if state in _POSTGRES_RACE:
        return _busy()
    if state == "53100":
        return _full()
    if state.startswith(_POSTGRES_AWAY):
        return _away()
    if state == "23505":
        return _duplicate()
    if state == "P0001":
        return _append_only()
    return None


def _busy() -> UnavailableError:
    return UnavailableError(
        "Cơ sở dữ liệu đang bận, xin thử lại.", "The database is busy, try again.", 1, code="database-busy"
    )


def _full() -> UnavailableError:
    return UnavailableError(
        "Không ghi được xuống ổ đĩa (đầy, lỗi hoặc chỉ đọc).",
        "The disk cannot be written (full, failing or read-only).",
        30,
        code="storage-full",
    )


def _away() -> UnavailableError:
    return UnavailableError(
        "Không kết nối được cơ sở dữ liệu.", "The database cannot be reached.", 5, code="database-away"
    )


def _append_only() -> IntegrityError:
    return IntegrityError(
        "Nhật ký chỉ được ghi thêm, không được sửa hay xóa.",
        "The ledger is append-only: no update, no delete.",
        code="ledger-append-only",
    )


def _duplicate() -> ConflictError:
    return ConflictError("Bản ghi này đã có.", "This record already exists.", code="already-exists")
