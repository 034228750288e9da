"""Bytes on disk: written once, under a name nobody can guess, with the digest of what was written.

Decisions
- An object is written to `partial/`, flushed, and renamed into place; the folder is flushed after it. A crash leaves a
  whole object or none. What a killed process left in `partial/` goes at the next start (`sweep`).
- Resumable uploads grow in `uploads/` under the file's id; they outlive a restart and end by `seal` or `discard`.
- Names are random, not digests: two tenants that keep the same bytes must not learn of each other, and deleting one
  must not need a count of the others.
- Quotas are kept beside (registry.files), in the transaction that makes a row own the object.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from models.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    PlatformError,
    UnavailableError,
)

READ_BYTES: Final = 1 << 20
NAME: Final = re.compile(r"[0-9a-f]{48}")
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that lies on disk: its name, size and digest."""

    name: str
    bytes: int
    sha256: str


class Writing:
    """An object on its way. `write` parts, then `commit`; leaving the block without it removes what was written."""

    def __init__(self, objects: Objects, most: int | None) -> None:
        """Made by `Objects.begin`."""
        self._objects = objects
        self._most = most
        self._digest = sha256()
        self._bytes = 0
        self.name = secrets.token_hex(24)
        self._path = objects.partial / self.name
        with storage_faults():
            self._file: IO[bytes] | None = self._path.open("xb", buffering=READ_BYTES)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._bytes

    def write(self, part: bytes) -> None:
        """Append. Raises InvalidInputError (`too-large`) beyond the limit, UnavailableError when the disk is full."""
        if self._file is None:
            raise ValueError("the object is closed")
        self._bytes += len(part)
        if self._most is not None and self._bytes > self._most:
            raise too_large(self._most)
        self._digest.update(part)
        with storage_faults():
            self._file.write(part)

    def commit(self) -> Stored:
        """Make the object durable under its name. Raises UnavailableError when the disk is full or failing."""
        if self._file is None:
            raise ValueError("the object is closed")
        with storage_faults():
            _flush(self._file)
            self._file.close()
            self._file = None
            self._objects.place(self._path, self.name)
        return Stored(self.name, self._bytes, self._digest.hexdigest())

    def abort(self) -> None:
        """Remove what was written, unless it was committed."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was not committed."""
        self.abort()


