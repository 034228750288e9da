"""Reading the ledger: pages of records, sums over a time, and the proof that one record stands in its chain.

Decision: a record is shown as the exact text that was hashed, so that whoever reads it can compute its leaf. A
proof discloses one record and nothing of its neighbours but their hashes (Law 134/2025, 14(1)(c): necessary and
proportionate).

Decision: a proof leads to a *signed* root. The newest checkpoint file lists every chain, so only that file is read.
A record that no checkpoint covers yet is proven to the root of what lies in the database now, and the proof says
that nobody signed it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, cast, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB

from models.errors import IntegrityError
from registry.checkpoints import PAYLOAD_TYPE
from registry.merkle import inclusion_path, leaf_hash, root_from_path, root_of
from registry.signatures import PublicKey, open_envelope
from registry.tables import ledger

INFERENCE = "inference"
DROP = "log.drop"


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
    query = _columns().where(*_conditions(wanted)).limit(limit)
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


def _conditions(wanted: Filter) -> Iterator[ColumnElement[bool]]:
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


# --- sums ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Consumed:
    """What was asked of one model in one task."""

    task: str
    model: str | None
    answered: int
    refused: int
    units: int
    bytes: int


def consumption(connection: Connection, wanted: Filter) -> list[Consumed]:
    """Answers, refusals, units and bytes by task and model, from the records."""
    member = _Members(connection)
    task, model = member.text("task"), member.text("model", "name")
    answered = (
        func.sum(func.abs(ledger.c.event == INFERENCE))
        if member.sqlite
        else func.count().filter(ledger.c.event == INFERENCE)
    )
    query = (
        select(task, model, answered, func.count(), func.sum(member.number("in", "units")),
               func.sum(member.number("in", "bytes")))
        .where(ledger.c.event.in_((INFERENCE, f"refuse.{INFERENCE}")), *_conditions(wanted))
        .group_by(task, model)
        .order_by(task, model)
    )  # fmt: skip
    return [
        Consumed(name or "", used, int(good), int(total - good), int(units or 0), int(size or 0))
        for name, used, good, total, units, size in connection.execute(query)
    ]


def events(connection: Connection, wanted: Filter) -> dict[str, int]:
    """How many records of each event."""
    query = select(ledger.c.event, func.count()).where(*_conditions(wanted)).group_by(ledger.c.event)
    return {event: count for event, count in connection.execute(query)}


def answers_by_approval(connection: Connection, wanted: Filter) -> dict[str, int]:
    """Answers by the kind of approval they stood under; "" for none."""
    kind = _Members(connection).text("approval_kind")
    query = select(kind, func.count()).where(ledger.c.event == INFERENCE, *_conditions(wanted)).group_by(kind)
    return {word or "": count for word, count in connection.execute(query)}


def refusals_by_code(connection: Connection, wanted: Filter) -> dict[str, int]:
    """Refused and failed calls of models, by code word."""
    code = _Members(connection).text("error_code")
    query = select(code, func.count()).where(ledger.c.event == f"refuse.{INFERENCE}", *_conditions(wanted))
    return {word or "": count for word, count in connection.execute(query.group_by(code))}


def latencies(connection: Connection, wanted: Filter, shares: Sequence[float]) -> list[float] | None:
    """Quantiles of the answers' latency in milliseconds (nearest rank); None when there were no answers."""
    value = _Members(connection).number("latency_ms")
    answers = (ledger.c.event == INFERENCE, *_conditions(wanted))
    count = connection.execute(select(func.count()).select_from(ledger).where(*answers)).scalar_one()
    if not count:
        return None
    ranked = select(value).where(*answers).order_by(value)
    found = []
    for share in shares:
        rank = min(int(share * count), count - 1)
        found.append(float(connection.execute(ranked.offset(rank).limit(1)).scalar_one()))
    return found


def dropped(connection: Connection, wanted: Filter) -> int:
    """Records that the ledger had to drop, as its own `log.drop` records say."""
    number = func.sum(_Members(connection).number("records"))
    return int(connection.execute(select(number).where(ledger.c.event == DROP, *_conditions(wanted))).scalar_one() or 0)


class _Members:
    """Members of the JSON records as SQL, in the words of the dialect."""

    def __init__(self, connection: Connection) -> None:
        self.sqlite = connection.dialect.name == "sqlite"

    def text(self, *path: str) -> ColumnElement[Any]:
        if self.sqlite:
            return func.json_extract(ledger.c.record, "$." + ".".join(path))
        return cast(ledger.c.record, JSONB)[path].astext

    def number(self, *path: str) -> ColumnElement[Any]:
        if self.sqlite:
            return func.json_extract(ledger.c.record, "$." + ".".join(path))
        return cast(ledger.c.record, JSONB)[path].as_float()


