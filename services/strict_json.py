"""The one strict path from bytes to a request: every endpoint's body goes through here.

Decision: msgspec decodes straight into the endpoint's Struct (no coercion, unknown fields forbidden), and one linear
scan over strings and brackets finds what a decoder lets pass: duplicate keys (also in an escaped spelling), depth
over 64 and NUL. The good case costs one decode and that scan. Only a refusal pays for an explanation:
a walk that finds the place as a JSON Pointer. Messages are built from *our* type, never from what was sent, so
nothing of the input comes back.

Status by code word: `malformed-json`, `duplicate-key`, `too-deep`, `empty-body` → 400; `too-large` → 413;
`unsupported-media-type` → 415; everything else 422 (`services.problems` keeps the table).
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from typing import Final, Generic, TypeVar

import msgspec

from models.errors import InvalidInputError
from services.wire_types import TypeTree

T = TypeVar("T")

MAX_DEPTH: Final = 64
EXPLAINED_BYTES: Final = 1 << 20  # beyond this a refusal names no place: the walk is for people, not for attackers
LARGE_BYTES: Final = 4 << 20
MAX_CONTAINERS: Final = 200_000  # brackets in a large body; 2 million points need 1,000
MAX_WALKED: Final = 200_000  # tokens; the refusal stands whether or not its place is found
RATIO_FREE_BYTES: Final = 1 << 20
MAX_RATIO: Final = 400  # zeros in JSON deflate about 1:300; a bomb 1:1,000

STRING = rb'"(?:[^"\\]++|\\.)*+"?'
BRACKETS: Final = re.compile(rb"[{}\[\]]")
OPENING: Final = frozenset({b"{", b"["})
SEPARATORS: Final = frozenset({b":", b": ", b",", b", "})
SPACES: Final = frozenset({b" ", b"\t", b"\n", b"\r"})
COLON: Final = re.compile(rb"[ \t\n\r]*+:")
PLACES: Final = re.compile(STRING + rb"(?:[ \t\n\r]*+:)?|[{}\[\],]|[-+]?(?i:nan|inf(?:inity)?)\b", re.DOTALL)
ESCAPE: Final = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)


class BadPlaceError(Exception):
    """What the walk found first: a code word and the pointer of the place."""

    def __init__(self, word: str, pointer: str) -> None:
        super().__init__(word)
        self.word = word
        self.pointer = pointer


MESSAGES: Final = {
    "malformed-json": ("Nội dung không phải JSON hợp lệ.", "The body is not well-formed JSON."),
    "empty-body": ("Thiếu nội dung JSON.", "A JSON body is required."),
    "duplicate-key": ("Một khóa xuất hiện hai lần trong cùng đối tượng.", "A key stands twice in one object."),
    "too-deep": (f"JSON lồng quá {MAX_DEPTH} tầng.", f"JSON nested deeper than {MAX_DEPTH} levels."),
    "not-utf-8": ("Nội dung không phải UTF-8 hợp lệ.", "The body is not valid UTF-8."),
    "nul-character": ("Văn bản chứa ký tự NUL.", "Text contains a NUL character."),
    "lone-surrogate": ("Văn bản chứa nửa cặp surrogate.", "Text contains a lone surrogate."),
    "not-finite": ("Số phải hữu hạn: không nhận NaN, Infinity.", "Numbers must be finite: no NaN, no Infinity."),
    "too-large": ("Nội dung có quá nhiều phần tử.", "The body holds too many members."),
}


def refusal(word: str, pointer: str = "") -> InvalidInputError:
    """The error for one of MESSAGES at a place."""
    vi, en = MESSAGES[word]
    return InvalidInputError.at(pointer, vi, en, code=word)


class Decoder(Generic[T]):
    """Decodes bodies of one request type. One instance serves all threads."""

    def __init__(self, kind: type[T], *, empty_allowed: bool = False) -> None:
        """`empty_allowed`: a POST that takes nothing accepts an empty body as `{}`."""
        self._decode = msgspec.json.Decoder(kind).decode
        self._kind = kind
        self._empty_allowed = empty_allowed

    @cached_property
    def _tree(self) -> TypeTree:
        """The type as a tree: only refusals need it."""
        return TypeTree(self._kind)

    def decode(self, body: bytes) -> T:
        """The request in `body`. Raises InvalidInputError with pointers; never anything else."""
        if not body.strip():
            if not self._empty_allowed:
                raise refusal("empty-body")
            body = b"{}"
        if len(body) > LARGE_BYTES and body.count(b"{") + body.count(b"[") > MAX_CONTAINERS:
            raise refusal("too-large")
        try:
            value = self._decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._explain(body, error) from None
        if suspicious(body):
            raise _found(body, self._tree.names) or refusal("malformed-json")
        return value

    def _explain(self, body: bytes, error: Exception) -> InvalidInputError:
        """Why a body was refused: first what makes it bad JSON, then what makes it the wrong request."""
        found = _found(body, self._tree.names)
        if found is not None:
            return found
        if isinstance(error, UnicodeDecodeError):
            return refusal("not-utf-8")
        if not isinstance(error, msgspec.ValidationError) or not well_formed(body):
            return refusal("malformed-json")
        return self._tree.fault(str(error))


def suspicious(body: bytes) -> bool:
    """Whether well-formed JSON has a duplicate key, more than 64 levels or a NUL: one linear scan.

    The scan goes from quotation mark to quotation mark, which is a search of bytes in C, so a long text costs nothing.
    """
    if b"\\" not in body:
        pieces = body
    elif b"\\u0000" in body and any(b"\\u0000" in found[0] for found in ESCAPE.finditer(body)):
        return True
    else:
        pieces = body.replace(b"\\\\", b"\\_").replace(b'\\"', b"\\_")  # as long as before, quotes only at the ends
    return _unruly(body, pieces)


def _unruly(body: bytes, plain: bytes) -> bool:
    """Whether a key stands twice or a level is too deep; `plain` is the body without escaped quotation marks."""
    stack: list[set[bytes]] = []
    keys: set[bytes] = set()
    find, place, opened = plain.find, 0, plain.find(b'"')
    while opened >= 0:
        between = plain[place:opened]
        if between not in SEPARATORS:
            keys, deep = _levels(between, stack, keys)
            if deep:
                return True
        place = find(b'"', opened + 1) + 1
        mark = plain[place : place + 1]
        if mark == b":" or (mark in SPACES and COLON.match(plain, place)):
            key = body[opened:place]
            if b"\\" in key:
                key = _plain(key)
            if key in keys:
                return True
            keys.add(key)
        opened = find(b'"', place)
    return _levels(plain[place:], stack, keys)[1]


def _levels(between: bytes, stack: list[set[bytes]], keys: set[bytes]) -> tuple[set[bytes], bool]:
    """Follow the brackets between two strings: the keys of the object that is open then, and whether it is too deep."""
    for bracket in BRACKETS.findall(between):
        if bracket in OPENING:
            stack.append(keys)
            if len(stack) > MAX_DEPTH:
                return keys, True
            keys = set()
        elif stack:
            keys = stack.pop()
    return keys, False


def well_formed(body: bytes) -> bool:
    """Whether the bytes are JSON syntax, without building the value; call after the depth is known to be small."""
    try:
        SYNTAX.decode(body)
        body.decode("utf-8")
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return True


SYNTAX: Final = msgspec.json.Decoder(msgspec.Raw)


def _plain(key: bytes) -> bytes:
    """A key as its plain spelling in quotes, so that an escaped spelling of `text` equals `text`."""
    try:
        text = json.loads(key)
    except ValueError:
        return key
    return b'"' + str(text).encode("utf-8", "surrogatepass") + b'"'


def _found(body: bytes, names: frozenset[bytes]) -> InvalidInputError | None:
    """The first bad place of a body, or None when its first tokens are clean. Never raises; bounded in time."""
    try:
        if len(body) <= EXPLAINED_BYTES:
            _walk(islice((match[0] for match in PLACES.finditer(body)), MAX_WALKED), names)
        else:
            _walk(islice(_without_commas(body), MAX_WALKED), frozenset())
    except BadPlaceError as bad:
        return refusal(bad.word, bad.pointer)
    return None


def _without_commas(body: bytes) -> Iterator[bytes]:
    return (match[0] for match in PLACES.finditer(body) if match[0] != b",")


def _walk(tokens: Iterable[bytes], names: frozenset[bytes]) -> None:
    """Follow the tokens with a pointer. Raises BadPlaceError at the first duplicate, depth, NUL, surrogate, NaN."""
    path: list[int | bytes] = []  # index in the open array, or last key of the open object
    seen: list[set[bytes]] = []
    for token in tokens:
        first = token[0]
        if first == 34:
            word = _bad_text(token)
            if token[-1] == 58 and seen:
                key = path[-1] = _plain(token[:-1].rstrip())
                word = word or ("duplicate-key" if key in seen[-1] else "")
                seen[-1].add(key)
            if word:
                raise BadPlaceError(word, _pointer(path, names))
        elif first in b"{[":
            if len(path) >= MAX_DEPTH:
                raise BadPlaceError("too-deep", "")
            path.append(0 if first == 91 else b"")
            seen.append(set())
        elif first in b"}]":
            if path:
                path.pop()
                seen.pop()
        elif first != 44:
            raise BadPlaceError("not-finite", _pointer(path, names))
        elif path and isinstance(path[-1], int):
            path[-1] += 1


def _pointer(path: list[int | bytes], names: frozenset[bytes]) -> str:
    """The pointer as far as it consists of indices and of our own field names: other keys are input."""
    parts = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"/{step}")
        elif step.strip(b'"') in names:
            parts.append("/" + step.strip(b'"').decode())
        else:
            break
    return "".join(parts)


def _bad_text(token: bytes) -> str:
    """The word for a string with a NUL or a lone surrogate, else the empty string."""
    if b"\\u" not in token:
        return ""
    high = False
    end = 0
    for match in ESCAPE.finditer(token):
        digits = match[1]
        unit = int(digits, 16) if digits else -1
        if high and (match.start() != end or not 0xDC00 <= unit <= 0xDFFF):
            return "lone-surrogate"
        if unit == 0:
            return "nul-character"
        if not high and 0xDC00 <= unit <= 0xDFFF:
            return "lone-surrogate"
        high = not high and 0xD800 <= unit <= 0xDBFF
        end = match.end()
    return "lone-surrogate" if high else ""


def unpack(body: bytes, limit: int) -> bytes:
    """A gzip body unpacked to at most `limit` bytes. Raises InvalidInputError for bombs, tails and broken streams."""
    stream = zlib.decompressobj(wbits=31)
    try:
        data = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise _bad_gzip() from error
    if len(data) > limit or (len(data) > RATIO_FREE_BYTES and len(data) > MAX_RATIO * len(body)):
        raise too_large(limit)
    if not stream.eof or stream.unused_data:
        raise _bad_gzip()
    return data


def _bad_gzip() -> InvalidInputError:
    return InvalidInputError.at("", "Nội dung gzip bị hỏng.", "The gzip body is damaged.", code="malformed-gzip")


def too_large(limit: int) -> InvalidInputError:
    """The body is over the limit in bytes (413)."""
    return InvalidInputError.at(
        "", f"Nội dung vượt quá {limit} byte.", f"The body is larger than {limit} bytes.", code="too-large"
    )
