"""The append-only record of every operation: one hash chain per process, written by group commit.

Format (public: whoever holds the database and the checkpoints can write a verifier without this code)

    A record is one JSON object in UTF-8, stored exactly as hashed (column `record`). It starts with five members
    in this order, then the event's own members with their names sorted by code point, no white space:

        {"v":1,"chain_uid":"…","seq":1,"ts":"2026-11-24T15:04:05.123456Z","prev":"<64 hex>", …event members…}

    seq   1, 2, 3, … without a gap inside a chain; seq is the order, `ts` is only what the writer's clock asserted
    leaf  SHA-256(0x00 || record bytes), column `leaf`
    prev  the previous record's leaf in hexadecimal; 64 zeros in a chain's first record
    root  RFC 6962 Merkle root over the leaves in order of seq (registry.merkle); signed checkpoints of (size, root)
          lie outside the database (registry.checkpoints)

    `in.commit` = HMAC-SHA256(k, content) in hexadecimal: `content` is the canonical digest of the input, k 32 random
    bytes of this record alone, kept in the table `vault` until it expires or is erased. With k and the input anybody
    can prove what the model saw; without k the commitment says nothing, and the chain stays valid either way.

Decisions
- `note` never blocks and never touches the disk: it encodes, appends to a bounded queue and returns a Receipt. One
  thread commits everything that waits in one transaction at most 50 ms later. Whoever must not answer before the
  record is durable (tiers T2 and T3) waits on the receipt, which also wakes the thread at once.
- When the queue is full the record is dropped, counted, and the next record that can be written says how many
  (`log.drop`). Drops are measured, never assumed to be none.
- After a failed commit the chain's tail is read again before the retry, so that a commit whose answer was lost is
  not written twice. If somebody else holds the chain, a new chain is opened: nothing is ever overwritten.
- A clock that goes back more than a second is noted (`log.clock`); order never depends on it.
- No personal text: actors are opaque ids whose names stand elsewhere and can be erased; inputs are commitments.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from hmac import new as keyed
from itertools import chain
from os import urandom
from typing import Any

from sqlalchemy import Connection

from models.errors import PlatformError, UnavailableError
from registry.chain import COLUMNS, Item, Linked, Tail, encode, link, new_chain_uid, read_tail, special
from registry.database import Database

LINGER_SECONDS = 0.04
QUEUE_RECORDS = 20_000
BATCH_RECORDS = 2_000
VAULT_DAYS = 90
KEYS_DRAWN = 64
VAULT_COLUMNS = ("chain_uid", "seq", "key", "expires_at")
DAY_MICROS = 86_400_000_000
RETRY_SECONDS = (0.05, 0.2, 0.5, 1.0, 2.0)

_log = logging.getLogger("aichung.ledger")


@dataclass(frozen=True, slots=True)
class Counts:
    """What the ledger measured of itself since it started: records accepted, durable, dropped, and waiting now."""

    noted: int
    written: int
    dropped: int
    waiting: int


class _Batch:
    """Records that will be committed together, and the future that all their receipts share."""

    __slots__ = ("done", "items")

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.done: Future[bool] = Future()


class _Insertion:
    """INSERT statements of one table for powers of two of rows, so that the driver keeps them prepared.

    Why not `executemany`: sqlite3 gives the interpreter lock away and takes it again for every row, and each time the
    thread that answers requests is interrupted. Many rows in one statement cost one such exchange.
    """

    SIZES = (64, 32, 16, 8, 4, 2, 1)

    def __init__(self, table: str, columns: tuple[str, ...], mark: str) -> None:
        row = f"({', '.join([mark] * len(columns))})"
        head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608 - the names are this module's own
        self._statements = {size: head + ", ".join([row] * size) for size in self.SIZES}

    def insert(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """All rows, in order."""
        start = 0
        for size, statement in self._statements.items():
            while len(rows) - start >= size:
                values = tuple(chain.from_iterable(rows[start : start + size]))
                connection.exec_driver_sql(statement, values)
                start += size


class Receipt:
    """What `note` returns. `accepted` is False when the record was dropped because the queue was full."""

    __slots__ = ("_batch", "_hurry", "accepted")

    def __init__(self, batch: _Batch, hurry: threading.Event, accepted: bool) -> None:
        """Made by the ledger only."""
        self._batch = batch
        self._hurry = hurry
        self.accepted = accepted

    def wait(self, seconds: float) -> bool:
        """Whether the record is durable within `seconds`; asks for a commit now. Blocks: never on an event loop."""
        if not self.accepted:
            return False
        self._hurry.set()
        try:
            return self._batch.done.result(seconds)
        except FutureTimeout:
            return False


class Ledger:
    """One process's chain. Safe for threads; `start` before the first `note`, `close` at the end."""

    def __init__(
        self,
        database: Database,
        chain_uid: str,
        *,
        clock: Callable[[], float] = time.time,
        linger_seconds: float = LINGER_SECONDS,
        queue_records: int = QUEUE_RECORDS,
        vault_days: int = VAULT_DAYS,
    ) -> None:
        """Nothing is read or written before `start`. `chain_uid` usually comes from `chain.new_chain_uid(role)`."""
        self._database = database
        self._clock = clock
        self._linger_seconds = linger_seconds
        self._queue_records = queue_records
        self._vault_micros = vault_days * DAY_MICROS
        mark = "?" if database.path is not None else "%s"
        self._into_ledger = _Insertion("ledger", COLUMNS, mark)
        self._into_vault = _Insertion("vault", VAULT_COLUMNS, mark)
        self._keys: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._batch = _Batch()
        self._waiting = self._noted = self._written = self._dropped = self._told_drops = 0
        self._tail = Tail(chain_uid)
        self._attempt: tuple[Linked, int] | None = None
        self._closed = False
        self._fault: PlatformError | None = None
        self._wake, self._hurry = threading.Event(), threading.Event()
        self._closing_at: float | None = None
        self._thread: threading.Thread | None = None

    @property
    def chain_uid(self) -> str:
        """The chain this process writes (another one after somebody else claimed the first)."""
        return self._tail.uid

    @property
    def fault(self) -> PlatformError | None:
        """Why records cannot be written at the moment; None when the last commit succeeded. For readiness."""
        return self._fault

    def start(self) -> None:
        """Open the chain (a continuation is verified from its tail) and start the writer.

        Raises IntegrityError when the chain's last record does not match its leaf, UnavailableError when the
        database cannot be read.
        """
        with self._database.read() as connection:
            self._tail = read_tail(connection, self._tail.uid)
        self.note({"event": "log.open", "format": "ledger/1", "continues_after": self._tail.seq})
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def note(self, record: Mapping[str, Any], content: bytes | None = None) -> Receipt:
        """Put one record in the queue; never blocks.

        `record` holds `event` and what GOVERNANCE 5.2 asks for, without the five members that the ledger writes.
        `content` is the canonical digest of the input: `in.commit` is added and its key kept in the vault.
        Raises TypeError when the record is not plain JSON data, KeyError when it has no `event`.
        """
        key = None
        if content is not None:
            key = self._fresh_key()
            commit = keyed(key, content, "sha256").hexdigest()
            record = {**record, "in": {**record.get("in", {}), "commit": commit}}
        get = record.get
        item = Item(
            int(self._clock() * 1e6), encode(record), record["event"], get("tenant"), get("request_id"), key
        )  # fmt: skip
        with self._lock:
            batch = self._batch
            if self._waiting >= self._queue_records or self._closed:
                self._dropped += 1
                return Receipt(batch, self._hurry, False)
            self._waiting += 1
            self._noted += 1
            batch.items.append(item)
            first = len(batch.items) == 1
        if first:
            self._wake.set()
        return Receipt(batch, self._hurry, True)

    def _fresh_key(self) -> bytes:
        """32 random bytes that nobody else gets; drawn for `KEYS_DRAWN` records in one system call."""
        try:
            return self._keys.pop()
        except IndexError:
            drawn = urandom(32 * KEYS_DRAWN)
            self._keys.extend(drawn[start : start + 32] for start in range(32, len(drawn), 32))
            return drawn[:32]

    def counts(self) -> Counts:
        """The measured counts, for metrics and KPIs."""
        with self._lock:
            return Counts(self._noted, self._written, self._dropped, self._waiting)

    def close(self, seconds: float = 5.0) -> bool:
        """Write what waits, end the chain, stop. False when something could not be made durable within `seconds`."""
        if self._thread is None:
            return True
        lost = self.counts().dropped
        self.note({"event": "log.close"})
        self._closing_at = time.monotonic() + seconds
        self._hurry.set()
        self._wake.set()
        self._thread.join(seconds + 2 * RETRY_SECONDS[-1])
        return not self._thread.is_alive() and self.counts().dropped == lost

    # --- the writer's thread: from here on only that thread runs -------------------------------------------

    def _run(self) -> None:
        while True:
            self._wake.wait()
            if self._closing_at is None:
                self._hurry.wait(self._linger_seconds)
            closing = self._closing_at is not None
            with self._lock:
                batch, self._batch = self._batch, _Batch()
                self._wake.clear()
                self._hurry.clear()
                self._closed = closing
            durable = True
            for start in range(0, len(batch.items), BATCH_RECORDS):
                durable &= self._persist(batch.items[start : start + BATCH_RECORDS])
            batch.done.set_result(durable)
            if closing:
                return

    def _persist(self, items: list[Item]) -> bool:
        """Commit the items however often it takes; False only when the ledger closes and they had to be given up."""
        attempt = 0
        while True:
            try:
                self._commit(items)
            except Exception as error:  # the thread outlives every fault; it is told through `fault`
                self._blame(error, attempt)
                if self._closing_at is not None and time.monotonic() > self._closing_at:
                    self._account(waiting=len(items), dropped=len(items))
                    return False
                time.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1
            else:
                self._fault = None
                self._account(waiting=len(items), written=len(items))
                return True

    def _commit(self, items: list[Item]) -> None:
        """One transaction: link the items after the stored tail, with a note of the records dropped before."""
        drops = self._dropped
        with self._database.write() as connection:
            if self._attempt is not None and self._settled(connection, *self._attempt):
                return
            if drops > self._told_drops:
                note = {"event": "log.drop", "records": drops - self._told_drops}
                items = [special(items[0].micros, note), *items]
            linked = link(self._tail, items)
            self._attempt = (linked, drops)
            self._insert(connection, linked)
        self._tail, self._attempt, self._told_drops = linked.tail, None, drops

    def _insert(self, connection: Connection, linked: Linked) -> None:
        """Both tables by the driver's own statement: building it anew costs a third of a small commit."""
        self._into_ledger.insert(connection, linked.rows)
        uid, life = linked.tail.uid, self._vault_micros
        self._into_vault.insert(connection, [(uid, seq, key, at + life) for seq, at, key in linked.keys])

    def _settled(self, connection: Connection, attempt: Linked, drops: int) -> bool:
        """Look where the chain really ends after a failed commit.

        True when that commit did arrive. Opens another chain when somebody else has written to this one.
        """
        stored = read_tail(connection, self._tail.uid)
        self._attempt = None
        if (stored.seq, stored.leaf) == (attempt.tail.seq, attempt.tail.leaf):
            self._tail, self._told_drops = attempt.tail, drops
            return True
        if (stored.seq, stored.leaf) != (self._tail.seq, self._tail.leaf):
            opened = {"event": "log.open", "format": "ledger/1", "continues_after": 0, "instead_of": self._tail.uid}
            self._tail = Tail(new_chain_uid(self._tail.uid.partition("-")[0], self._clock))
            linked = link(self._tail, [special(int(self._clock() * 1e6), opened)])
            self._insert(connection, linked)
            self._tail = linked.tail
        return False

    def _account(self, *, waiting: int, written: int = 0, dropped: int = 0) -> None:
        with self._lock:
            self._waiting -= waiting
            self._written += written
            self._dropped += dropped

    def _blame(self, error: Exception, attempt: int) -> None:
        """Keep the fault for readiness; log it once per outage, by its kind only."""
        away = UnavailableError("Không ghi được nhật ký.", "The ledger cannot be written.", 1, code="ledger-away")
        self._fault = error if isinstance(error, PlatformError) else away
        if attempt == 0:
            _log.error("ledger commit failed: %s", type(error).__name__)
