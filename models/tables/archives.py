"""What a file is and whether it may be opened, told before anything is unpacked: `kind_of`.

Decision: an archive is judged by its directory alone (number of parts, declared sizes, ratio), because the danger is
in the unpacking. A directory that lies is caught later: the parsers run with bounded memory and time (`cage`).
"""

from __future__ import annotations

import mmap
import struct
import zipfile
from pathlib import Path
from typing import Literal

from models.tables.refusals import bomb, damaged, encrypted, not_table, refuse

Format = Literal["xls", "xlsx", "xlsb", "ods", "parquet", "page", "text"]

HEAD_BYTES = 8192
MOST_PARTS = 4096
DIRECTORY_BYTES = 4 << 20
UNPACKED_BYTES = 1 << 30
SUSPECT_BYTES = 24 << 20
RATIO = 200
"""An archive that unpacks to more than SUSPECT_BYTES and more than RATIO times its size is a bomb."""

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_END = b"PK\x05\x06"
_FOREIGN = (
    (b"\x89PNG", "ảnh PNG", "a PNG picture"), (b"\xff\xd8\xff", "ảnh JPEG", "a JPEG picture"),
    (b"GIF8", "ảnh GIF", "a GIF picture"), (b"BM", "ảnh BMP", "a BMP picture"),
    (b"II*\x00", "ảnh TIFF", "a TIFF picture"), (b"MM\x00*", "ảnh TIFF", "a TIFF picture"),
    (b"RIFF", "tệp ảnh hoặc âm thanh", "a picture or sound"), (b"%PDF", "tài liệu PDF", "a PDF document"),
    (b"{\\rtf", "tài liệu RTF", "an RTF document"), (b"\x1f\x8b", "tệp nén GZIP", "a GZIP archive"),
    (b"7z\xbc\xaf", "tệp nén 7z", "a 7z archive"), (b"Rar!", "tệp nén RAR", "a RAR archive"),
    (b"\xfd7zXZ", "tệp nén XZ", "an XZ archive"), (b"BZh", "tệp nén BZIP2", "a BZIP2 archive"),
    (b"(\xb5/\xfd", "tệp nén Zstandard", "a Zstandard archive"), (b"\x7fELF", "chương trình", "a program"),
    (b"MZ", "chương trình", "a program"), (b"SQLite format 3", "cơ sở dữ liệu SQLite", "an SQLite database"),
    (b"ARROW1", "tệp Arrow", "an Arrow file"), (b"ORC", "tệp ORC", "an ORC file"),
)  # fmt: skip
_PAGES = (b"<html", b"<!doctype html", b"<table", b"<?xml", b"<workbook", b"<meta", b"<head", b"<style", b"<body")
_BOFS = (b"\x09\x08\x10\x00\x00\x06\x05\x00", b"\x09\x08\x08\x00\x00\x05\x05\x00")
_FILEPASS = 0x2F


def kind_of(path: Path) -> Format:
    """What the file's content is. Raises InvalidInputError for what is no table or may not be opened."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise refuse("file-empty", "Tệp không có nội dung.", "The file has no content.")
    if head.startswith(OLE):
        _check_ole(path)
        return "xls"
    if head.startswith((b"PK\x03\x04", _END)):
        return _archive(path)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(tuple(bof[:2] for bof in _BOFS)) and head[2:4] in (b"\x10\x00", b"\x08\x00"):
        return "xls"
    for magic, vi, en in _FOREIGN:
        if head.startswith(magic) and (len(magic) > 2 or b"\x00" in head or _is_binary(head)):
            raise not_table(vi, en)
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:64].lower().startswith(_PAGES):
        return "page"
    if _is_binary(head):
        raise not_table("dữ liệu nhị phân", "binary data")
    return "text"


def _is_binary(head: bytes) -> bool:
    """Whether it has what no text has: NUL outside UTF-16, or many control characters."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return False
    if b"\x00" in head:
        return not looks_like_utf16(head)
    controls = sum(byte < 32 and byte not in b"\t\n\r\x0b\x0c\x1a\x1b" for byte in head)
    return controls * 50 > len(head)


