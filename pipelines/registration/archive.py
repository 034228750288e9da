"""Unpacking what was sent: a zip, a tar or a compressed tar of files, or one bare file.

Decisions
- Members are read into memory, never written where their names say: whoever takes them gives them names of his own.
  A name that leaves the folder is refused all the same, because it says what the archive was made for.
- Links, devices and other special members are refused, as are encryption, duplicates and nested folders beyond reason.
- Counts, sizes and ratio are bounded before they are believed: the directory of a zip is measured before it is
  read, a tar is read member by member, and what unpacks beyond the limit is not unpacked.
- Checksums hold: of every member of a zip, of the whole of a gzip; what follows the end of a tar must be empty.
"""

from __future__ import annotations

import gzip
import re
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from models.errors import InvalidInputError
from pipelines.registration.formats import GZIP, SCHEMA, ZIP, refused

MOST_BYTES: Final = 1 << 30
MOST_MEMBERS: Final = 1_000
DIRECTORY_BYTES: Final = 1 << 20
MOST_RATIO: Final = 300
FREE_BYTES: Final = 16 << 20
"""Below this a ratio says nothing."""

LONGEST_NAME: Final = 200
DEEPEST: Final = 6
PART_BYTES: Final = 1 << 20
END_OF_ZIP: Final = b"PK\x05\x06"
END_BYTES: Final = 22 + 65_535
TAR_MAGIC: Final = (257, b"ustar")
DRIVE: Final = re.compile(r"[A-Za-z]:")

Members = dict[str, bytes]


def unpack(path: Path, name: str) -> Members:
    """The files of an upload by name; a bare file stands alone under `name`. Raises InvalidInputError."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise _too_large()
    with path.open("rb") as file:
        head = file.read(512)
        file.seek(0)
        if head.startswith(ZIP) or head.startswith(END_OF_ZIP):
            return _unzip(file, size, name)
        if head.startswith(GZIP):
            return _collect(_gunzip(file), size)
        if head[TAR_MAGIC[0] : TAR_MAGIC[0] + len(TAR_MAGIC[1])] == TAR_MAGIC[1]:
            return _collect(_untar(file), size)
        return {name: file.read()}


def _collect(parts: Iterator[tuple[str, bytes]], packed: int) -> Members:
    """The members, bounded in number, in bytes and in how much they grow. Raises InvalidInputError."""
    members: Members = {}
    folded: set[str] = set()
    total = 0
    for name, data in parts:
        total += len(data)
        if name.casefold() in folded:
            raise refused("archive-path", "Hai tệp trong gói trùng tên.", "Two files of the archive have one name.")
        if len(members) >= MOST_MEMBERS:
            raise too_many()
        if total > MOST_BYTES or total > FREE_BYTES + MOST_RATIO * packed:
            raise _too_large()
        folded.add(name.casefold())
        members[name] = data
    if not members:
        raise refused("archive-empty", "Gói không có tệp nào.", "The archive holds no file.")
    return members


# --- zip ----------------------------------------------------------------------------------------------------


def _unzip(file: IO[bytes], size: int, name: str) -> Members:
    _measure_directory(file, size)
    try:
        with zipfile.ZipFile(file) as archive:
            if SCHEMA in archive.namelist():  # a bare .skops file is such an archive itself
                file.seek(0)
                return {name: file.read()}
            return _collect(_zip_members(archive, size), size)
    except InvalidInputError:
        raise
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, OSError, RuntimeError) as error:
        raise damaged() from error


def _measure_directory(file: IO[bytes], size: int) -> None:
    """Refuse a zip by what its end says, before its directory is read. Raises InvalidInputError."""
    file.seek(max(0, size - END_BYTES))
    tail = file.read()
    at = tail.rfind(END_OF_ZIP)
    file.seek(0)
    if at < 0 or len(tail) - at < 22:
        raise damaged()
    entries, length = struct.unpack_from("<HL", tail, at + 10)
    if entries > MOST_MEMBERS or length > DIRECTORY_BYTES:  # also the marks of a zip64, which no model needs
        raise too_many()


def _zip_members(archive: zipfile.ZipFile, size: int) -> Iterator[tuple[str, bytes]]:
    left = min(MOST_BYTES, FREE_BYTES + MOST_RATIO * size)
    for member in archive.infolist():
        mode = member.external_attr >> 16
        kind = stat.S_IFMT(mode)
        if stat.S_ISLNK(mode):
            raise linked()
        if kind and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise special()
        name = checked_name(member.orig_filename)
        if member.flag_bits & 0x1:
            raise refused("archive-encrypted", "Gói có tệp mã hóa.", "The archive holds encrypted files.")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise damaged()
        if member.is_dir():
            continue
        with archive.open(member) as stream:
            data = stream.read(left + 1)
        left -= len(data)
        if left < 0:
            raise _too_large()
        yield name, data


# --- tar ----------------------------------------------------------------------------------------------------


def _gunzip(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            yield from _untar(stream)
    except InvalidInputError:
        raise
    except (gzip.BadGzipFile, zlib.error, EOFError, OSError) as error:
        raise damaged() from error


def _untar(stream: IO[bytes] | gzip.GzipFile) -> Iterator[tuple[str, bytes]]:
    count = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|", errorlevel=2) as archive:
            for member in archive:
                count += 1
                if count > MOST_MEMBERS:
                    raise too_many()
                data = _tar_member(archive, member)
                if data is not None:
                    yield checked_name(member.name), data
        while rest := stream.read(PART_BYTES):
            if rest.strip(b"\0"):
                raise damaged()
    except InvalidInputError:
        raise
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise damaged() from error


def _tar_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | None:
    """A member's content, None for a folder. Raises InvalidInputError."""
    checked_name(member.name)
    if member.issym() or member.islnk():
        raise linked()
    if member.isdir():
        return None
    if not member.isreg() or member.issparse():
        raise special()
    if member.size > MOST_BYTES:
        raise _too_large()
    content = archive.extractfile(member)
    data = b"" if content is None else content.read()
    if len(data) != member.size:
        raise damaged()
    return data


