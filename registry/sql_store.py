"""The registry's store in the platform's database (see `registry.store` for the laws it keeps)."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from models.errors import IntegrityError
from registry.approvals import Trust
from registry.database import Database
from registry.entries import Digests, Entry, Stage
from registry.evidence import Evidences
from registry.statements import Paper, read
from registry.store import (
    TOPIC,
    Author,
    Note,
    Read,
    accepted,
    event,
    fresh,
    move_facts,
    not_registered,
    refuse_foreign_task,
    refuse_illegal,
    refuse_other_digests,
    refuse_revision,
    silent,
    vouch,
)
from registry.tables import approvals, defaults, entries, moves, statements
from registry.tables import authors as author_table

Key = tuple[str, str]

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
        self._count = itertools.count()

    def revision(self) -> int:
        """See Store."""
        return self._database.revision(TOPIC)

    def entries(self) -> list[Entry]:
        """See Store."""
        with self._database.read() as connection:
            rows = connection.execute(select(entries).order_by(entries.c.name, entries.c.version)).all()
            beside = _beside(connection)
        found: list[Entry] = []
        for row in rows:
            try:
                found.append(self._vouched(row, beside))
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
                self._remember(connection, entry, None, Stage.DRAFT, "platform", None)
            self._database.bump(connection, TOPIC)
            kept = self._get(connection, entry.name, entry.version)
        self._note(event(word, kept, "platform"))
        return kept

    def revise(self, entry: Entry, actor: str) -> Entry:
        """See Store."""
        with self._database.write() as connection:
            refuse_revision(self._get(connection, entry.name, entry.version, lock=True))
            values = _columns(fresh(entry))
            del values["created_at"]
            kept = self._change(connection, entry, **values)
        self._note(event("card.edit", kept, actor))
        return kept

    def credit(self, name: str, version: str, authors: Collection[Author], actor: str) -> Entry:
        """See Store."""
        with self._database.write() as connection:
            entry = self._get(connection, name, version, lock=True)
            new = set(authors) - set(_authors(connection, name, version))
            if not new:
                return entry
            connection.execute(insert(author_table), [self._author_row(entry, author) for author in new])
            self._database.bump(connection, TOPIC)
            kept = self._get(connection, name, version)
        self._note(event("registry.credit", kept, actor))
        return kept

    def authors(self, name: str, version: str) -> list[Author]:
        """See Store."""
        with self._database.read() as connection:
            self._get(connection, name, version)
            return _authors(connection, name, version)

    def keep(self, name: str, version: str, paper: Paper) -> None:
        """See Store."""
        with self._database.write() as connection:
            self._get(connection, name, version)
            connection.execute(insert(statements).values(**paper_columns(name, version, paper, None, self._now())))

    def approve(self, name: str, version: str, statement: str, actor: str) -> Entry:
        """See Store. The files are hashed before the write transaction starts: nobody waits for that."""
        self._read(Path(self.entry(name, version).folder))
        with self._database.write() as connection:
            entry = self._get(connection, name, version, lock=True)
            papers = _papers(connection, name, version).get((name, version), ())
            approval = accepted(entry, statement, self._trust, self._read, papers)
            row = {"id": approval.id, "name": name, "version": version, "statement": statement}
            connection.execute(insert(approvals).values(**row, created_at=self._now()))
            self._remember(connection, entry, entry.stage, Stage.APPROVED, actor, None)
            kept = self._change(connection, entry, stage=Stage.APPROVED.value, reason=None)
        self._note(event("approval.grant", kept, actor, approval_id=approval.id, approval_kind=approval.kind))
        return kept

    def move(
        self, name: str, version: str, to: Stage, actor: str, reason: str | None = None, *, percent: int | None = None
    ) -> Entry:
        """See Store."""
        with self._database.write() as connection:
            entry = self._get(connection, name, version, lock=True)
            refuse_illegal(entry, to)
            share = {} if percent is None else {"percent": percent}
            self._remember(connection, entry, entry.stage, to, actor, reason)
            kept = self._change(connection, entry, stage=to.value, reason=reason, **share)
        self._note(event("registry.move", kept, actor, **move_facts(entry, to, reason, percent)))
        return kept

    def share(self, name: str, version: str, percent: int, actor: str) -> Entry:
        """See Store."""
        with self._database.write() as connection:
            kept = self._change(connection, self._get(connection, name, version, lock=True), percent=percent)
        self._note(event("deploy.share", kept, actor, percent=percent))
        return kept

    def announce(self, name: str, version: str, at: datetime, sunset: datetime, actor: str) -> Entry:
        """See Store."""
        with self._database.write() as connection:
            entry = self._get(connection, name, version, lock=True)
            kept = self._change(connection, entry, sunset=sunset, deprecated_at=entry.deprecated_at or at)
        self._note(event("deploy.announce", kept, actor, sunset=int(sunset.timestamp())))
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
        return self._vouched(row, _beside(connection, name, version))

    def _vouched(self, row: Row[Any], beside: _Beside) -> Entry:
        key = (row.name, row.version)
        entry = replace(
            _entry(row),
            is_default=tuple(sorted(task for task, holder in beside.holders.items() if holder == key)),
            authors=beside.authors.get(key, frozenset()),
        )
        return vouch(entry, beside.statements.get(key), self._trust, self._read, beside.papers.get(key, ()))

    def _remember(
        self, connection: Connection, entry: Entry, source: Stage | None, to: Stage, actor: str, reason: str | None
    ) -> None:
        order = f"{int(self._clock() * 1e6):016x}{next(self._count):08x}"
        row = {
            "id": f"mov_{order}{secrets.token_hex(4)}", "name": entry.name,
            "version": entry.version, "from_stage": None if source is None else source.value, "to_stage": to.value,
            "subject": actor, "reason": reason, "at": self._now(),
        }  # fmt: skip
        connection.execute(insert(moves).values(**row))

    def _author_row(self, entry: Entry, author: Author) -> dict[str, Any]:
        return {
            "name": entry.name, "version": entry.version, "subject": author.subject, "capacity": author.capacity,
            "at": self._now(),
        }  # fmt: skip

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


@dataclass(frozen=True, slots=True)
class _Beside:
    """What stands in other tables about the entries: approvals, papers, authors, and the defaults of the tasks."""

    statements: dict[Key, tuple[str, str]]
    papers: dict[Key, tuple[Paper, ...]]
    authors: dict[Key, frozenset[str]]
    holders: dict[str, Key]


def _beside(connection: Connection, name: str | None = None, version: str | None = None) -> _Beside:
    makers: dict[Key, set[str]] = defaultdict(set)
    for row in connection.execute(_of(author_table, name, version)):
        makers[(row.name, row.version)].add(row.subject)
    holders = {row.task: (row.name, row.version) for row in connection.execute(select(defaults))}
    return _Beside(
        _statements(connection, name, version),
        _papers(connection, name, version),
        {key: frozenset(subjects) for key, subjects in makers.items()},
        holders,
    )


def _of(table: Table, name: str | None, version: str | None) -> Select[Any]:
    """The rows of a table about one version, or about all."""
    query = select(table)
    return query if name is None else query.where(table.c.name == name, table.c.version == version)


def _papers(
    connection: Connection, name: str | None = None, version: str | None = None
) -> dict[Key, tuple[Paper, ...]]:
    found: dict[Key, list[Paper]] = defaultdict(list)
    for row in connection.execute(_of(statements, name, version)):
        found[(row.name, row.version)].append(Paper(row.statement, row.public_key))
    return {key: tuple(papers) for key, papers in found.items()}


def _authors(connection: Connection, name: str, version: str) -> list[Author]:
    query = _of(author_table, name, version).order_by(author_table.c.subject, author_table.c.capacity)
    return [Author(row.subject, row.capacity) for row in connection.execute(query)]


def paper_columns(name: str, version: str, paper: Paper, review: str | None, at: datetime) -> dict[str, Any]:
    """The row of a person's statement. Raises IntegrityError when it does not verify."""
    said = read(paper)
    return {
        "id": f"stm_{secrets.token_hex(12)}", "name": name, "version": version, "round": said.round, "review": review,
        "subject": said.person, "role": said.role, "sha256": paper.sha256, "key_id": said.key_id,
        "custody": said.custody, "public_key": paper.public_key, "statement": paper.text, "at": at,
    }  # fmt: skip


