"""Records in a file, one after the other, read again without holding them all: four bytes of length, then MessagePack.

Decision: MessagePack, because numbers keep every bit and a million points cost tens of megabytes, not hundreds; a
length in front, so that chunks can be joined byte by byte without being read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Any, Final

import msgspec

from models.errors import IntegrityError

LENGTH_BYTES: Final = 4
MOST_BYTES: Final = 1 << 30
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder()


def pack(record: Any) -> bytes:
    """One record as bytes."""
    content = _ENCODER.encode(record)
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


def packed(records: Iterable[Any]) -> Iterator[bytes]:
    """Records as bytes, one by one."""
    for record in records:
        yield pack(record)


def unpack(file: IO[bytes]) -> Iterator[Any]:
    """The records of a file from where it stands. Raises IntegrityError when it is cut short or is no such file."""
    while head := file.read(LENGTH_BYTES):
        size = int.from_bytes(head, "big")
        content = file.read(size) if len(head) == LENGTH_BYTES and size <= MOST_BYTES else b""
        if len(content) != size or not size:
            raise _damaged()
        try:
            yield _DECODER.decode(content)
        except msgspec.DecodeError as error:
            raise _damaged() from error


def _damaged() -> IntegrityError:
    return IntegrityError("Nội dung đã lưu bị hỏng.", "What was kept is damaged.", code="object-damaged")
