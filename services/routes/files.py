"""/v1/files: sent in one form or part by part, listed, read back, deleted.

Decision: one address takes both forms of sending, told apart by the media type: a form is written to disk as it
arrives; a JSON body announces an upload whose parts follow by `PUT …/content`.

Decision: what a tenant may not see is the same 404 as a random id. An organisation sees the files of those below it;
only the owner adds to a file or deletes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import IO, Annotated, Any, Final
from urllib.parse import quote

import msgspec
from msgspec import Meta, Struct

from models.errors import ConflictError, InvalidInputError, Note
from registry.files import MOST_BYTES, File, Files
from services.bodies import check_media_type, read_body
from services.callers import Caller
from services.endpoints import BODY_BYTES, Call, Endpoint, Headers, Reply
from services.idempotency import Idempotency, Kept
from services.multipart import is_form
from services.pages import PAGING, asked_page, cut, next_link
from services.repeats import REPLAYED, once
from services.roles import FILES_READ, FILES_WRITE
from services.strict_json import Decoder
from services.uploads import PURPOSE, Arrived, Uploads, file_name, purpose_of, span_of

READ_BYTES: Final = 1 << 18
FORM_SCHEMA: Final = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "purpose": {"type": "string", "default": PURPOSE},
    },
    "additionalProperties": False,
}

# --- wire types ---------------------------------------------------------------------------------------------


class UploadIn(Struct, forbid_unknown_fields=True):
    """A resumable upload: what will be sent by `PUT …/content`."""

    filename: Annotated[str, Meta(min_length=1, max_length=1_000)]
    bytes: Annotated[int, Meta(ge=1, le=MOST_BYTES)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", min_length=64, max_length=64)]
    purpose: Annotated[str, Meta(min_length=1, max_length=64)] = PURPOSE


class FileOut(Struct, kw_only=True):
    """A file: `received` counts the bytes that have arrived while it is `uploading`."""

    id: str
    tenant: str
    filename: str
    purpose: str
    bytes: int
    sha256: str
    status: str
    received: int
    created_at: datetime
    expires_at: datetime


class OneFileOut(FileOut, kw_only=True):
    """One file, as the answer to a call."""

    request_id: str


class StorageOut(Struct):
    """What the organisation keeps, and how much it may."""

    used_bytes: int
    quota_bytes: int


class FileList(Struct, kw_only=True):
    """One page of files, newest first."""

    request_id: str
    data: list[FileOut]
    storage: StorageOut
    has_more: bool
    first_id: str | None
    last_id: str | None


# --- endpoints ----------------------------------------------------------------------------------------------


class FileRoutes:
    """The endpoints and the parts they need."""

    def __init__(
        self, files: Files, uploads: Uploads, idempotency: Idempotency, forget_readings: Callable[[str], None]
    ) -> None:
        """Keep the parts; `forget_readings` forgets what was read in a file that is gone."""
        self._files = files
        self._forget_readings = forget_readings
        self._uploads = uploads
        self._idempotency = idempotency
        self._decoder = Decoder(UploadIn)
        self._announce = once(idempotency, self.announce)

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        one = "/v1/files/{file_id}"
        read: dict[str, Any] = {"tag": "files", "scope": FILES_READ}
        write: dict[str, Any] = {"tag": "files", "scope": FILES_WRITE}
        return [
            Endpoint(
                method="POST", path="/v1/files", handler=self.create, request=UploadIn, response=OneFileOut,
                status=201, creates=True, streamed=True, event="file.create",
                refusals=(400, 409, 413, 415, 422, 504, 507), request_media={"multipart/form-data": FORM_SCHEMA},
                summary=Note("Tải tệp lên (một lần, hoặc từng phần)", "Send a file (at once, or in parts)"), **write,
            ),
            Endpoint(
                method="GET", path="/v1/files", handler=self.list, response=FileList, event="file.list",
                query=PAGING, summary=Note("Danh sách tệp", "List files"), **read,
            ),
            Endpoint(
                method="GET", path=one, handler=self.get, response=OneFileOut, event="file.read", refusals=(404,),
                summary=Note("Một tệp", "A file"), **read,
            ),
            Endpoint(
                method="DELETE", path=one, handler=self.delete, status=204, event="file.delete", refusals=(404,),
                summary=Note("Xóa tệp; nhật ký vẫn còn", "Delete a file; the record stays"), **write,
            ),
            Endpoint(
                method="GET", path=one + "/content", handler=self.content, event="file.content",
                refusals=(404, 409), media_types=("application/octet-stream",),
                summary=Note("Nội dung tệp", "A file's content"), **read,
            ),
            Endpoint(
                method="PUT", path=one + "/content", handler=self.append, status=204, streamed=True,
                statuses={308: "More is missing; `Range` says how far the upload came"},
                event="file.append", refusals=(400, 404, 409, 413, 415, 422, 504, 507),
                request_media={"application/octet-stream": {"type": "string", "format": "binary"}},
                summary=Note("Gửi một phần của tệp (Content-Range)", "Send a part of a file (Content-Range)"), **write,
            ),
        ]  # fmt: skip

    async def create(self, call: Call, body: None) -> Reply:
        """Take a whole file, or announce one."""
        call.query()
        if is_form(call.header("content-type")):
            return await self._take(call)
        if call.receive is None:
            raise AssertionError("a streamed endpoint without a stream")
        call.body = await read_body(call.receive, call.headers, BODY_BYTES)
        if call.body:
            check_media_type(call.headers)
        return await self._announce(call, self._decoder.decode(call.body))

    async def announce(self, call: Call, body: UploadIn) -> Reply:
        """Begin a resumable upload."""
        who = call.who
        name, purpose = file_name(body.filename, "/filename"), purpose_of(body.purpose)
        file = await self._uploads.aside(
            self._files.announce, who.tenant, who.subject.id, purpose, name, body.bytes, body.sha256
        )
        return self._made(call, file)

    async def _take(self, call: Call) -> Reply:
        """A form: written first, then claimed under its Idempotency-Key, then owned."""
        arrived = await self._uploads.take_form(call)
        header = call.header("idempotency-key")
        if header is None:
            return self._made(call, await self._own(call.who, arrived))
        who, marks = call.who, f"{arrived.stored.sha256} {arrived.purpose} {arrived.filename}".encode()
        try:
            begun = await self._uploads.aside(
                self._idempotency.begin, who.tenant, header, "POST /v1/files form", marks, who.subject.id
            )
        except BaseException:
            self._files.objects.delete(arrived.stored.name)
            raise
        if isinstance(begun, Kept):
            self._files.objects.delete(arrived.stored.name)
            return Reply(begun.body, begun.status, (*begun.headers, REPLAYED))
        try:
            reply = self._made(call, await self._own(who, arrived))
        except BaseException:
            await self._uploads.aside(self._idempotency.abandon, begun)
            raise
        content = msgspec.json.encode(reply.body)
        await self._uploads.aside(self._idempotency.settle, begun, reply.status, reply.headers, content)
        return Reply(content, reply.status, reply.headers)

    async def _own(self, who: Caller, arrived: Arrived) -> File:
        return await self._uploads.aside(
            self._files.add, who.tenant, who.subject.id, arrived.purpose, arrived.filename, arrived.stored
        )

    def _made(self, call: Call, file: File) -> Reply:
        call.params = {"file_id": file.id}  # the record names what was made
        location = ((b"location", f"/v1/files/{file.id}".encode()),)
        return Reply(OneFileOut(request_id=call.request_id, **_facts(file, 0)), 201, location)

    async def list(self, call: Call, body: None) -> Reply:
        """List the files that the caller sees."""
        query = call.query("limit", "after")
        page = asked_page(query)
        found, storage = await asyncio.to_thread(self._page, call.who, page.limit + 1, page.after)
        data, frame = cut(found, [file.id for file in found], page)
        listed = FileList(
            request_id=call.request_id, data=[FileOut(**self._shown(file)) for file in data], storage=storage, **frame
        )
        return Reply(listed, headers=next_link(call, query, frame))

    async def get(self, call: Call, body: None) -> Reply:
        """A file."""
        call.query()
        file = await asyncio.to_thread(self._files.get, seen_by(call.who), call.params["file_id"])
        return Reply(OneFileOut(request_id=call.request_id, **self._shown(file)))

    async def delete(self, call: Call, body: None) -> Reply:
        """Delete a file with its bytes and how it was read."""
        call.query()
        await self._uploads.aside(self._delete, call.who.tenant, call.params["file_id"])
        return Reply(None, 204)

    async def content(self, call: Call, body: None) -> Reply:
        """A file's bytes as they were sent."""
        call.query()
        file = await asyncio.to_thread(self._files.ready, seen_by(call.who), call.params["file_id"])
        opened = await self._uploads.aside(self._files.objects.open, str(file.object))
        headers = download_headers(file.filename, file.bytes, b"application/octet-stream", file.sha256)
        return Reply(_nothing(opened) if call.method == "HEAD" else self._bytes(opened), headers=headers)

    async def append(self, call: Call, body: None) -> Reply:
        """A part of an upload; the last one makes the file ready when the digest is right."""
        call.query()
        who = call.who
        file = await self._uploads.aside(self._files.get, [who.tenant], call.params["file_id"])
        if file.status == "ready":
            await self._uploads.drain(call)
            raise ConflictError("Tệp đã gửi xong.", "The upload is complete.", code="upload-complete",
                                received=file.bytes)  # fmt: skip
        span = span_of(call.header("content-range"), file)
        received = await self._uploads.take_part(call, file, span)
        if received < file.bytes:
            return Reply(None, 308, _range(received))
        return await self._finish(file)

    async def _finish(self, file: File) -> Reply:
        try:
            await self._uploads.aside(self._files.complete, file.tenant, file.id)
        except ConflictError as error:
            if error.word != "digest-mismatch":
                raise
            await self._uploads.aside(self._files.objects.discard, file.id)
            raise InvalidInputError.at(
                "/sha256",
                "Nội dung nhận được không khớp mã băm đã khai; hãy gửi lại từ byte 0.",
                "What was received does not have the declared digest; send it again from byte 0.",
                code="digest-mismatch",
            ) from error
        return Reply(None, 204)

    def _page(self, who: Caller, limit: int, after: str | None) -> tuple[Sequence[File], StorageOut]:
        return self._files.page(seen_by(who), limit, after), StorageOut(*self._files.storage.usage(who.tenant))

    def _delete(self, tenant: str, file_id: str) -> None:
        file = self._files.remove(tenant, file_id)
        self._forget_readings(file.id)

    def _shown(self, file: File) -> dict[str, Any]:
        return _facts(file, self._files.objects.received(file.id) if file.status == "uploading" else file.bytes)

    async def _bytes(self, opened: IO[bytes]) -> AsyncIterator[bytes]:
        """A file in parts, read in a thread."""
        try:
            while part := await self._uploads.aside(opened.read, READ_BYTES):
                yield part
        finally:
            opened.close()


