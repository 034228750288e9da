"""A request type as a tree: from a decoder's complaint to a fault that names only what is ours.

Decision: msgspec's messages repeat field names and values that were sent, so they are never shown. Its path is
followed through our own type, step by step; what the path does not find there is dropped. The sentence is then made
from the type at that place: what would have been accepted.
"""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec import inspect

from models.errors import Fault, InvalidInputError, Note

STEP: Final = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]|\[\.\.\.\]")
PATH: Final = re.compile(r"\$(?:\.\w+|\[\d+\]|\[\.\.\.\])*`")
MISSING: Final = re.compile(r"Object missing required field `([A-Za-z0-9_]+)`")


class TypeTree:
    """The shape of one request type, built once."""

    def __init__(self, kind: Any) -> None:
        self._root = inspect.type_info(kind)
        self.names = frozenset(_names(self._root, set()))

    def fault(self, message: str) -> InvalidInputError:
        """The refusal for one of msgspec's messages: pointer, rule, what is allowed."""
        what, _, path = message.rpartition(" - at `")
        if not PATH.fullmatch(path):
            what, path = message, "$"
        place, pointer = self._follow(path)
        if missing := MISSING.match(what):
            name = missing[1]
            vi, en = f"Thiếu trường bắt buộc {name}.", f"Required field {name} is missing."
            return _refuse(f"{pointer}/{name}", vi, en, "missing-field")
        if what.startswith("Object contains unknown field"):
            allowed = ", ".join(_fields(place)) or "—"
            vi, en = f"Có trường không được phép; cho phép: {allowed}.", f"Unknown field; allowed: {allowed}."
            return _refuse(pointer, vi, en, "unknown-field")
        if what.startswith("Number out of range"):
            vi, en = "Số nằm ngoài khoảng biểu diễn được.", "The number is out of range."
            return _refuse(pointer, vi, en, "not-finite")
        allowed_note = describe(place)
        return _refuse(pointer, f"Cần: {allowed_note.vi}.", f"Expected: {allowed_note.en}.", "wrong-value")

    def _follow(self, path: str) -> tuple[inspect.Type, str]:
        place, pointer = self._root, ""
        for match in STEP.finditer(path):
            step = _child(place, match[1], match[2])
            if step is None:
                break
            place = step
            if match[0] == "[...]":
                break  # the key of a mapping was chosen by the caller
            pointer += f"/{match[1] or match[2]}"
        return place, pointer


def _refuse(pointer: str, vi: str, en: str, word: str) -> InvalidInputError:
    return InvalidInputError(
        "Dữ liệu gửi lên không đúng quy định.", "The request is not valid.", (Fault(pointer, vi, en),), code=word
    )


def _names(kind: inspect.Type, seen: set[type]) -> set[bytes]:
    """All field names of a type and of the types below it."""
    if isinstance(kind, inspect.StructType):
        if kind.cls in seen:
            return set()
        seen.add(kind.cls)
        found = {field.encode_name.encode() for field in kind.fields}
        return found.union(*(_names(field.type, seen) for field in kind.fields))
    found = set()
    for below in _below(kind):
        found |= _names(below, seen)
    return found


def _below(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    if isinstance(kind, inspect.UnionType):
        return kind.types
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return (kind.item_type,)
    if isinstance(kind, inspect.DictType):
        return (kind.value_type,)
    if isinstance(kind, inspect.Metadata):
        return (kind.type,)
    return ()


def _child(kind: inspect.Type, name: str | None, index: str | None) -> inspect.Type | None:
    """The type one step down, or None when our type has no such place."""
    if isinstance(kind, inspect.UnionType | inspect.Metadata):
        return next((found for part in _below(kind) if (found := _child(part, name, index)) is not None), None)
    if isinstance(kind, inspect.StructType) and name:
        return next((field.type for field in kind.fields if field.encode_name == name), None)
    if isinstance(kind, inspect.ListType | inspect.VarTupleType) and index:
        return kind.item_type
    if isinstance(kind, inspect.DictType) and not name and not index:
        return kind.value_type
    return None


def _fields(kind: inspect.Type) -> list[str]:
    if isinstance(kind, inspect.StructType):
        return [field.encode_name for field in kind.fields]
    return [name for part in _below(kind) for name in _fields(part)]


def describe(kind: inspect.Type) -> Note:
    """What a place accepts, in both languages."""
    if isinstance(kind, inspect.UnionType):
        parts = [describe(part) for part in kind.types]
        return Note(" hoặc ".join(part.vi for part in parts), " or ".join(part.en for part in parts))
    if isinstance(kind, inspect.Metadata):
        return describe(kind.type)
    if isinstance(kind, inspect.LiteralType):
        values = ", ".join(str(value) for value in kind.values)
        return Note(f"một trong: {values}", f"one of: {values}")
    vi, en = WORDS.get(type(kind), ("giá trị JSON", "a JSON value"))
    limits = _limits(kind)
    return Note(vi + limits, en + limits)


WORDS: Final[dict[type, tuple[str, str]]] = {
    inspect.StrType: ("chuỗi ký tự", "a string"),
    inspect.IntType: ("số nguyên", "an integer"),
    inspect.FloatType: ("số", "a number"),
    inspect.BoolType: ("true hoặc false", "true or false"),
    inspect.NoneType: ("null", "null"),
    inspect.ListType: ("danh sách", "a list"),
    inspect.VarTupleType: ("danh sách", "a list"),
    inspect.DictType: ("đối tượng", "an object"),
    inspect.StructType: ("đối tượng", "an object"),
    inspect.DateTimeType: ("thời điểm RFC 3339", "an RFC 3339 time"),
}

SIGNS: Final = (
    ("gt", ">"),
    ("ge", "≥"),
    ("lt", "<"),
    ("le", "≤"),
    ("min_length", "length ≥"),
    ("max_length", "length ≤"),
)


def _limits(kind: inspect.Type) -> str:
    found = [f"{sign} {value}" for name, sign in SIGNS if (value := getattr(kind, name, None)) is not None]
    pattern = getattr(kind, "pattern", None)
    if pattern is not None:
        found.append(f"pattern {pattern}")
    return f" ({', '.join(found)})" if found else ""