# --- proofs -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proof:
    """That one record stands in its chain: everything that an offline check needs, but the public key.

    `record` is the exact text; `path` the audit path (RFC 6962) to `root` over the chain's first `size` leaves, all in
    hexadecimal; `checkpoint` the signed envelope that carries this root, None when no checkpoint covers it yet.
    """

    format: str
    chain_uid: str
    seq: int
    record: str
    leaf: str
    size: int
    path: list[str]
    root: str
    checkpoint: str | None
    checkpoint_at: str | None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


FORMAT = "ledger-proof/1"


def prove(connection: Connection, written: Written, checkpoints: Path, key: PublicKey) -> Proof:
    """The proof of a record. Raises IntegrityError when the chain no longer leads to the signed root."""
    place = written.place
    signed = covering(checkpoints, key, place)
    leaves = _leaves(connection, place.chain_uid, None if signed is None else signed.size)
    path = inclusion_path(leaves, place.seq - 1)
    root = root_from_path(leaf_hash(written.text.encode()), place.seq - 1, len(leaves), path)
    expected = root_of(leaves).hex() if signed is None else signed.root
    if root.hex() != expected:
        raise IntegrityError(
            f"Chuỗi nhật ký {place.chain_uid} không còn khớp với điểm kiểm đã ký.",
            f"Ledger chain {place.chain_uid} no longer matches its signed checkpoint.",
            code="ledger-altered",
        )
    return Proof(
        FORMAT, place.chain_uid, place.seq, written.text, written.leaf.hex(), len(leaves), [one.hex() for one in path],
        root.hex(), None if signed is None else signed.envelope, None if signed is None else signed.at,
    )  # fmt: skip


def check(document: Mapping[str, Any], key: PublicKey) -> str:
    """Check a proof offline; the time of the checkpoint that vouches for it.

    Raises IntegrityError when the record, path, root or signature do not fit, or no checkpoint vouches for it.
    """
    try:
        proof = Proof(**{name: document[name] for name in Proof.__dataclass_fields__})
        path = [bytes.fromhex(one) for one in proof.path]
        leaf = leaf_hash(proof.record.encode())
        root = root_from_path(leaf, proof.seq - 1, proof.size, path).hex()
        told = json.loads(proof.record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unfit("không đúng định dạng", "it is malformed") from error
    if root != proof.root or leaf.hex() != proof.leaf:
        raise _unfit("bản ghi hoặc đường băm đã bị sửa", "the record or the path was changed")
    if (told.get("chain_uid"), told.get("seq")) != (proof.chain_uid, proof.seq):
        raise _unfit("bản ghi thuộc chỗ khác", "the record belongs elsewhere")
    if proof.checkpoint is None:
        raise _unfit("chưa có điểm kiểm đã ký", "no signed checkpoint covers it yet")
    at, chains = _opened(proof.checkpoint, key)
    point = next((one for one in chains if one["uid"] == proof.chain_uid), None)
    if point is None or (point["size"], point["root"]) != (proof.size, proof.root):
        raise _unfit("điểm kiểm nói về gốc khác", "the checkpoint vouches for another root")
    return at


@dataclass(frozen=True, slots=True)
class Signed:
    """One chain in one signed checkpoint."""

    envelope: str
    at: str
    size: int
    root: str


def covering(folder: Path, key: PublicKey, place: Place) -> Signed | None:
    """The newest signed checkpoint that covers a record; None when none does yet."""
    newest = max(folder.glob("*.jsonl"), default=None)
    if newest is None:
        return None
    for line in reversed(newest.read_text(encoding="utf-8", errors="replace").split("\n")):
        if not line.endswith("}"):
            continue  # empty, or torn by a crash
        at, chains = _opened(line, key)
        for point in chains:
            if point["uid"] == place.chain_uid:
                covered = point["size"] >= place.seq
                return Signed(line, at, point["size"], point["root"]) if covered else None
    return None


def last_checkpoint(folder: Path, key: PublicKey) -> str | None:
    """The time of the newest checkpoint whose signature holds; None when there is none."""
    newest = max(folder.glob("*.jsonl"), default=None)
    lines = [] if newest is None else newest.read_text(encoding="utf-8", errors="replace").split("\n")
    line = next((line for line in reversed(lines) if line.endswith("}")), None)
    return None if line is None else _opened(line, key)[0]


def _opened(line: str, key: PublicKey) -> tuple[str, list[dict[str, Any]]]:
    payload, _ = open_envelope(line, PAYLOAD_TYPE, {key.key_id: key})
    document = json.loads(payload)
    return document["at"], document["chains"]


def _leaves(connection: Connection, chain: str, size: int | None) -> list[bytes]:
    query = select(ledger.c.leaf).where(ledger.c.chain_uid == chain).order_by(ledger.c.seq)
    if size is not None:
        query = query.where(ledger.c.seq <= size)
    return list(connection.execute(query).scalars())


def _unfit(vi: str, en: str) -> IntegrityError:
    return IntegrityError(f"Bằng chứng không hợp lệ: {vi}.", f"The proof does not hold: {en}.", code="proof-invalid")