def seen_by(who: Caller) -> list[str]:
    """The organisations whose files, readings and jobs a caller sees: its own and those below it."""
    return [who.tenant, *who.descendants]


def download_headers(name: str, size: int | None, media_type: bytes, digest: str | None) -> Headers:
    """The headers of bytes that are saved, not shown."""
    plain = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "_" for sign in name)
    saved = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}".encode()
    headers = [
        (b"content-type", media_type), (b"content-disposition", saved), (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
    ]  # fmt: skip
    if size is not None:
        headers.append((b"content-length", str(size).encode()))
    if digest is not None:
        headers.append((b"etag", f'"{digest}"'.encode()))
    return headers


def named_key(who: Caller, header: str) -> str:
    """What stands for an Idempotency-Key of this caller."""
    return sha256(f"{who.subject.id}\0{header}".encode()).hexdigest()


def _range(received: int) -> Headers:
    """How far an upload came; nothing of it yet has no range."""
    return ((b"range", f"bytes=0-{received - 1}".encode()),) if received else ()


def _facts(file: File, received: int) -> dict[str, Any]:
    return {
        "id": file.id, "tenant": file.tenant, "filename": file.filename, "purpose": file.purpose, "bytes": file.bytes,
        "sha256": file.sha256, "status": file.status,
        "received": file.bytes if file.status == "ready" else received, "created_at": file.created_at,
        "expires_at": file.expires_at,
    }  # fmt: skip


async def _nothing(opened: IO[bytes]) -> AsyncIterator[bytes]:
    opened.close()
    return
    yield b""
