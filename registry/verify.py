"""Offline verification of the ledger: `verify_ledger(database, checkpoints, public key) -> Report`.

What is checked, for each chain, in the order of seq
    the numbering has no gap · every record's bytes hash to its leaf · every record starts with the members that its
    place demands (chain, seq, ts, the previous leaf) · the indexed columns say what the record says · the leaves carry
    the marks, heads and Merkle roots that the signed checkpoints outside the database recorded · no chain ends before
    its last checkpoint · the checkpoint files are signed, complete and in order

So an edit, a deletion, a swap, an insertion, a re-chained tail and a full rewrite are found and the first bad record is
named, and a truncation is found up to the last checkpoint. Records after it are chained, but their cut could not
be seen: the report says how many these are. Completeness is another matter: it shows in `log.drop` records.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import msgspec
from sqlalchemy import Connection, Engine, Row, create_engine, select
from sqlalchemy.exc import DBAPIError

from registry.chain import GENESIS, stamp_of
from registry.checkpoints import MARK_BYTES, History, Point, read_history
from registry.database import engine_for, sqlite_path
from registry.faults import damaged, translate
from registry.merkle import Frontier, leaf_hash
from registry.signatures import PublicKey
from registry.tables import ledger

PAGE = 5_000
Kind = Literal["edited", "missing", "relinked", "columns", "checkpoint", "truncated"]
SENTENCES: dict[Kind, tuple[str, str]] = {
    "edited": ("bản ghi bị sửa", "the record was edited"),
    "missing": ("bản ghi bị xóa", "the record was deleted"),
    "relinked": ("bản ghi không nối với bản ghi trước", "the record does not follow the one before it"),
    "columns": ("cột tra cứu khác với bản ghi", "the indexed columns differ from the record"),
    "checkpoint": ("bản ghi khác với điểm kiểm đã ký", "the record differs from the signed checkpoint"),
    "truncated": ("chuỗi bị cắt trước điểm kiểm đã ký", "the chain ends before its signed checkpoint"),
}


@dataclass(frozen=True, slots=True)
class Bad:
    """The first bad record of a chain; a checkpoint without marks can only say that it lies in seq … upto."""

    chain_uid: str
    seq: int
    upto: int
    kind: Kind

    @property
    def vi(self) -> str:
        """In Vietnamese."""
        return f"chuỗi {self.chain_uid}, bản ghi {self._place}: {SENTENCES[self.kind][0]}"

    @property
    def en(self) -> str:
        """In English."""
        return f"chain {self.chain_uid}, record {self._place}: {SENTENCES[self.kind][1]}"

    @property
    def _place(self) -> str:
        return str(self.seq) if self.upto == self.seq else f"{self.seq}…{self.upto}"


@dataclass(frozen=True, slots=True)
class ChainReport:
    """One chain: records found, how many of them a signed checkpoint covers, the first bad one."""

    chain_uid: str
    records: int
    covered: int
    bad: Bad | None


@dataclass(frozen=True, slots=True)
class Report:
    """What was verified and what was found. `checkpoint_problems` are pairs (vi, en)."""

    chains: tuple[ChainReport, ...]
    checkpoints: int
    covered_until: str | None
    checkpoint_problems: tuple[tuple[str, str], ...]

    @property
    def ok(self) -> bool:
        """Whether nothing bad was found."""
        return not self.checkpoint_problems and all(chain.bad is None for chain in self.chains)

    @property
    def records(self) -> int:
        """Records read."""
        return sum(chain.records for chain in self.chains)

    @property
    def covered(self) -> int:
        """Records that a signed checkpoint outside the database covers."""
        return sum(chain.covered for chain in self.chains)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        bad = [chain.bad for chain in self.chains if chain.bad is not None]
        return {
            "ok": self.ok, "records": self.records, "covered": self.covered,
            "not_covered": self.records - self.covered, "chains": len(self.chains), "checkpoints": self.checkpoints,
            "covered_until": self.covered_until,
            "bad": [{"chain_uid": one.chain_uid, "seq": one.seq, "upto": one.upto, "kind": one.kind, "vi": one.vi,
                     "en": one.en} for one in bad],
            "checkpoint_problems": [{"vi": vi, "en": en} for vi, en in self.checkpoint_problems],
        }  # fmt: skip

    def lines(self) -> list[str]:
        """For a terminal: verdict, coverage, everything bad; Vietnamese with English beside it."""
        verdict = "NGUYÊN VẸN | INTACT" if self.ok else "KHÔNG NGUYÊN VẸN | NOT INTACT"
        open_records = self.records - self.covered
        lines = [
            f"Nhật ký | Ledger: {verdict}",
            f"{self.records} bản ghi trong {len(self.chains)} chuỗi | records in chains",
            f"{self.covered} được {self.checkpoints} điểm kiểm đã ký bảo vệ, đến {self.covered_until or '-'} | "
            "covered by signed checkpoints outside the database",
            f"{open_records} sau điểm kiểm cuối: đã nối chuỗi, nhưng nếu bị cắt thì không thấy được | "
            "after the last checkpoint: chained, but a cut of these could not be seen",
        ]
        lines += [f"✗ {vi} | {en}" for vi, en in self.checkpoint_problems]
        return lines + [f"✗ {chain.bad.vi} | {chain.bad.en}" for chain in self.chains if chain.bad is not None]


def verify_ledger(database: str | Path, checkpoints: Path, public_key: PublicKey | Path) -> Report:
    """Verify the ledger in a SQLite file (a path) or at a database address (with `://`); reads only.

    Raises IntegrityError when the database is missing, damaged or the key unusable, UnavailableError when a server is
    away.
    """
    key = public_key if isinstance(public_key, PublicKey) else PublicKey.load(public_key)
    history = read_history(checkpoints, {key.key_id: key})
    path = sqlite_path(database) if isinstance(database, str) and "://" in database else Path(database)
    engine = _reader(path) if path is not None else engine_for(str(database))
    where = path if path is not None else "PostgreSQL"
    try:
        with engine.connect() as connection:
            if path is not None:
                connection.exec_driver_sql("BEGIN")
            chains = _chains(connection, history)
    except (DBAPIError, sqlite3.Error) as error:
        unreadable = damaged(where, "không đọc được nhật ký", "the ledger cannot be read")
        raise translate(error, where) or unreadable from error
    finally:
        engine.dispose()
    last = history.checkpoints[-1].at if history.checkpoints else None
    return Report(tuple(chains), len(history.checkpoints), last, history.problems)


def _reader(path: Path) -> Engine:
    """SQLite opened read-only, so that the verifier cannot change its evidence."""
    if not path.is_file():
        raise damaged(path, "tệp không tồn tại", "the file does not exist")

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True, check_same_thread=False)
        connection.isolation_level = None
        return connection

    return create_engine("sqlite://", creator=connect)


def _chains(connection: Connection, history: History) -> list[ChainReport]:
    points = history.points()
    stored = set(connection.execute(select(ledger.c.chain_uid).distinct()).scalars())
    return [_verify(connection, uid, points.get(uid, [])) for uid in sorted(stored | set(points))]


def _verify(connection: Connection, uid: str, points: Sequence[Point]) -> ChainReport:
    """Walk one chain to its first bad record."""
    witness = _Witness(uid, points)
    frontier, prev, bad = Frontier(), GENESIS, None
    for row, following in _rows(connection, uid):
        bad = _judge(uid, frontier.size + 1, row, following, prev) or witness.judge(row.seq, row.leaf)
        if bad is None:
            frontier.add(row.leaf)
            prev = row.leaf
            bad = witness.compare(frontier, prev)
        if bad is not None:
            break
    covered = max((point.size for point in points), default=0)
    if bad is None and frontier.size < covered:
        bad = Bad(uid, frontier.size + 1, frontier.size + 1, "truncated")
    return ChainReport(uid, frontier.size, min(covered, frontier.size), bad)


def _rows(connection: Connection, uid: str) -> Iterator[tuple[Row[Any], Row[Any] | None]]:
    """The chain's rows in order, each with the one after it; read page by page."""
    held: Row[Any] | None = None
    while True:
        query = select(ledger).where(ledger.c.chain_uid == uid).order_by(ledger.c.seq).limit(PAGE)
        page = connection.execute(query if held is None else query.where(ledger.c.seq > held.seq)).all()
        if not page:
            break
        for row in page:
            if held is not None:
                yield held, row
            held = row
    if held is not None:
        yield held, None


