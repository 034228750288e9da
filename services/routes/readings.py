"""Readings: how a file was understood, what is open, and a person's corrections.

Decision: a correction names the version it corrects (`ETag`, `If-Match`), so two persons never overwrite each other
unseen: without the header 428, with an old one 412.

Decision: a named reading is the organisation's pattern. The next file with the same headers gets what was settled
there; periods stay the new file's own. A reading can be asked for without the pattern (`pattern: "none"`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from models.errors import ConflictError, InvalidInputError, Note
from registry.files import File
from registry.readings import StoredReading
from services.desk import Desk
from services.endpoints import Call, Endpoint, Parameter, Reply
from services.idempotency import Idempotency
from services.pages import PAGING, asked_page, cut, next_link
from services.repeats import once
from services.roles import FILES_READ, FILES_WRITE
from services.routes.files import seen_by

PATTERN_NONE: Final = "none"
TAG: Final = re.compile(r'(?:W/)?"([0-9]{1,9})"')
FILE: Final = Parameter("file_id", Note("Chỉ cách đọc của tệp này", "Only readings of this file"))
Name = Annotated[str, Meta(min_length=1, max_length=128)]


class ReadingIn(Struct, forbid_unknown_fields=True):
    """A reading to be made. `name` keeps it as a pattern; `pattern` is a reading's id, or `none` to guess afresh."""

    name: Name | None = None
    pattern: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class ChangeIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """A correction: answers to questions by their id, fields of tables and columns by their index, a name.

    A whole reading as it was answered may be sent back with changes; its other members mean nothing.
    """

    answers: dict[str, str] | UnsetType = UNSET
    tables: list[dict[str, Any]] | UnsetType = UNSET
    name: str | UnsetType | None = UNSET
    confidence: Any = UNSET
    questions: Any = UNSET
    warnings: Any = UNSET
    request_id: Any = UNSET
    id: Any = UNSET
    tenant: Any = UNSET
    file_id: Any = UNSET
    version: Any = UNSET
    fingerprint: Any = UNSET
    pattern: Any = UNSET
    created_at: Any = UNSET
    updated_at: Any = UNSET

    def changes(self) -> dict[str, Any]:
        """What was given of the members that mean something."""
        given = {"answers": self.answers, "tables": self.tables, "name": self.name}
        return {name: value for name, value in given.items() if value is not UNSET}


class ReadingOut(Struct, kw_only=True):
    """How a file was understood. `pattern` is the named reading that was laid over the guess."""

    id: str
    tenant: str
    file_id: str
    name: str | None
    version: int
    fingerprint: str
    confidence: float
    tables: list[dict[str, Any]]
    questions: list[dict[str, Any]]
    warnings: list[dict[str, Any]]
    created_at: datetime
    updated_at: datetime


class OneReadingOut(ReadingOut, kw_only=True):
    """One reading, as the answer to a call."""

    request_id: str
    pattern: str | None = None


class ReadingList(Struct, kw_only=True):
    """One page of readings, newest first."""

    request_id: str
    data: list[ReadingOut]
    has_more: bool
    first_id: str | None
    last_id: str | None


