"""The registry's store in the platform's database (see `registry.store` for the laws it keeps)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from models.errors import IntegrityError
from registry.approvals import Trust
from registry.database import Database
from registry.entries import Digests, Entry, Stage
from registry.evidence import Evidences
from registry.store import (
    TOPIC,
    Note,
    Read,
    accepted,
    event,
    fresh,
    not_registered,
    refuse_foreign_task,
    refuse_illegal,
    refuse_other_digests,
    silent,
    vouch,
)
from registry.tables import approvals, defaults, entries

_log = logging.getLogger("aichung.registry")


class SqlStore:
    """The store on SQLite or PostgreSQL. Safe for threads and for many processes."""

    def __init__(
        self,
        database: Database,
        trust: Trust,
        *,
        read: Read | None = None,
        note: Note = silent,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`read` gives the evidence of a folder (default: from disk), `note` takes ledger events."""
        self._database = database
        self._trust = trust
        self._read = read or Evidences().read
        self._note = note
        self._clock = clock

    def revision(self) -> int:
        """See Store."""
        return self._database.revision(TOPIC)

    def entries(self) -> list[Entry]:
        """See Store."""
        with self._database.read() as connection:
            rows = connection.execute(select(entries).order_by(entries.c.name, entries.c.version)).all()
            statements = _statements(connection)
            holders = _defaults(connection)
        found: list[Entry] = []
        for row in rows:
            try:
                found.append(self._vouched(row, statements, holders))
            except IntegrityError as error:  # one broken row must not silence the other models
                _log.error("registry row skipped: %s", error)
        return found

    def entry(self, name: str, version: str) -> Entry:
        """See Store."""
        with self._database.read() as connection:
            return self._get(connection, name, version)

    def register(self, entry: Entry) -> Entry:
        """See Store."""
        with self._database.write() as connection:
            row = connection.execute(select(entries).where(*_is(entry.name, entry.version))).first()
            if row is not None:
                refuse_other_digests(_entry(row), entry)
                if row.folder == entry.folder:
                    return self._get(connection, entry.name, entry.version)
                word = "registry.relocate"
                connection.execute(update(entries).where(*_is(entry.name, entry.version)).values(folder=entry.folder))
            else:
                word = "registry.register"
                connection.execute(insert(entries).values(**_columns(fresh(entry))))
            self._database.bump(connection, TOPIC)
            kept = self._get(connection, entry.name, entry.version)
        self._note(event(word, kept, "platform"))
        return kept

    def approve(self, name: str, version: str, statement: str, actor: str) -> Entry:
        """See Store. The files are hashed before the write transaction starts: nobody waits for that."""
        self._read(Path(self.entry(name, version).folder))
        with self._database.write() as connection:
            entry = self._get(connection, name, version, lock=True)
            approval = accepted(entry, statement, self._trust, self._read)
            now = datetime.fromtimestamp(self._clock(), UTC)
            row = {"id": approval.id, "name": name, "version": version, "statement": statement, "created_at": now}
            connection.execute(insert(approvals).values(**row))
            kept = self._change(connection, entry, stage=Stage.APPROVED.value, reason=None)
        self._note(event("approval.grant", kept, actor, approval_id=approval.id, approval_kind=approval.kind))
        return kept

    def move(self, name: str, version: str, to: Stage, actor: str, reason: str | None = None) -> Entry:
        """See Store."""
        with self._database.write() as connection:
            entry = self._get(connection, name, version, lock=True)
            refuse_illegal(entry, to)
            kept = self._change(connection, entry, stage=to.value, reason=reason)
        facts = {"from": entry.stage.value, "to": to.value, "reason": reason}
        self._note(event("registry.move", kept, actor, **facts))
        return kept

    def set_default(self, task: str, name: str, version: str, actor: str) -> Entry:
        """See Store."""
        with self._database.write() as connection:
            entry = self._get(connection, name, version)
            refuse_foreign_task(entry, task)
            holder = {"name": name, "version": version}
            new: Any = (sqlite if self._database.path is not None else postgresql).insert(defaults)
            upsert = new.values(task=task, **holder).on_conflict_do_update(index_elements=["task"], set_=holder)
            connection.execute(upsert)
            self._database.bump(connection, TOPIC)
            kept = self._get(connection, name, version)
        self._note(event("registry.default", kept, actor, task=task))
        return kept

    def _change(self, connection: Connection, entry: Entry, **values: Any) -> Entry:
        connection.execute(update(entries).where(*_is(entry.name, entry.version)).values(**values))
        self._database.bump(connection, TOPIC)
        return self._get(connection, entry.name, entry.version)

    def _get(self, connection: Connection, name: str, version: str, *, lock: bool = False) -> Entry:
        query = select(entries).where(*_is(name, version))
        row = connection.execute(query.with_for_update() if lock else query).first()
        if row is None:
            raise not_registered()
        return self._vouched(row, _statements(connection, name, version), _defaults(connection))

    def _vouched(
        self, row: Row[Any], statements: dict[tuple[str, str], tuple[str, str]], holders: dict[str, tuple[str, str]]
    ) -> Entry:
        key = (row.name, row.version)
        tasks = tuple(sorted(task for task, holder in holders.items() if holder == key))
        return vouch(replace(_entry(row), is_default=tasks), statements.get(key), self._trust, self._read)


def _is(name: str, version: str) -> tuple[Any, Any]:
    return entries.c.name == name, entries.c.version == version


def _statements(
    connection: Connection, name: str | None = None, version: str | None = None
) -> dict[tuple[str, str], tuple[str, str]]:
    """The latest approval of each entry: (id, statement)."""
    query = select(approvals).order_by(approvals.c.created_at, approvals.c.id)
    if name is not None:
        query = query.where(approvals.c.name == name, approvals.c.version == version)
    return {(row.name, row.version): (row.id, row.statement) for row in connection.execute(query)}


def _defaults(connection: Connection) -> dict[str, tuple[str, str]]:
    return {row.task: (row.name, row.version) for row in connection.execute(select(defaults))}


def _columns(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name, "version": entry.version, "kind": entry.kind, "tasks": list(entry.tasks),
        "tenant": entry.tenant, "public": entry.public, "tier": entry.tier, "stage": entry.stage.value,
        "digests": asdict(entry.digests), "folder": entry.folder, "reason": entry.reason,
        "created_at": entry.created_at,
    }  # fmt: skip


def _entry(row: Row[Any]) -> Entry:
    """An entry from its row. Raises IntegrityError when the row was changed into something that is none."""
    try:
        return Entry(
            row.name, row.version, row.kind, tuple(row.tasks), row.tenant, bool(row.public), row.tier,
            Stage(row.stage), Digests(**row.digests), row.folder, None, row.reason, row.created_at,
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        raise IntegrityError(
            f"Bản ghi đăng ký của {row.name}@{row.version} bị thay đổi.",
            f"The registry's row of {row.name}@{row.version} was altered.",
        ) from error
