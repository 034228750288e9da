"""Bytes on their way in: a form as a stream, or a resumable upload part by part.

Decisions
- Disk work (write, flush, digest) runs in a few threads of its own, never on the event loop and never in the threads
  that answer governance calls. What waits for the disk is one buffer for each upload.
- How many uploads run at once is bounded for the process and for each organisation; the next one hears 503.
- A sender that stops, or drips, is cut off; what a resumable upload received until then is kept.
- After a broken line the client asks how far a resumable upload came and goes on there.
"""

from __future__ import annotations

import asyncio
import re
import time
import unicodedata
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from models.errors import ConflictError, DeadlineError, InvalidInputError, UnavailableError
from registry.files import MOST_BYTES, File, Files
from registry.objects import Growing, Stored, Writing, too_large
from services.bodies import GRACE_BYTES
from services.endpoints import Call
from services.multipart import Field, FilePart, read_form

THREADS: Final = 4
MOST_UPLOADS: Final = 64
MOST_OF_A_TENANT: Final = 16
BUFFER_BYTES: Final = 1 << 20
IDLE_SECONDS: Final = 60.0
FREE_SECONDS: Final = 60.0
SLOWEST_BYTES: Final = 1_024
"""After a minute an upload must have kept this many bytes a second on the average."""

FORM_BYTES: Final = 64 << 10
LONGEST_NAME: Final = 255
PURPOSE: Final = "analysis"
PURPOSE_FORM: Final = re.compile(r"[0-9a-z][0-9a-z_.-]{0,63}")
SUFFIXES: Final = ("csv", "jsonl", "ndjson", "ods", "parquet", "tsv", "txt", "xls", "xlsb", "xlsm", "xlsx")
RANGE: Final = re.compile(r"bytes (?:([0-9]{1,12})-([0-9]{1,12})|\*)/([0-9]{1,12})")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Arrived:
    """A form's file, written and durable but nobody's yet."""

    stored: Stored
    filename: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Span:
    """A Content-Range: bytes `first` to `last` of `total`; None and None ask how far the upload came."""

    first: int | None
    last: int | None
    total: int