class ReadingRoutes:
    """The endpoints and the parts they need."""

    def __init__(self, desk: Desk, idempotency: Idempotency) -> None:
        """Keep the parts."""
        self._desk = desk
        self._readings = desk.readings
        self._idempotency = idempotency

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints; a reading has an address of its own and one below its file."""
        below, own = "/v1/files/{file_id}/readings", "/v1/readings"
        read: dict[str, Any] = {"method": "GET", "tag": "readings", "scope": FILES_READ}
        write: dict[str, Any] = {"tag": "readings", "scope": FILES_WRITE}
        rows = [
            Endpoint(
                method="POST", path=below, handler=once(self._idempotency, self.create), request=ReadingIn,
                response=OneReadingOut, status=201, creates=True, empty_allowed=True, event="reading.create",
                refusals=(404, 409, 422), summary=Note("Đọc hiểu một tệp", "Read a file"), **write,
            ),
            Endpoint(
                path=below, handler=self.list_of_file, response=ReadingList, event="reading.list", query=PAGING,
                refusals=(404,), summary=Note("Các cách đọc của tệp", "Readings of a file"), **read,
            ),
            Endpoint(
                path=own, handler=self.list, response=ReadingList, event="reading.list", query=(*PAGING, FILE),
                summary=Note("Các cách đọc, gồm mẫu đọc", "Readings, patterns among them"), **read,
            ),
        ]  # fmt: skip
        for path in (own + "/{reading_id}", below + "/{reading_id}"):
            rows += [
                Endpoint(
                    path=path, handler=self.get, response=OneReadingOut, event="reading.read", refusals=(404,),
                    summary=Note("Một cách đọc", "A reading"), **read,
                ),
                Endpoint(
                    method="PUT", path=path, handler=self.correct, request=ChangeIn, response=OneReadingOut,
                    event="reading.correct", refusals=(404, 412, 428), examples={"vi": EXAMPLE},
                    summary=Note("Sửa cách đọc, trả lời câu hỏi", "Correct a reading, answer its questions"), **write,
                ),
                Endpoint(
                    method="DELETE", path=path, handler=self.delete, status=204, event="reading.delete",
                    refusals=(404,), summary=Note("Xóa một cách đọc", "Delete a reading"), **write,
                ),
            ]  # fmt: skip
        return rows

    async def create(self, call: Call, body: ReadingIn) -> Reply:
        """Read a file; a named reading of the same headers is laid over the guess."""
        tenant = call.who.tenant
        file = await asyncio.to_thread(self._desk.files.ready, [tenant], call.params["file_id"])
        wanted = None if body.pattern in (None, PATTERN_NONE) else str(body.pattern)
        pattern = None if wanted is None else await asyncio.to_thread(self._readings.get, [tenant], wanted)
        reading, pattern = await self._desk.bounded.do(
            call, self._read, call.who.subject.id, file, pattern, body.name, body.pattern == PATTERN_NONE
        )
        call.params = {"file_id": file.id, "reading_id": reading.id}  # the record names what was made
        location = (b"location", f"/v1/files/{file.id}/readings/{reading.id}".encode())
        return self._one(call, reading, 201, location, pattern=None if pattern is None else pattern.id)

    def _read(
        self, subject: str, file: File, pattern: StoredReading | None, name: str | None, afresh: bool
    ) -> tuple[StoredReading, StoredReading | None]:
        """In a thread: the process apart reads, the reading is kept."""
        path = self._desk.objects.path(str(file.object))
        understood = None
        if pattern is None:
            understood = self._desk.quarantine.read(path, file.filename)
            if not afresh:
                pattern = self._readings.named(file.tenant, understood.fingerprint)
        if pattern is not None:
            understood = self._desk.quarantine.apply(path, file.filename, _plain(pattern.document))
        if understood is None:
            raise AssertionError("a file was read neither by itself nor by a pattern")
        document = {**understood.reading, "name": name}
        kept = self._readings.add(
            file.tenant, subject, file.id, file.sha256, understood.fingerprint, document,
            len(document["questions"]), name,
        )  # fmt: skip
        return kept, pattern

    async def list_of_file(self, call: Call, body: None) -> Reply:
        """List the readings of a file."""
        query = call.query("limit", "after")
        file = await asyncio.to_thread(self._desk.files.get, seen_by(call.who), call.params["file_id"])
        return await self._list(call, query, file.id)

    async def list(self, call: Call, body: None) -> Reply:
        """List the readings that the caller sees."""
        query = call.query("limit", "after", "file_id")
        return await self._list(call, query, query.get("file_id"))

    async def _list(self, call: Call, query: Mapping[str, str], file_id: str | None) -> Reply:
        page = asked_page(query)
        found = await asyncio.to_thread(self._readings.page, seen_by(call.who), page.limit + 1, page.after, file_id)
        data, frame = cut(found, [reading.id for reading in found], page)
        listed = ReadingList(request_id=call.request_id, data=[ReadingOut(**_facts(one)) for one in data], **frame)
        return Reply(listed, headers=next_link(call, query, frame))

    async def get(self, call: Call, body: None) -> Reply:
        """A reading."""
        call.query()
        return self._one(call, await asyncio.to_thread(self._find, call, seen_by(call.who)))

    async def correct(self, call: Call, body: ChangeIn) -> Reply:
        """A reading with answers to its questions and corrected tables."""
        reading = await asyncio.to_thread(self._find, call, [call.who.tenant])
        version = _version(call, reading)
        changes = body.changes()
        name = _name(changes, reading)
        corrected = await self._desk.bounded.do(call, self._correct, reading, changes, version, name)
        return self._one(call, corrected)

    def _correct(
        self, reading: StoredReading, changes: Mapping[str, Any], version: int, name: str | None
    ) -> StoredReading:
        document = self._desk.quarantine.correct(_plain(reading.document), changes)
        return self._readings.correct(
            reading.tenant, reading.id, version, {**document, "name": name}, len(document["questions"]), name
        )

    async def delete(self, call: Call, body: None) -> Reply:
        """Forget a reading."""
        call.query()
        await asyncio.to_thread(self._forget, call)
        return Reply(None, 204)

    def _forget(self, call: Call) -> None:
        reading = self._find(call, [call.who.tenant])
        self._readings.remove(reading.tenant, reading.id)

    def _find(self, call: Call, tenants: Sequence[str]) -> StoredReading:
        """The reading of an address; below a file, one of another file is not found."""
        if "file_id" in call.params:
            self._desk.files.get(tenants, call.params["file_id"])
        reading = self._readings.get(tenants, call.params["reading_id"])
        if call.params.get("file_id", reading.file_id) != reading.file_id:
            reading = self._readings.get([], reading.id)  # the one answer for what is not there
        return reading

    def _one(
        self, call: Call, reading: StoredReading, status: int = 200, *headers: tuple[bytes, bytes],
        pattern: str | None = None,
    ) -> Reply:  # fmt: skip
        found = OneReadingOut(request_id=call.request_id, pattern=pattern, **_facts(reading))
        return Reply(found, status, (*headers, (b"etag", f'"{reading.version}"'.encode())))


def _version(call: Call, reading: StoredReading) -> int:
    """The version that a correction means. Raises InvalidInputError (428), ConflictError (412)."""
    header = call.header("if-match")
    if header is None:
        vi, en = "Cần If-Match với ETag của cách đọc.", "If-Match with the reading's ETag is required."
        raise InvalidInputError.at("", vi, en, code="precondition-required")
    tags = [match[1] for part in header.split(",") if (match := TAG.fullmatch(part.strip()))]
    if header.strip() != "*" and str(reading.version) not in tags:
        vi, en = "Cách đọc đã được người khác sửa.", "The reading was changed meanwhile."
        raise ConflictError(vi, en, code="precondition-failed", version=reading.version)
    return reading.version


def _name(changes: Mapping[str, Any], reading: StoredReading) -> str | None:
    """The name after a correction. Raises InvalidInputError."""
    name = changes.get("name", reading.name)
    if name is None:
        return None
    if not isinstance(name, str) or not 0 < len(name) <= 128 or not name.isprintable():
        vi, en = "Tên mẫu đọc có 1–128 ký tự in được, hoặc null.", "A name has 1–128 printable characters, or null."
        raise InvalidInputError.at("/name", vi, en, code="wrong-value")
    return name


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document as the reader of files takes it."""
    return {name: value for name, value in document.items() if value is not None}


def _facts(reading: StoredReading) -> dict[str, Any]:
    document = reading.document
    return {
        "id": reading.id, "tenant": reading.tenant, "file_id": reading.file_id, "name": reading.name,
        "version": reading.version, "fingerprint": reading.fingerprint, "confidence": document["confidence"],
        "tables": document["tables"], "questions": document["questions"], "warnings": document["warnings"],
        "created_at": reading.created_at, "updated_at": reading.updated_at,
    }  # fmt: skip


EXAMPLE: Final = {"answers": {"year": "2011"}, "name": "Niên giám bệnh truyền nhiễm"}