# --- names and refusals -------------------------------------------------------------------------------------


def checked_name(name: str) -> str:
    """A member's name, which stays inside. Raises InvalidInputError."""
    parts = name.rstrip("/").split("/")
    parts = parts[1:] if parts[0] == "." and len(parts) > 1 else parts
    plain = unicodedata.is_normalized("NFC", name) and name.isprintable() and len(name) <= LONGEST_NAME
    inside = not name.startswith("/") and "\\" not in name and not DRIVE.match(name) and len(parts) <= DEEPEST
    if not plain or not inside or any(part in ("", ".", "..") for part in parts if parts != ["."]):
        vi = "Gói có tên tệp không hợp lệ hoặc dẫn ra ngoài thư mục."
        raise refused("archive-path", vi, "The archive holds a file name that is malformed or leaves the folder.")
    return "/".join(parts)


def linked() -> InvalidInputError:
    """The refusal of a link."""
    return refused("archive-link", "Gói có liên kết (link).", "The archive holds a link.")


def special() -> InvalidInputError:
    """The refusal of a device or another special member."""
    vi = "Gói có thiết bị hoặc tệp đặc biệt."
    return refused("archive-device", vi, "The archive holds a device or another special file.")


def too_many() -> InvalidInputError:
    """The refusal of an archive with too many members."""
    vi = f"Gói có hơn {MOST_MEMBERS} tệp."
    return refused("archive-too-many", vi, f"The archive has more than {MOST_MEMBERS} files.")


def damaged() -> InvalidInputError:
    """The refusal of an archive whose structure or checksums do not hold."""
    vi = "Gói bị hỏng: cấu trúc hoặc mã kiểm tra (CRC) không khớp."
    return refused("archive-damaged", vi, "The archive is damaged: its structure or a checksum does not hold.")


def _too_large() -> InvalidInputError:
    vi = f"Gói khi giải nén vượt {MOST_BYTES >> 20} MiB hoặc nén quá cao."
    en = f"The archive unpacks to more than {MOST_BYTES >> 20} MiB, or was compressed beyond reason."
    return refused("archive-too-large", vi, en)