class Growing:
    """One part of a resumable upload on its way: `write`, then `keep` (also when the sender went away) or `abort`.

    Decision: unbuffered, so that what did not fit on a full disk is not written later, by a close, behind what a
    sender was told had arrived; and a flush that failed takes the part back: the kernel may have dropped its pages.
    """

    def __init__(self, path: Path, offset: int, most: int) -> None:
        """Made by `Objects.resume`."""
        with storage_faults():
            self._file = path.open("ab", buffering=0)
        self._start = self._end = self._file.tell()
        self._most = most
        if offset != self._start:
            self._file.close()
            raise wrong_offset(self._start)

    def write(self, part: bytes) -> None:
        """Append. Raises InvalidInputError (`too-large`) beyond the limit, UnavailableError when the disk is full."""
        if self._end + len(part) > self._most:
            raise too_large(self._most)
        with storage_faults():
            left = memoryview(part)
            while left:
                left = left[self._file.write(left) :]
        self._end += len(part)

    def keep(self) -> int:
        """Make what was written durable; the upload's size now.

        Raises UnavailableError when the disk does not take it; the part is taken back then.
        """
        try:
            with storage_faults():
                _flush(self._file)
                self._file.close()
        except BaseException:
            self.abort()
            raise
        return self._end

    def abort(self) -> None:
        """Take back what this part wrote."""
        if not self._file.closed:
            with suppress(OSError):
                self._file.truncate(self._start)
            with suppress(OSError):
                self._file.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take back what was not kept."""
        self.abort()


class Objects:
    """The object store of an installation: a folder. Safe for threads and processes."""

    def __init__(self, root: Path) -> None:
        """Create the folders (mode 0700) where they are missing."""
        self.root = root
        self.partial = root / "partial"
        self.uploads = root / "uploads"
        with storage_faults():
            for folder in (root, self.partial, self.uploads):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def begin(self, most: int | None = None) -> Writing:
        """Start an object of at most `most` bytes. Raises UnavailableError when the disk is full."""
        return Writing(self, most)

    def keep(self, parts: Iterable[bytes], most: int | None = None) -> Stored:
        """Write a whole object. Raises like `Writing`."""
        with self.begin(most) as writing:
            for part in parts:
                writing.write(part)
            return writing.commit()

    def path(self, name: str) -> Path:
        """Where an object lies, to be read in place. Raises NotFoundError when it is gone."""
        found = self._place(name)
        if not found.is_file():
            raise NotFoundError("Không còn nội dung.", "The content is gone.", code="content-gone")
        return found

    def size(self, name: str) -> int:
        """The object's size in bytes; 0 when it is gone."""
        found = self._place(name)
        return found.stat().st_size if found.is_file() else 0

    def open(self, name: str) -> IO[bytes]:
        """The object's bytes. Raises NotFoundError when it is gone."""
        return self.path(name).open("rb")

    def parts(self, name: str, size: int = READ_BYTES) -> Iterator[bytes]:
        """The object's bytes in parts, for streaming."""
        with self.open(name) as file:
            while part := file.read(size):
                yield part

    def check(self, name: str, digest: str) -> Path:
        """The object's path, its bytes held against their digest. Raises NotFoundError, IntegrityError."""
        path = self.path(name)
        if digest_of(path) != digest:
            raise IntegrityError("Nội dung đã bị thay đổi.", "The content was altered.", code="object-altered")
        return path

    def delete(self, name: str) -> None:
        """Remove an object; one that is gone already is no error."""
        self._place(name).unlink(missing_ok=True)

    # --- resumable uploads ----------------------------------------------------------------------------------

    def received(self, upload: str) -> int:
        """How many bytes of a resumable upload have arrived and are durable."""
        path = self._upload(upload)
        return path.stat().st_size if path.is_file() else 0

    def resume(self, upload: str, offset: int, most: int) -> Growing:
        """Continue an upload at its end; it may grow to `most` bytes.

        Raises ConflictError (`wrong-offset`, with `received`) when `offset` is not the end.
        """
        return Growing(self._upload(upload), offset, most)

    def seal(self, upload: str, digest: str) -> Stored:
        """Turn a complete upload into an object. Raises ConflictError (`digest-mismatch`), the upload is kept."""
        path = self._upload(upload)
        with storage_faults():
            found = digest_of(path)
            if found != digest:
                raise ConflictError(
                    "Nội dung nhận được không khớp mã băm đã khai.",
                    "What was received does not have the declared digest.",
                    code="digest-mismatch",
                )
            size, name = path.stat().st_size, secrets.token_hex(24)
            self.place(path, name)
        return Stored(name, size, digest)

    def discard(self, upload: str) -> None:
        """Give up a resumable upload."""
        self._upload(upload).unlink(missing_ok=True)

    # --- the keeper's work ----------------------------------------------------------------------------------

    def sweep(self, objects: Container[str], uploads: Container[str], spare_after: float | None = None) -> int:
        """Remove what no row owns: temporary files, objects not in `objects`, uploads not in `uploads`.

        Without `spare_after` for the start alone, when nothing else writes; with it (seconds since 1970) what was
        written later stays, so that it may run beside work under way. How many were removed.
        """
        removed = 0
        owned: list[tuple[Path, Container[str]]] = [(path, ()) for path in self.partial.iterdir()]
        owned += [(path, uploads) for path in self.uploads.iterdir()]
        owned += [(path, objects) for path in self.root.glob("[0-9a-f][0-9a-f]/*")]
        for path, known in owned:
            with suppress(FileNotFoundError):  # placed or deleted since it was listed
                if path.name not in known and (spare_after is None or path.stat().st_mtime <= spare_after):
                    path.unlink()
                    removed += 1
        return removed

    def place(self, path: Path, name: str) -> None:
        """Give a flushed file its final name; durable when this returns. When it raises the file has its old name."""
        final = self._place(name)
        final.parent.mkdir(mode=0o700, exist_ok=True)
        os.rename(path, final)
        try:
            for folder in (final.parent, self.root):
                _flush_folder(folder)
        except BaseException:
            os.rename(final, path)
            raise

    def _place(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise NotFoundError("Không còn nội dung.", "The content is gone.", code="content-gone")
        return self.root / name[:2] / name

    def _upload(self, upload: str) -> Path:
        if not re.fullmatch(r"[0-9a-z_]{8,64}", upload):
            raise NotFoundError("Không tìm thấy tệp.", "No such file.")
        return self.uploads / upload


@contextmanager
def storage_faults() -> Iterator[None]:
    """Turn a full or failing disk into UnavailableError (`files-full`, 507)."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise disk_full() from error
        raise


def disk_full() -> PlatformError:
    """The answer when the disk cannot take more."""
    return UnavailableError(
        "Không ghi được xuống ổ đĩa (đầy, lỗi hoặc chỉ đọc).",
        "The disk cannot be written (full, failing or read-only).",
        30,
        code="files-full",
    )


def too_large(most: int) -> InvalidInputError:
    """The answer to more bytes than were allowed or declared."""
    return InvalidInputError(
        f"Nội dung vượt quá {most} byte.", f"The content exceeds {most} bytes.", code="too-large", most_bytes=most
    )


def wrong_offset(received: int) -> ConflictError:
    """The answer to a part that does not continue where the upload ends."""
    return ConflictError(
        f"Phần gửi lên phải bắt đầu tại byte {received}.",
        f"The part must start at byte {received}.",
        code="wrong-offset",
        received=received,
    )


def digest_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    digest = sha256()
    with path.open("rb") as file:
        while part := file.read(READ_BYTES):
            digest.update(part)
    return digest.hexdigest()


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