def _is(name: str, version: str) -> tuple[Any, Any]:
    return entries.c.name == name, entries.c.version == version


def _statements(
    connection: Connection, name: str | None = None, version: str | None = None
) -> dict[tuple[str, str], tuple[str, str]]:
    """The latest approval of each entry: (id, statement)."""
    query = _of(approvals, name, version).order_by(approvals.c.created_at, approvals.c.id)
    return {(row.name, row.version): (row.id, row.statement) for row in connection.execute(query)}


def _columns(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name, "version": entry.version, "kind": entry.kind, "tasks": list(entry.tasks),
        "tenant": entry.tenant, "public": entry.public, "tier": entry.tier, "stage": entry.stage.value,
        "digests": asdict(entry.digests), "folder": entry.folder, "reason": entry.reason,
        "created_at": entry.created_at, "percent": entry.percent,
    }  # fmt: skip


def _entry(row: Row[Any]) -> Entry:
    """An entry from its row. Raises IntegrityError when the row was changed into something that is none."""
    try:
        return Entry(
            row.name, row.version, row.kind, tuple(row.tasks), row.tenant, bool(row.public), row.tier,
            Stage(row.stage), Digests(**row.digests), row.folder, None, row.reason, row.created_at,
            percent=row.percent, deprecated_at=row.deprecated_at, sunset=row.sunset,
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        raise IntegrityError(
            f"Bản ghi đăng ký của {row.name}@{row.version} bị thay đổi.",
            f"The registry's row of {row.name}@{row.version} was altered.",
        ) from error