class _Members(msgspec.Struct):
    """What the verifier reads of a record."""

    v: int
    chain_uid: str
    seq: int
    ts: str
    prev: str
    event: str
    tenant: str | None = None
    request_id: str | None = None


_members = msgspec.json.Decoder(_Members).decode


def _judge(uid: str, expected: int, row: Row[Any], following: Row[Any] | None, prev: bytes) -> Bad | None:
    """What is wrong with a record in its place."""
    if row.seq != expected:
        return Bad(uid, expected, expected, "missing")
    if leaf_hash(row.record.encode()) != row.leaf:
        return Bad(uid, row.seq, row.seq, "edited")
    try:
        said = _members(row.record)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return Bad(uid, row.seq, row.seq, "edited")
    if (said.v, said.chain_uid, said.seq) != (1, uid, row.seq):
        return Bad(uid, row.seq, row.seq, "relinked")
    if said.prev != prev.hex():
        return _unlinked(uid, row, following)
    columns = (stamp_of(row.ts), row.event, row.tenant, row.request_id)
    if (said.ts, said.event, said.tenant, said.request_id) != columns:
        return Bad(uid, row.seq, row.seq, "columns")
    return None


def _unlinked(uid: str, row: Row[Any], following: Row[Any] | None) -> Bad:
    """Two neighbours do not fit: if the next record still names this one, the one before it was changed."""
    stands = following is None or f'"prev":"{row.leaf.hex()}",' in following.record[:512]
    if row.seq > 1 and stands:
        return Bad(uid, row.seq - 1, row.seq - 1, "edited")
    return Bad(uid, row.seq, row.seq, "relinked")


class _Witness:
    """What the checkpoints recorded of one chain, walked along with it."""

    def __init__(self, uid: str, points: Sequence[Point]) -> None:
        self._uid = uid
        self._marks = [(point.size - len(point.marks) // MARK_BYTES, point) for point in points if point.marks]
        self._roots = {point.size: point for point in points}
        self._sound = 0

    def judge(self, seq: int, leaf: bytes) -> Bad | None:
        """Hold a leaf against its mark."""
        while self._marks and self._marks[0][1].size < seq:
            self._marks.pop(0)
        if not self._marks or seq <= self._marks[0][0]:
            return None
        start, point = self._marks[0]
        at = (seq - start - 1) * MARK_BYTES
        if point.marks[at : at + MARK_BYTES] != leaf[:MARK_BYTES]:
            return Bad(self._uid, seq, seq, "checkpoint")
        return None

    def compare(self, frontier: Frontier, head: bytes) -> Bad | None:
        """Hold head and root against the checkpoint of this size, where there is one."""
        point = self._roots.get(frontier.size)
        if point is None:
            return None
        if point.head != head or point.root != frontier.root():
            return Bad(self._uid, self._sound + 1, frontier.size, "checkpoint")
        self._sound = frontier.size
        return None