class Uploads:
    """The uploads of one process."""

    def __init__(self, files: Files, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells monotonic seconds."""
        self._files = files
        self._clock = clock
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="upload")
        self._open: dict[str, int] = defaultdict(int)
        self._growing: set[str] = set()
        self.bytes = 0

    @property
    def running(self) -> int:
        """Uploads that run now."""
        return sum(self._open.values())

    async def aside(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do disk or database work in one of the threads for files."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    async def take_form(self, call: Call) -> Arrived:
        """Write the file of a form to the object store as it arrives.

        Raises InvalidInputError (400, 413, 415, 422, 507), UnavailableError, DeadlineError; nothing is left then.
        """
        with self._slot(call.who.tenant):
            most = await self._room(call)
            writing = await self.aside(self._files.objects.begin, most)
            try:
                filename, purpose = await self._write(call, writing)
                return Arrived(await self.aside(writing.commit), filename, purpose)
            except BaseException:
                await asyncio.shield(self.aside(writing.abort))
                raise

    async def _write(self, call: Call, writing: Writing) -> tuple[str, str]:
        filename, purpose = None, PURPOSE
        seen: set[str] = set()
        parts: list[bytes] = []
        size = 0
        async for part in read_form(call.header("content-type"), self._paced(call)):
            if isinstance(part, bytes):
                parts.append(part)
                size += len(part)
                if size >= BUFFER_BYTES:
                    await self.aside(writing.write, b"".join(parts))
                    parts, size = [], 0
                continue
            _known(part, seen)
            if isinstance(part, FilePart):
                filename = file_name(part.filename, "/file")
            else:
                purpose = purpose_of(part.text)
        await self.aside(writing.write, b"".join(parts))
        if filename is None:
            vi, en = "Thiếu phần file trong biểu mẫu.", "The form has no part `file`."
            raise InvalidInputError.at("/file", vi, en, code="missing-field")
        return filename, purpose

    async def take_part(self, call: Call, file: File, span: Span) -> int:
        """Append a part to a resumable upload; how many bytes of the whole have arrived.

        Raises ConflictError (`wrong-offset`, `upload-busy`), InvalidInputError (400, 413), UnavailableError; what had
        arrived before stays.
        """
        if span.first is None or span.last is None:
            return await self.aside(self._files.objects.received, file.id)
        with self._slot(file.tenant), self._alone(file.id):
            growing = await self.aside(self._files.objects.resume, file.id, span.first, file.bytes)
            try:
                arrived = await self._grow(call, growing, span.last + 1 - span.first)
            except (DeadlineError, asyncio.CancelledError):
                await asyncio.shield(self.aside(growing.keep))
                raise
            except BaseException:
                await asyncio.shield(self.aside(growing.abort))
                raise
            end = await self.aside(growing.keep)
            if arrived <= span.last - span.first:
                raise _span_broken()
            return end

    async def _grow(self, call: Call, growing: Growing, expected: int) -> int:
        """Write a part as it arrives; how much came."""
        arrived, buffered, parts = 0, 0, list[bytes]()
        try:
            async for part in self._paced(call):
                arrived += len(part)
                if arrived > expected:
                    raise _span_broken()
                parts.append(part)
                buffered += len(part)
                if buffered >= BUFFER_BYTES:
                    await self.aside(growing.write, b"".join(parts))
                    parts, buffered = [], 0
        except DeadlineError:
            await self.aside(growing.write, b"".join(parts))
            raise
        await self.aside(growing.write, b"".join(parts))
        return arrived

    async def drain(self, call: Call) -> None:
        """Read a little of what was refused, so that its sender hears the refusal on a whole connection."""
        with suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                size = 0
                async for part in call.stream():
                    size += len(part)
                    if size > GRACE_BYTES:
                        return

    async def _room(self, call: Call) -> int:
        """The most bytes that a form's file may have. Raises InvalidInputError (413, 507) for a declared length."""
        declared = call.header("content-length") or ""
        length = int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 16 else 0
        used, quota = await self.aside(self._files.storage.usage, call.who.tenant)
        if length > min(MOST_BYTES, quota) + FORM_BYTES or len(declared) >= 16:
            await self.drain(call)
            raise too_large(min(MOST_BYTES, quota))
        if max(0, length - FORM_BYTES) > quota - used:
            await self.drain(call)
            raise no_room(used, quota)
        return min(MOST_BYTES, quota)

    async def _paced(self, call: Call) -> AsyncIterator[bytes]:
        """The body's parts. Raises DeadlineError for a sender that stopped or drips."""
        if call.header("content-encoding") not in (None, "identity"):
            vi, en = "Tệp gửi lên không nén (Content-Encoding).", "A file is sent without Content-Encoding."
            raise InvalidInputError.at("", vi, en, code="unsupported-content-encoding")
        started, size = self._clock(), 0
        stream = call.stream()
        while True:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    part = await anext(stream, None)
            except TimeoutError as error:
                raise _too_slow() from error
            if part is None:
                return
            size += len(part)
            self.bytes += len(part)
            elapsed = self._clock() - started
            if elapsed > FREE_SECONDS and size < SLOWEST_BYTES * elapsed:
                raise _too_slow()
            yield part

    @contextmanager
    def _slot(self, tenant: str) -> Iterator[None]:
        if self.running >= MOST_UPLOADS or self._open[tenant] >= MOST_OF_A_TENANT:
            vi, en = "Đang có quá nhiều lượt tải lên; thử lại sau.", "Too many uploads are running; try again later."
            raise UnavailableError(vi, en, 5, code="too-many-uploads")
        self._open[tenant] += 1
        try:
            yield
        finally:
            self._open[tenant] -= 1
            if not self._open[tenant]:
                del self._open[tenant]

    @contextmanager
    def _alone(self, file_id: str) -> Iterator[None]:
        """One part of an upload at a time."""
        if file_id in self._growing:
            vi, en = "Một phần khác của tệp này đang được gửi.", "Another part of this file is on its way."
            raise ConflictError(vi, en, code="upload-busy")
        self._growing.add(file_id)
        try:
            yield
        finally:
            self._growing.discard(file_id)


def file_name(text: str, pointer: str) -> str:
    """A file's own name without folders. Raises InvalidInputError for one that cannot stand in a list."""
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", text)[-1]).strip()
    if not name or name.strip(".") == "" or len(name) > LONGEST_NAME or not name.isprintable():
        vi = f"Tên tệp phải gồm 1 đến {LONGEST_NAME} ký tự in được."
        raise InvalidInputError.at(pointer, vi, f"A file name has 1 to {LONGEST_NAME} printable characters.",
                                   code="bad-file-name")  # fmt: skip
    if name.rpartition(".")[2].lower() not in SUFFIXES or "." not in name:
        known = ", ".join(SUFFIXES)
        vi, en = f"Loại tệp phải là một trong: {known}.", f"The file's suffix must be one of: {known}."
        raise InvalidInputError.at(pointer, vi, en, code="unsupported-file-type")
    return name


def purpose_of(text: str) -> str:
    """A purpose: a short word of the caller's own. Raises InvalidInputError."""
    if not PURPOSE_FORM.fullmatch(text):
        vi, en = "purpose là một từ ngắn (a–z, 0–9, . _ -).", "purpose is a short word (a–z, 0–9, . _ -)."
        raise InvalidInputError.at("/purpose", vi, en, code="wrong-value")
    return text


def span_of(header: str | None, file: File) -> Span:
    """The Content-Range of a part; without one the body is the whole file. Raises InvalidInputError (400)."""
    if header is None:
        return Span(0, file.bytes - 1, file.bytes)
    match = RANGE.fullmatch(header.strip())
    if match is None:
        raise _bad_range()
    first, last = (None, None) if match[1] is None else (int(match[1]), int(match[2]))
    if int(match[3]) != file.bytes or (first is not None and last is not None and not first <= last < file.bytes):
        raise _bad_range()
    return Span(first, last, file.bytes)


def _known(part: Field | FilePart, seen: set[str]) -> None:
    """Raise InvalidInputError for a part that no form has, or that stands twice."""
    allowed = "file" if isinstance(part, FilePart) else "purpose"
    if part.name != allowed:
        vi = "Biểu mẫu chỉ gồm file (tệp) và purpose (văn bản)."
        raise InvalidInputError.at("", vi, "A form holds `file` (a file) and `purpose` (text).", code="unknown-field")
    if part.name in seen:
        vi, en = "Một phần của biểu mẫu xuất hiện hai lần.", "A part of the form stands twice."
        raise InvalidInputError.at(f"/{allowed}", vi, en, code="duplicate-key")
    seen.add(part.name)


def no_room(used: int, quota: int) -> InvalidInputError:
    """The organisation's storage is used up (507)."""
    return InvalidInputError(
        "Vượt hạn mức lưu trữ của đơn vị; hãy xóa bớt tệp.",
        "The organisation's storage quota is exceeded; delete files first.",
        code="storage-quota", quota_bytes=quota, used_bytes=used,
    )  # fmt: skip


def _bad_range() -> InvalidInputError:
    vi = "Content-Range phải là bytes đầu-cuối/tổng, đúng với số byte đã khai."
    en = "Content-Range must be bytes first-last/total, with the declared total."
    return InvalidInputError.at("", vi, en, code="malformed-header")


def _span_broken() -> InvalidInputError:
    vi, en = "Độ dài nội dung khác với Content-Range.", "The body's length differs from its Content-Range."
    return InvalidInputError.at("", vi, en, code="body-cut-short")


def _too_slow() -> DeadlineError:
    return DeadlineError("Gửi nội dung quá chậm.", "The body arrived too slowly.")
