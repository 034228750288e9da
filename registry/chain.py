"""How ledger records are linked: the pure part of the ledger. The format is specified in `registry.ledger`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from models.errors import IntegrityError
from registry.merkle import leaf_hash
from registry.tables import from_micros, ledger

GENESIS = bytes(32)
CLOCK_TOLERANCE_MICROS = 1_000_000
COLUMNS = ("chain_uid", "seq", "ts", "event", "tenant", "request_id", "leaf", "record")
encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(slots=True)
class Item:
    """One record waiting to be linked: its encoded members, and what the table indexes."""

    micros: int
    body: bytes
    event: str
    tenant: str | None = None
    request_id: str | None = None
    key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a chain: how many records it has, the last one's leaf, and the latest time it asserted."""

    uid: str
    seq: int = 0
    leaf: bytes = GENESIS
    micros: int = 0


@dataclass(frozen=True, slots=True)
class Linked:
    """Rows for the table `ledger` in the order of COLUMNS, keys for the vault (seq, time, key), the new tail."""

    rows: list[tuple[Any, ...]]
    keys: list[tuple[int, int, bytes]]
    tail: Tail


def new_chain_uid(name: str, clock: Callable[[], float] = time.time) -> str:
    """A chain id that no other process has: the process's role, the time, and chance."""
    return f"{name}-{int(clock() * 1e6):x}-{secrets.token_hex(4)}"


def stamp_of(micros: int) -> str:
    """A record's `ts`: 27 characters, `2026-11-24T15:04:05.123456Z`."""
    return from_micros(micros).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def header(uid: str, seq: int, stamp: str, prev: bytes) -> str:
    """How a record starts: the five members that the ledger writes, up to the first of the event's own."""
    return f'{{"v":1,"chain_uid":"{uid}","seq":{seq},"ts":"{stamp}","prev":"{prev.hex()}",'


def special(micros: int, event: Mapping[str, Any]) -> Item:
    """A record that the ledger itself writes."""
    return Item(micros, encode(event), event["event"])


def link(tail: Tail, items: Sequence[Item]) -> Linked:
    """Chain the items after `tail`, with a `log.clock` record before each that went back more than a second."""
    rows: list[tuple[Any, ...]] = []
    keys: list[tuple[int, int, bytes]] = []
    uid, seq, leaf = tail.uid, tail.seq, tail.leaf
    told, latest = _with_clock_notes(tail.micros, items)
    second, stamp = -1, ""
    for item in told:
        micros, seq = item.micros, seq + 1
        if micros // 1_000_000 != second:
            second = micros // 1_000_000
            stamp = stamp_of(micros)[:20]
        head = header(uid, seq, f"{stamp}{micros % 1_000_000:06d}Z", leaf)
        record = head.encode() + item.body[1:]
        leaf = sha256(b"\x00" + record).digest()
        rows.append((uid, seq, micros, item.event, item.tenant, item.request_id, leaf, record.decode()))
        if item.key is not None:
            keys.append((seq, micros, item.key))
    return Linked(rows, keys, Tail(uid, seq, leaf, latest))


def _with_clock_notes(latest: int, items: Sequence[Item]) -> tuple[list[Item], int]:
    """The items with their clock notes, and the latest time asserted after them."""
    told: list[Item] = []
    for item in items:
        if item.micros < latest - CLOCK_TOLERANCE_MICROS:
            told.append(special(item.micros, {"event": "log.clock", "back_microseconds": latest - item.micros}))
            latest = item.micros
        latest = max(latest, item.micros)
        told.append(item)
    return told, latest


def read_tail(connection: Connection, uid: str) -> Tail:
    """The stored end of a chain; an empty Tail for a chain without records.

    Raises IntegrityError when the last record does not match its leaf: a chain is never continued from an edit.
    """
    columns = (ledger.c.seq, ledger.c.ts, ledger.c.leaf, ledger.c.record)
    query = select(*columns).where(ledger.c.chain_uid == uid).order_by(ledger.c.seq.desc()).limit(1)
    row = connection.execute(query).first()
    if row is None:
        return Tail(uid)
    if leaf_hash(row.record.encode()) != row.leaf:
        raise IntegrityError(
            f"Bản ghi cuối của chuỗi nhật ký {uid} (số {row.seq}) đã bị sửa.",
            f"The last record of ledger chain {uid} (number {row.seq}) was altered.",
            code="ledger-altered",
        )
    return Tail(uid, row.seq, row.leaf, row.ts)
