"""multipart/form-data as a stream: short fields, and one file that is handed on as it arrives.

Decision: the grammar is python-multipart's; what may stand in a form is ours: few parts, short fields, short headers.
Nothing of the file is ever held, so two gigabytes cost as much memory as two kilobytes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from models.errors import InvalidInputError

MEDIA_TYPE: Final = "multipart/form-data"
MOST_PARTS: Final = 8
FIELD_BYTES: Final = 4_096
EXTENDED_NAME: Final = re.compile(rb"filename\*\s*=\s*UTF-8''([0-9A-Za-z!#$&+.^_`|~%-]{1,1000})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Field:
    """A short field: its name and its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file begins: the field's name, and the name that the sender gave the file. Its bytes follow."""

    name: str
    filename: str


logging.getLogger("python_multipart").setLevel(logging.ERROR)  # its warnings repeat bytes that were sent

FormPart = Field | FilePart | bytes


async def read_form(content_type: str | None, stream: AsyncIterator[bytes]) -> AsyncIterator[FormPart]:
    """The parts of a form in the order they were sent.

    Raises InvalidInputError: another media type (415), a body that breaks the grammar, ends early or holds too much
    (400).
    """
    form = _Form()
    parser = _parser(content_type, form)
    async for chunk in stream:
        if form.ended:
            continue
        try:
            parser.write(chunk)
        except FormParserError as error:
            raise malformed() from error
        for part in form.taken():
            yield part
    if not form.ended:
        vi, en = "Biểu mẫu kết thúc sớm.", "The form ended early."
        raise InvalidInputError.at("", vi, en, code="body-cut-short")


def is_form(content_type: str | None) -> bool:
    """Whether a Content-Type header announces a form."""
    return (content_type or "").partition(";")[0].strip().lower() == MEDIA_TYPE


def malformed() -> InvalidInputError:
    """The form breaks the grammar (400)."""
    vi, en = "Nội dung không phải multipart/form-data hợp lệ.", "The body is not well-formed multipart/form-data."
    return InvalidInputError.at("", vi, en, code="malformed-multipart")


def _parser(content_type: str | None, form: _Form) -> MultipartParser:
    kind, options = parse_options_header(content_type)
    if kind != MEDIA_TYPE.encode():
        vi, en = f"Cần Content-Type: {MEDIA_TYPE}.", f"Content-Type must be {MEDIA_TYPE}."
        raise InvalidInputError.at("", vi, en, code="unsupported-media-type")
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise malformed()
    callbacks: Any = {f"on_{name}": getattr(form, name) for name in CALLBACKS}
    try:
        return MultipartParser(boundary, callbacks)
    except FormParserError as error:
        raise malformed() from error


CALLBACKS: Final = (
    "part_begin", "part_data", "part_end", "header_field", "header_value", "header_end", "headers_finished", "end",
)  # fmt: skip


class _Form:
    """What the parser found, until it is taken."""

    def __init__(self) -> None:
        self.ended = False
        self._found: list[FormPart] = []
        self._parts = 0
        self._name = b""
        self._value = b""
        self._disposition = b""
        self._field: str | None = None
        self._text = b""

    def taken(self) -> list[FormPart]:
        """Everything found since the last call."""
        found, self._found = self._found, []
        return found

    def part_begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise malformed()
        self._disposition, self._field, self._text = b"", None, b""

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def headers_finished(self) -> None:
        kind, options = parse_options_header(self._disposition.decode("latin-1"))
        if kind != b"form-data" or b"name" not in options:
            raise malformed()
        name = _text(options[b"name"])
        extended = EXTENDED_NAME.search(self._disposition)
        if extended is not None:
            self._found.append(FilePart(name, _text(_unquoted(extended[1]))))
        elif b"filename" in options:
            self._found.append(FilePart(name, _text(options[b"filename"])))
        else:
            self._field = name

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self._found.append(data[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > FIELD_BYTES:
            raise malformed()

    def part_end(self) -> None:
        if self._field is not None:
            self._found.append(Field(self._field, _text(self._text)))

    def end(self) -> None:
        self.ended = True


def _unquoted(text: bytes) -> bytes:
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), text)


def _text(raw: bytes) -> str:
    """Names and fields are UTF-8. Raises InvalidInputError for anything else."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise malformed() from error
