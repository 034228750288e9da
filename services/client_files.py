"""The client's methods for files and how they are read; `services.client.Client` has them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote
from uuid import uuid4

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from models.errors import ConflictError, InvalidInputError, UnavailableError
from services.results import Listing
from services.transport import Transport, object_of

FORM_BYTES: Final = 8 << 20
PART_BYTES: Final = 8 << 20
TRIES: Final = 6

Source = str | Path | bytes
"""A file's path, or its bytes (then with a `filename`)."""


class FileMethods:
    """Files and readings."""

    _line: Transport
    _progress: bool

    def upload(
        self, source: Source, *, filename: str | None = None, purpose: str | None = None, resumable: bool | None = None
    ) -> dict[str, Any]:
        """Send a file; one over 8 MiB (or `resumable`) goes in parts and survives a broken line.

        Raises InvalidInputError when there is no such file, or bytes come without a `filename`.
        """
        with _opened(source) as (file, size):
            name = filename or (Path(source).name if isinstance(source, str | Path) else "")
            if not name:
                raise InvalidInputError.at("/filename", "Cần tên tệp.", "A filename is needed.")
            if resumable or (resumable is None and size > FORM_BYTES):
                return self._in_parts(file, size, name, purpose)
            form = {"file": (name, file.read(), "application/octet-stream")}
            data = {} if purpose is None else {"purpose": purpose}
            headers = {"Idempotency-Key": str(uuid4())}
            return object_of(
                self._line.send("POST", "/v1/files", files=form, data=data, headers=headers, repeatable=True)
            )

    def resume_upload(self, file_id: str, source: Source) -> dict[str, Any]:
        """Go on with an upload that broke off, from where the platform has it."""
        with _opened(source) as (file, size):
            self._parts(file_id, file, size, self._received(file_id, size))
        return self.file(file_id)

    def files(self, *, after: str | None = None, limit: int | None = None) -> Listing:
        """Files that the caller sees, newest first."""
        return Listing.of(object_of(self._line.get("/v1/files", {"after": after, "limit": limit})))

    def file(self, file_id: str) -> dict[str, Any]:
        """A file."""
        return object_of(self._line.get(_file(file_id)))

    def download(self, file_id: str, to: str | Path) -> Path:
        """A file's content, written to a path."""
        return save(self._line, f"{_file(file_id)}/content", {}, Path(to), self._progress)

    def delete_file(self, file_id: str) -> None:
        """Delete a file with what was read in it."""
        self._line.act("DELETE", _file(file_id))

    # --- readings -------------------------------------------------------------------------------------------

    def read(self, file_id: str, *, name: str | None = None, pattern: str | None = None) -> dict[str, Any]:
        """How the platform understands a file, with its open questions; `name` keeps it as a pattern."""
        body = {key: value for key, value in (("name", name), ("pattern", pattern)) if value is not None}
        return self._line.create(f"{_file(file_id)}/readings", body)

    def reading(self, reading_id: str) -> dict[str, Any]:
        """A reading."""
        return object_of(self._line.get(_reading(reading_id)))

    def readings(self, *, file_id: str | None = None, after: str | None = None, limit: int | None = None) -> Listing:
        """Readings that the caller sees, newest first; the named ones are patterns."""
        query = {"file_id": file_id, "after": after, "limit": limit}
        return Listing.of(object_of(self._line.get("/v1/readings", query)))

    def correct(
        self,
        reading: Mapping[str, Any],
        *,
        answers: Mapping[str, str] | None = None,
        tables: list[Mapping[str, Any]] | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """Answer a reading's questions or correct its tables. Raises ConflictError when somebody was faster."""
        given = {"answers": answers, "tables": tables, "name": name}
        changes = {key: value for key, value in given.items() if value is not None}
        headers = {"If-Match": f'"{reading["version"]}"'}
        response = self._line.send("PUT", _reading(reading["id"]), json=changes, headers=headers, repeatable=False)
        return object_of(response)

    def delete_reading(self, reading_id: str) -> None:
        """Forget a reading."""
        self._line.act("DELETE", _reading(reading_id))

    # --- in parts -------------------------------------------------------------------------------------------

    def _in_parts(self, file: IO[bytes], size: int, name: str, purpose: str | None) -> dict[str, Any]:
        digest = sha256()
        while part := file.read(1 << 20):
            digest.update(part)
        body = {"filename": name, "bytes": size, "sha256": digest.hexdigest()}
        made = self._line.create("/v1/files", body if purpose is None else {**body, "purpose": purpose})
        self._parts(made["id"], file, size, 0)
        return self.file(made["id"])

    def _parts(self, file_id: str, file: IO[bytes], size: int, start: int) -> None:
        """Send the parts from `start` on; after a broken line ask how far it came. Raises UnavailableError."""
        lost = 0
        with bytes_bar(self._progress, "tải lên | upload", size) as advance:
            advance(start)
            while start < size:
                file.seek(start)
                part = file.read(PART_BYTES)
                try:
                    now = self._part(file_id, part, start, size)
                    lost = 0
                except ConflictError as error:
                    if error.word not in ("wrong-offset", "upload-complete"):
                        raise
                    now = self._received(file_id, size)
                except UnavailableError:
                    lost += 1
                    if lost >= TRIES:
                        raise
                    now = self._received(file_id, size)
                advance(now - start)
                start = now

    def _part(self, file_id: str, part: bytes, start: int, size: int) -> int:
        headers = {
            "Content-Range": f"bytes {start}-{start + len(part) - 1}/{size}",
            "Content-Type": "application/octet-stream",
        }
        path = f"{_file(file_id)}/content"
        response = self._line.send("PUT", path, content=part, headers=headers, repeatable=False, accepted=(308,))
        return size if response.status_code == 204 else start + len(part)

    def _received(self, file_id: str, size: int) -> int:
        found = self.file(file_id)
        return size if found["status"] == "ready" else int(found["received"])


@contextmanager
def bytes_bar(shown: bool, what: str, total: int | None) -> Iterator[Any]:
    """A progress bar of bytes on the standard error; gives a function that moves it on."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as bars:
        bar = bars.add_task(what, total=total)
        yield lambda amount: bars.advance(bar, amount)


def save(line: Transport, path: str, query: Mapping[str, Any], to: Path, shown: bool) -> Path:
    """Write an answer to a file; the file is whole or not there."""
    draft = to.with_name(to.name + ".part")
    try:
        with line.open(path, query) as response, draft.open("wb") as file:
            length = response.headers.get("content-length")
            with bytes_bar(shown, to.name, int(length) if length else None) as advance:
                for part in response.iter_bytes(1 << 18):
                    file.write(part)
                    advance(len(part))
        draft.replace(to)
    finally:
        draft.unlink(missing_ok=True)
    return to


@contextmanager
def _opened(source: Source) -> Iterator[tuple[IO[bytes], int]]:
    """A source as a file and its size. Raises InvalidInputError when it cannot be read."""
    if isinstance(source, bytes):
        yield io.BytesIO(source), len(source)
        return
    path = Path(source)
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidInputError(f"Không đọc được {path}.", f"{path} cannot be read.") from error
    with file:
        yield file, path.stat().st_size


def _file(file_id: str) -> str:
    return f"/v1/files/{quote(file_id, safe='')}"


def _reading(reading_id: str) -> str:
    return f"/v1/readings/{quote(reading_id, safe='')}"
