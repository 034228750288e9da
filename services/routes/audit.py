"""/v1/audit: the ledger as its readers may see it, each reading itself recorded.

Decision: a record's `seq` on the wire is `<chain>:<number>`: every process writes its own chain, so a bare number
would name several records. The record itself is passed on as the bytes that were hashed.

Decision: without `audit:all` the organisation is part of the query, so a foreign record is the same 404 as none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from msgspec import Raw, Struct

from models.calendar import ZONE
from models.errors import ConflictError, InvalidInputError, Note, NotFoundError
from registry import proofs
from registry.database import Database
from registry.signatures import PublicKey
from registry.tables import to_micros
from registry.trail import Filter, Place, Written, one, pages
from services.callers import Caller
from services.endpoints import Call, Endpoint, Parameter, Reply
from services.pages import LONGEST_CURSOR, PAGING, Page, asked_page, cut, next_link, refused
from services.roles import AUDIT_ALL, AUDIT_READ

CHECKPOINTS: Final = "checkpoints"
PUBLIC_KEY: Final = "checkpoint.key.pub"
TIME: Final = {"type": "string", "format": "date-time"}
FILTERS: Final = (
    Parameter(
        "event", Note("Loại sự kiện; kết thúc bằng dấu chấm là cả họ", "Event word; a final dot means the family")
    ),
    Parameter("request_id", Note("Mã yêu cầu", "Request id")),
    Parameter("chain", Note("Chuỗi nhật ký", "Ledger chain")),
    Parameter("tenant", Note("Đơn vị (cần audit:all)", "Organisation (needs audit:all)")),
    Parameter("from", Note("Từ thời điểm", "From this time on"), TIME),
    Parameter("to", Note("Trước thời điểm", "Before this time"), TIME),
    Parameter("order", Note("Thứ tự thời gian", "Order of time"), {"enum": ["desc", "asc"], "default": "desc"}),
)


class RecordOut(Struct, kw_only=True):
    """One record: `record` is the text that was hashed to `leaf` (SHA-256 of 0x00 and its bytes)."""

    id: str
    seq: str
    chain_uid: str
    event: str
    leaf: str
    record: Raw


class RecordList(Struct, kw_only=True):
    """One page of records."""

    request_id: str
    data: list[RecordOut]
    has_more: bool
    first_id: str | None
    last_id: str | None


class ProofOut(Struct, kw_only=True):
    """Everything that `aichung audit verify --bundle` needs, but the public key (registry.proofs)."""

    request_id: str
    format: Literal["ledger-proof/1"]
    chain_uid: str
    seq: int
    record: str
    size: int
    path: list[str]
    root: str
    checkpoint: str
    public_key: str


class AuditRoutes:
    """The endpoints and the parts they need."""

    def __init__(self, database: Database, home: Path) -> None:
        """`home` holds the checkpoint files and, under `keys`, the public key that checks them."""
        self._database = database
        self._checkpoints = home / CHECKPOINTS
        self._public_key = home / "keys" / PUBLIC_KEY

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        return [
            Endpoint(
                method="GET", path="/v1/audit/records", handler=self.records, tag="audit", scope=AUDIT_READ,
                response=RecordList, event="audit.read", query=(*PAGING, *FILTERS),
                summary=Note("Đọc nhật ký", "Read the ledger"),
            ),
            Endpoint(
                method="GET", path="/v1/audit/records/{seq}/proof", handler=self.proof, tag="audit", scope=AUDIT_READ,
                response=ProofOut, event="audit.prove", refusals=(404, 409), query=FILTERS[2:3],
                summary=Note("Bằng chứng của một bản ghi", "Proof of one record"),
            ),
        ]  # fmt: skip

    async def records(self, call: Call, body: None) -> Reply:
        """One page of records, the newest first unless asked otherwise."""
        query = call.query("limit", "after", *(parameter.name for parameter in FILTERS))
        page, wanted = asked_page(query), asked_filter(call.who, query)
        order = query.get("order", "desc")
        if order not in ("desc", "asc"):
            raise refused("order", "order là desc hoặc asc.", "order is desc or asc.")
        found = await asyncio.to_thread(self._page, wanted, page, order == "desc")
        data, frame = cut(found, [written.place.id for written in found], page)
        listed = RecordList(request_id=call.request_id, data=[_record(written) for written in data], **frame)
        return Reply(listed, headers=next_link(call, query, frame))

    def _page(self, wanted: Filter, page: Page, newest_first: bool) -> list[Written]:
        after = None if page.after is None else Place.parse(page.after)
        if page.after is not None and after is None:
            raise _bad_cursor()
        with self._database.read() as connection:
            try:
                return pages(connection, wanted, after, page.limit + 1, newest_first)
            except LookupError as error:
                raise _bad_cursor() from error

    async def proof(self, call: Call, body: None) -> Reply:
        """The proof of one record; 409 for up to a minute, until a signed checkpoint covers it."""
        chain = call.query("chain").get("chain")
        text = call.params["seq"]
        place = Place.parse(text if chain is None else f"{chain}:{text}")
        return Reply(await asyncio.to_thread(self._prove, call, place))

    def _prove(self, call: Call, place: Place | None) -> ProofOut:
        if place is not None:
            with self._database.read() as connection:
                written = one(connection, place, whose(call.who))
        if place is None or written is None:
            raise NotFoundError("Không tìm thấy bản ghi.", "No such record.")
        if not self._public_key.exists():
            raise ConflictError(
                "Chưa có điểm kiểm đã ký bao gồm bản ghi này; xin thử lại sau một phút.",
                "No signed checkpoint covers this record yet; try again in a minute.",
                code="not-covered-yet",
            )
        key = PublicKey.load(self._public_key)
        bundle = proofs.prove(self._database, self._checkpoints, key, place.chain_uid, place.seq)
        return ProofOut(request_id=call.request_id, public_key=key.pem().decode(), **bundle)


def whose(caller: Caller) -> str | None:
    """The organisation a reader is held to; None for one who may read all."""
    return None if caller.may(AUDIT_ALL) else caller.tenant


def asked_filter(caller: Caller, query: Mapping[str, str]) -> Filter:
    """The filter of a query, held to the caller's organisation. Raises InvalidInputError naming the parameter.

    A tenant without `audit:all` may name itself; naming another one finds nothing, like one that does not exist.
    """
    for name in ("event", "request_id", "chain", "tenant"):
        if not 0 < len(query.get(name, "-")) <= LONGEST_CURSOR:
            raise refused(name, f"{name} không hợp lệ.", f"{name} is not valid.")
    own = whose(caller)
    tenant = query.get("tenant", own)
    if own is not None and tenant != own:
        tenant = ""
    return Filter(
        tenant, query.get("event"), query.get("request_id"), query.get("chain"), asked_time(query, "from"),
        asked_time(query, "to"),
    )  # fmt: skip


def asked_time(query: Mapping[str, str], name: str) -> int | None:
    """A time of the query in microseconds since 1970; without a zone it is Asia/Ho_Chi_Minh."""
    text = query.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return to_micros(moment if moment.tzinfo is not None else moment.replace(tzinfo=ZONE))
    except (ValueError, OverflowError) as error:
        raise refused(name, f"{name} phải là thời điểm ISO 8601.", f"{name} must be an ISO 8601 time.") from error


def _record(written: Written) -> RecordOut:
    place = written.place
    return RecordOut(
        id=place.id, seq=place.id, chain_uid=place.chain_uid, event=written.event, leaf=written.leaf.hex(),
        record=Raw(written.text.encode()),
    )  # fmt: skip


def _bad_cursor() -> InvalidInputError:
    return refused("after", "Con trỏ after không hợp lệ.", "The cursor after is not valid.")
