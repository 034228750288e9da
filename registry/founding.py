"""The owner's work at start: first creation, checks, backup, migration.

Decisions
- A database is created only on a *first start*: no file, no marker beside it, no write-ahead log, no checkpoints. The
  marker (`<file>.marker`, JSON) records that the database once existed; with the marker and without the database
  the platform refuses to start and names the restore command, because an empty database would look like a
  working installation that has forgotten everything.
- A new SQLite file is built under another name and linked into place when it is whole, so a crash leaves either
  no database or a complete one.
- `PRAGMA quick_check` runs at every start, bounded in time: a large file that could not be read to its end in time
  counts as unrefuted, a fault found stops the start.
- Before a migration SQLite is copied to `<folder>/backups` by the online backup; PostgreSQL is backed up by its own
  means before an upgrade.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, text

from models.errors import IntegrityError
from registry.backups import back_up
from registry.database import Database, engine_for, sqlite_path
from registry.faults import damaged, translate
from registry.tables import SCHEMA, facts

QUICK_CHECK_SECONDS = 10.0
MIGRATION_LOCK = 0x41494348  # "AICH": one migration at a time on a PostgreSQL server
Clock = Callable[[], float]


def found(
    url: str,
    *,
    marker: Path | None = None,
    backups: Path | None = None,
    clock: Clock = time.time,
    check_seconds: float = QUICK_CHECK_SECONDS,
) -> Database:
    """Open the installation's database as its owner: create it on a first start, else check and migrate it.

    `marker` defaults to `<file>.marker` (PostgreSQL: none unless given), `backups` to `<folder>/backups`.
    Raises IntegrityError when the database is missing, damaged or not this installation's, UnavailableError when it
    is locked, its disk is full or its server is away.
    """
    path = sqlite_path(url)
    if path is None:
        return _found_postgres(url, marker, clock)
    marker = marker or path.with_name(path.name + ".marker")
    if not path.exists():
        _refuse_unless_first_start(path, marker)
        _create(path, clock)
    _quick_check(path, check_seconds)
    database = Database(engine_for(url), path)
    try:
        _migrate(database, backups or path.parent / "backups", clock)
        _keep_marker(database, marker)
    except BaseException:
        database.close()
        raise
    return database


def head() -> str:
    """The newest schema revision among the scripts."""
    return str(ScriptDirectory.from_config(_config(None)).get_current_head())


def upgrade(connection: Connection) -> None:
    """Run all missing migrations inside the running transaction."""
    command.upgrade(_config(connection), "head")


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _refuse_unless_first_start(path: Path, marker: Path) -> None:
    """Raise IntegrityError when anything says that this database once existed."""
    checkpoints = path.parent / "checkpoints"
    traces = [marker, path.with_name(path.name + "-wal"), *(checkpoints.iterdir() if checkpoints.is_dir() else ())]
    if any(trace.exists() for trace in traces):
        raise damaged(path, "tệp đã bị mất (trước đây đã có)", "the file is gone (it existed before)")


def _create(path: Path, clock: Clock) -> None:
    """Build a complete new database under another name and link it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    database = Database(engine_for(f"sqlite:///{draft}"), draft)
    try:
        with database.write() as connection:
            upgrade(connection)
            _introduce(connection, clock)
        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        _link(draft, path)
    except (sqlite3.Error, OSError) as error:
        known = translate(error, path) if isinstance(error, sqlite3.Error) else None
        raise known or _cannot_create(path) from error
    finally:
        database.close()
        for suffix in ("", "-wal", "-shm"):
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def _link(draft: Path, path: Path) -> None:
    """Give the finished file its name; another owner that was faster keeps its own. Durable when it returns."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _cannot_create(path: Path) -> IntegrityError:
    return IntegrityError(
        f"Không tạo được cơ sở dữ liệu {path} (ổ đĩa đầy hoặc không có quyền ghi).",
        f"Cannot create the database {path} (disk full or not writable).",
        code="database-not-created",
    )


def _introduce(connection: Connection, clock: Clock) -> None:
    """Write the facts a new installation knows of itself."""
    created = datetime.fromtimestamp(clock(), UTC).isoformat()
    rows = [{"name": "installation", "value": secrets.token_hex(16)}, {"name": "created_at", "value": created}]
    connection.execute(insert(facts), rows)


def _quick_check(path: Path, seconds: float) -> None:
    """Raise IntegrityError when SQLite finds a fault within `seconds`."""
    size = path.stat().st_size
    if size == 0:
        raise damaged(path, "tệp rỗng", "the file is empty")
    deadline = time.monotonic() + seconds
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=5.0)
        try:
            connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
            (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
            return
        raise translate(error, path) or damaged(path, "không đọc được", "it cannot be read") from error
    if answer != "ok":
        raise damaged(path, "tệp bị hỏng", "the file is damaged")


def _migrate(database: Database, backups: Path, clock: Clock) -> None:
    """Bring an existing SQLite database to the current schema, after a backup."""
    schema = database.schema()
    if schema == SCHEMA:
        return
    if schema is None:
        raise damaged(database.where, "không phải cơ sở dữ liệu của nền tảng", "it is not the platform's database")
    known = {script.revision for script in ScriptDirectory.from_config(_config(None)).walk_revisions()}
    if schema not in known:
        raise IntegrityError(
            f"Cơ sở dữ liệu {database.where} thuộc phiên bản mới hơn của nền tảng.",
            f"The database {database.where} belongs to a newer version of the platform.",
            code="schema-too-new",
        )
    stamp = datetime.fromtimestamp(clock(), UTC).strftime("%Y%m%dT%H%M%SZ")
    back_up(database, backups / f"before-{SCHEMA}-from-{schema}-{stamp}.sqlite")
    with database.write() as connection:
        upgrade(connection)


def _keep_marker(database: Database, marker: Path) -> None:
    """Write the marker, or hold the database against it. Raises IntegrityError for a foreign database."""
    installation = database.fact("installation")
    if installation is None:
        raise damaged(database.where, "thiếu mã cài đặt", "it lacks its installation id")
    if marker.is_file():
        if _marked(marker) not in (None, installation):
            raise damaged(
                database.where, "thuộc một bản cài đặt khác", "it belongs to another installation than the marker says"
            )
        return
    marker.parent.mkdir(parents=True, exist_ok=True)
    draft = marker.with_name(marker.name + ".new")
    draft.write_text(json.dumps({"installation": installation}) + "\n", encoding="utf-8")
    os.replace(draft, marker)


def _marked(marker: Path) -> str | None:
    """The installation id in the marker; None when the marker cannot be read."""
    try:
        document: Any = json.loads(marker.read_text(encoding="utf-8"))
        return str(document["installation"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _found_postgres(url: str, marker: Path | None, clock: Clock) -> Database:
    """The same on PostgreSQL: one migration at a time, an empty schema only on a first start."""
    database = Database(engine_for(url), None)
    try:
        with database.write() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            fresh = not database.engine.dialect.has_table(connection, "alembic_version")
            if fresh and marker is not None and marker.exists():
                raise damaged(database.where, "trống rỗng (trước đây đã có)", "it is empty (it existed before)")
            upgrade(connection)
            if fresh:
                _introduce(connection, clock)
        if marker is not None:
            _keep_marker(database, marker)
    except BaseException:
        database.close()
        raise
    return database
