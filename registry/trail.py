"""Reading the ledger in pages.

Decision: a record is shown as the exact text that was hashed, so that whoever reads it can compute its leaf. Whose
records a reader sees is part of the query: nothing is filtered after it was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select

from registry.tables import ledger


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands: its chain and its number there."""

    chain_uid: str
    seq: int

    @property
    def id(self) -> str:
        """`<chain>:<number>`, as in the API."""
        return f"{self.chain_uid}:{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Place | None:
        """A place from its id; None when it is none."""
        chain, _, number = text.rpartition(":")
        if not chain or not number.isascii() or not number.isdigit() or len(number) > 18:
            return None
        return cls(chain, int(number))


@dataclass(frozen=True, slots=True)
class Written:
    """A record as it was written."""

    place: Place
    micros: int
    event: str
    tenant: str | None
    leaf: bytes
    text: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records: None means any. `event` ends with `.` for a whole family; times are microseconds since 1970."""

    tenant: str | None = None
    event: str | None = None
    request_id: str | None = None
    chain: str | None = None
    since: int | None = None
    until: int | None = None


def pages(connection: Connection, wanted: Filter, after: Place | None, limit: int, newest_first: bool) -> list[Written]:
    """Up to `limit` records in order of time, after the record `after` (LookupError when the filter hides that one)."""
    order = (ledger.c.ts, ledger.c.chain_uid, ledger.c.seq)
    query = _columns().where(*conditions(wanted)).limit(limit)
    if after is not None:
        last = one(connection, after, wanted.tenant)
        if last is None:
            raise LookupError(after.id)
        key = (last.micros, after.chain_uid, after.seq)
        query = query.where(_beyond(order, key, newest_first))
    query = query.order_by(*(column.desc() if newest_first else column for column in order))
    return [_written(row) for row in connection.execute(query)]


def one(connection: Connection, place: Place, tenant: str | None) -> Written | None:
    """One record; None when there is none, or when it belongs to another tenant."""
    query = _columns().where(ledger.c.chain_uid == place.chain_uid, ledger.c.seq == place.seq)
    if tenant is not None:
        query = query.where(ledger.c.tenant == tenant)
    row = connection.execute(query).one_or_none()
    return None if row is None else _written(row)


def _columns() -> Select[Any]:
    return select(
        ledger.c.chain_uid, ledger.c.seq, ledger.c.ts, ledger.c.event, ledger.c.tenant, ledger.c.leaf, ledger.c.record
    )


def _written(row: Any) -> Written:
    return Written(Place(row.chain_uid, row.seq), row.ts, row.event, row.tenant, row.leaf, row.record)


def conditions(wanted: Filter) -> Iterator[ColumnElement[bool]]:
    """A filter as SQL."""
    for column, value in (
        (ledger.c.tenant, wanted.tenant), (ledger.c.request_id, wanted.request_id), (ledger.c.chain_uid, wanted.chain),
    ):  # fmt: skip
        if value is not None:
            yield column == value
    if wanted.event is not None:
        family = wanted.event.endswith(".")
        yield ledger.c.event.startswith(wanted.event, autoescape=True) if family else ledger.c.event == wanted.event
    if wanted.since is not None:
        yield ledger.c.ts >= wanted.since
    if wanted.until is not None:
        yield ledger.c.ts < wanted.until


def _beyond(columns: Sequence[Any], key: Sequence[Any], backwards: bool) -> ColumnElement[bool]:
    """The row-value comparison `columns > key` (or <), spelled out for both dialects."""
    ways = []
    for place, (column, value) in enumerate(zip(columns, key, strict=True)):
        equal = [c == v for c, v in zip(columns[:place], key[:place], strict=True)]
        ways.append(and_(*equal, column < value if backwards else column > value))
    return or_(*ways)
