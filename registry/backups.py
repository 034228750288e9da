"""Copies of the embedded database: online backup, checked before it counts, and the way back.

A backup is a complete SQLite file made while the platform runs (SQLite's backup API sees one consistent state),
verified with `PRAGMA integrity_check` and only then given its name. PostgreSQL is backed up by its own tools.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from models.errors import IntegrityError, NotFoundError
from registry.database import Database
from registry.faults import translate


def back_up(database: Database, target: Path) -> Path:
    """Copy the running SQLite database to `target` (which must not exist yet).

    Raises UnavailableError when the disk is full, IntegrityError when the copy does not check out, ValueError on
    PostgreSQL.
    """
    if database.path is None:
        raise ValueError("PostgreSQL is backed up by its own tools")
    return copy(database.path, target)


def copy(source: Path, target: Path) -> Path:
    """Copy any SQLite file that may be in use to `target`, which must not exist yet. Raises like `back_up`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(target.name + ".new")
    try:
        _copy(source, draft)
        os.link(draft, target)
    except sqlite3.Error as error:
        raise translate(error, target) or _bad(target) from error
    finally:
        draft.unlink(missing_ok=True)
    return target


def restore(backup: Path, path: Path, aside: Path) -> None:
    """Put a backup in the database's place; nothing may be running. What stood there is kept in the folder `aside`.

    Raises NotFoundError when there is no backup, IntegrityError when it does not check out.
    """
    if not backup.is_file():
        raise NotFoundError("Không tìm thấy bản sao lưu.", "The backup does not exist.")
    draft = path.with_name(path.name + ".restoring")
    try:
        _copy(backup, draft)
    except sqlite3.Error as error:
        draft.unlink(missing_ok=True)
        raise _bad(backup) from error
    for suffix in ("-wal", "-shm", ""):
        standing = path.with_name(path.name + suffix)
        if standing.exists():
            aside.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.replace(standing, aside / standing.name)
    os.replace(draft, path)


def ready_files(backup: Path) -> list[tuple[str, str, str]]:
    """Id, object and digest of every ready file in a backup; none in one that is older than files.

    Raises IntegrityError when the backup is damaged.
    """
    connection = sqlite3.connect(f"file:{quote(str(backup.resolve()))}?mode=ro", uri=True)
    try:
        if connection.execute("select 1 from sqlite_master where name = 'files'").fetchone() is None:
            return []
        query = "select id, object, sha256 from files where status = 'ready' and object is not null"
        return connection.execute(query).fetchall()
    except sqlite3.Error as error:
        raise _bad(backup) from error
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class KeptModel:
    """A registered model of a database: its folder below `models`, and the digests of what belongs in there."""

    name: str
    version: str
    place: Path
    digests: Mapping[str, str]


def kept_models(backup: Path) -> list[KeptModel]:
    """The models of a backup that were registered here; those that come with the program lie elsewhere.

    Raises IntegrityError when the backup is damaged.
    """
    try:
        with closing(sqlite3.connect(f"file:{quote(str(backup.resolve()))}?mode=ro", uri=True)) as connection:
            rows = connection.execute("select name, version, folder, digests from entries").fetchall()
    except sqlite3.Error as error:
        raise _bad(backup) from error
    found = [(name, version, Path(folder).parts[-4:], digests) for name, version, folder, digests in rows]
    return [
        KeptModel(name, version, Path(*parts[1:]), json.loads(digests))
        for name, version, parts, digests in found
        if parts[:3] == ("models", name, version)
    ]


def settle_models(path: Path, models: Path) -> None:
    """Let the registered models of a database be found in `models`, wherever they lay when it was copied."""
    found = kept_models(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        for one in found:
            place = (str(models / one.place), one.name, one.version)
            connection.execute("update entries set folder = ? where name = ? and version = ?", place)


def _bad(path: Path) -> IntegrityError:
    return IntegrityError(f"Bản sao lưu {path} bị hỏng.", f"The backup {path} is damaged.", code="backup-damaged")


def _copy(source: Path, target: Path) -> None:
    """Copy with the backup API, check the copy, and flush it to disk."""
    target.unlink(missing_ok=True)
    origin = sqlite3.connect(source)
    copy = sqlite3.connect(target)
    try:
        origin.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        (answer,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    finally:
        copy.close()
        origin.close()
    if answer != "ok":
        raise _bad(source)
    with target.open("rb") as file:
        os.fsync(file.fileno())
