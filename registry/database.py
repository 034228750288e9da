"""Connections and transactions: SQLite in one file (embedded) or PostgreSQL (production), same code for both.

Decisions
- `Database.open` attaches to a database that exists at the schema this code knows. Creating, checking, backing up
  and migrating is the owner's work at start (`registry.founding.found`); a replica never creates anything, so an
  empty database can never appear where a damaged or missing one stood.
- SQLite: WAL, `synchronous=FULL` (a commit that returned survives a power cut), busy timeout, foreign keys on,
  writers start with BEGIN IMMEDIATE (a read that later writes would fail at once when another process wrote).
- PostgreSQL: READ COMMITTED; a connection is tested before use, so a restarted server costs one retry, not a 500.
- `revisions` holds one counter per topic. A change bumps its counter in the same transaction; every process polls
  the counters (one tiny query) and reloads what moved. This is how a revocation reaches all processes within 2 s.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, event, make_url, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, TimeoutError

from models.errors import UnavailableError
from registry.faults import damaged, translate
from registry.tables import SCHEMA, facts, revisions

WRITE = "aichung_write"
VERSION_TABLE = "alembic_version"


class Database:
    """One database for all of the platform's state except artefacts, files and checkpoints. Safe for threads."""

    def __init__(self, engine: Engine, path: Path | None) -> None:
        """Wrap an engine made by `engine_for`; `path` is the SQLite file, None for PostgreSQL."""
        self.engine = engine
        self.path = path
        self._writer = engine.execution_options(**{WRITE: True})

    @classmethod
    def open(cls, url: str, *, busy_seconds: float = 5.0) -> Self:
        """Attach to an existing database of the current schema.

        `url` is `sqlite:////absolute/file` or `postgresql://…`. Raises IntegrityError when the file is missing or
        damaged, UnavailableError when the server is away or the schema is not (yet) the one this code knows.
        """
        path = sqlite_path(url)
        if path is not None and (not path.is_file() or path.stat().st_size == 0):
            raise damaged(path, "tệp không tồn tại hoặc rỗng", "the file is missing or empty")
        database = cls(engine_for(url, busy_seconds=busy_seconds), path)
        if database.schema() != SCHEMA:
            database.close()
            raise UnavailableError(
                "Cơ sở dữ liệu chưa được nâng cấp cho phiên bản này.",
                "The database has not been migrated for this version.",
                5,
                code="schema-mismatch",
            )
        return database

    @property
    def where(self) -> Path | str:
        """The file, or the server's address without its password: for messages."""
        return self.path if self.path is not None else self.engine.url.render_as_string(hide_password=True)

    @property
    def url(self) -> str:
        """The address with its password, to open the same database in another process. Never log it."""
        return self.engine.url.render_as_string(hide_password=False)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: one consistent view. Storage faults are raised as PlatformErrors."""
        with self._transaction(self.engine) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction, committed when the block ends and rolled back when it raises.

        Raises UnavailableError (locked, disk full, server away), ConflictError (duplicate key), IntegrityError
        (damaged, or an attempt to change the ledger).
        """
        with self._transaction(self._writer) as connection:
            yield connection

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        try:
            with engine.begin() as connection:
                yield connection
        except (DBAPIError, TimeoutError, sqlite3.Error) as error:
            known = translate(error, self.where)
            if known is None:
                raise
            raise known from error

    def revision(self, topic: str) -> int:
        """The topic's counter; 0 when it was never bumped."""
        return self.revisions().get(topic, 0)

    def revisions(self) -> dict[str, int]:
        """All counters in one query, for polling."""
        with self.read() as connection:
            rows = connection.execute(select(revisions.c.topic, revisions.c.value))
            return {row.topic: row.value for row in rows}

    def bump(self, connection: Connection, topic: str) -> None:
        """Count a topic up inside a running write transaction, so the change and its notice commit together."""
        insert = sqlite.insert if self.path is not None else postgresql.insert
        row: Any = insert(revisions).values(topic=topic, value=1)
        connection.execute(
            row.on_conflict_do_update(index_elements=[revisions.c.topic], set_={"value": revisions.c.value + 1})
        )

    def fact(self, name: str) -> str | None:
        """Something the installation knows of itself (`installation`, `created_at`), or None."""
        with self.read() as connection:
            return connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar_one_or_none()

    def schema(self) -> str | None:
        """The schema revision the database is at; None when it holds no schema."""
        with self.read() as connection:
            if not self.engine.dialect.has_table(connection, VERSION_TABLE):
                return None
            return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one_or_none()  # noqa: S608

    def close(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()


def sqlite_path(url: str) -> Path | None:
    """The file behind a SQLite address, None for PostgreSQL. Raises ValueError for any other database."""
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return None
    if backend != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise ValueError("the database must be a SQLite file or PostgreSQL")
    return Path(parsed.database)


def engine_for(url: str, *, busy_seconds: float = 5.0) -> Engine:
    """An engine with the platform's rules for its dialect. Does not connect yet."""
    if sqlite_path(url) is not None:
        return _sqlite_engine(make_url(url), busy_seconds)
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        pool_timeout=busy_seconds,
        connect_args={"connect_timeout": 3, "options": f"-c lock_timeout={int(busy_seconds * 1000)}"},
        hide_parameters=True,
    )
    return engine


def _sqlite_engine(url: URL, busy_seconds: float) -> Engine:
    """SQLite with explicit BEGIN: the driver's own transaction handling is switched off."""
    engine = create_engine(url, pool_timeout=busy_seconds, connect_args={"timeout": busy_seconds}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get(WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