def looks_like_utf16(head: bytes) -> str | None:
    """The UTF-16 encoding that a text without a mark is in, told by where its zeros stand."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = max(1, len(head) // 2)
    if odd > 0.3 * half and even < 0.05 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.3 * half and odd < 0.05 * half else None


def _archive(path: Path) -> Format:
    size = path.stat().st_size
    _check_directory(path, size)
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            kind = _kind_of_parts(archive, {part.filename for part in parts})
    except (zipfile.BadZipFile, OSError, ValueError, struct.error, NotImplementedError, RuntimeError) as error:
        raise damaged() from error
    unpacked = sum(part.file_size for part in parts)
    if len(parts) > MOST_PARTS or unpacked > UNPACKED_BYTES or (unpacked > SUSPECT_BYTES and unpacked > RATIO * size):
        raise bomb()
    if any(part.flag_bits & 1 for part in parts):
        raise encrypted()
    return kind


def _check_directory(path: Path, size: int) -> None:
    """Refuse a directory too large to be listed before it is listed."""
    with path.open("rb") as file:
        file.seek(max(0, size - 65_557))
        tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        raise damaged()
    parts, length = struct.unpack("<HI", tail[at + 10 : at + 16])
    if parts > MOST_PARTS or length > DIRECTORY_BYTES:
        raise bomb()


def _kind_of_parts(archive: zipfile.ZipFile, names: set[str]) -> Format:
    lower = {name.lower() for name in names}
    if "xl/workbook.bin" in lower:
        return "xlsb"
    if "xl/workbook.xml" in lower or any(name.startswith("xl/worksheets/") for name in lower):
        return "xlsx"
    if "content.xml" in names:
        kind = archive.read("mimetype")[:100] if _is_small(archive, "mimetype", 100) else b""
        if kind and b"spreadsheet" not in kind:
            raise not_table("tài liệu OpenDocument", "an OpenDocument document")
        if _is_small(archive, "META-INF/manifest.xml", 1 << 20) and b"encryption-data" in archive.read(
            "META-INF/manifest.xml"
        ):
            raise encrypted()
        return "ods"
    if any(name.startswith("word/") for name in lower):
        raise not_table("tài liệu Word", "a Word document")
    if any(name.startswith("ppt/") for name in lower):
        raise not_table("bản trình chiếu", "a presentation")
    raise not_table("tệp nén ZIP", "a ZIP archive")


def _is_small(archive: zipfile.ZipFile, name: str, most: int) -> bool:
    return name in archive.NameToInfo and archive.getinfo(name).file_size <= most


def _check_ole(path: Path) -> None:
    """Refuse what an old container holds besides a readable workbook: encryption, other documents."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data.find("EncryptedPackage".encode("utf-16-le")) >= 0:
            raise encrypted()
        if not any(
            data.find(f"{name}\0".encode("utf-16-le")) >= 0 for name in ("Workbook", "Book", "WORKBOOK", "BOOK")
        ):
            if data.find("WordDocument".encode("utf-16-le")) >= 0:
                raise not_table("tài liệu Word", "a Word document")
            if data.find("PowerPoint Document".encode("utf-16-le")) >= 0:
                raise not_table("bản trình chiếu", "a presentation")
            raise damaged()
        if _has_filepass(data):
            raise encrypted()


def _has_filepass(data: mmap.mmap) -> bool:
    """Whether a workbook stream begins with the record that says it is encrypted."""
    for bof in _BOFS:
        at = data.find(bof)
        while at >= 0:
            if at % 64 == 0:
                place = at
                for _ in range(8):
                    if place + 4 > len(data):
                        break
                    record, length = struct.unpack("<HH", data[place : place + 4])
                    if record == _FILEPASS:
                        return True
                    place += 4 + length
            at = data.find(bof, at + 1)
    return False
