"""A reading as the JSON object that callers see and send: strict in, complete out.

On the wire `period.source` is called `from`, and `markers` is an object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import msgspec

from models.errors import InvalidInputError
from models.tables.shape import Caution, Column, Coverage, Option, Question, Reading, RowCounts, Sampled, Table

_PATH = re.compile(r" - at `\$(.*)`")
_STEP = re.compile(r"\.([A-Za-z_]+)|\[(\d+|\.\.\.)\]")
_PARTS: dict[str, type] = {
    "columns": Column, "period": Coverage, "rows": RowCounts, "sample": Sampled, "tables": Table,
    "questions": Question, "options": Option, "warnings": Caution,
}  # fmt: skip
_RANGE = re.compile(r"[A-Z]{1,3}[1-9]\d{0,6}:[A-Z]{1,3}[1-9]\d{0,6}")


def reading_to_dict(reading: Reading) -> dict[str, Any]:
    """The reading as plain data for JSON."""
    found: dict[str, Any] = msgspec.to_builtins(asdict(reading))
    for table in found["tables"]:
        table["period"] = {"from": table["period"].pop("source"), **table["period"]}
        table["markers"] = dict(table["markers"])
    if found["name"] is None:
        del found["name"]
    return found


def reading_from_dict(data: Mapping[str, Any]) -> Reading:
    """The reading that plain data describe. Raises InvalidInputError with the place of the fault."""
    shaped = _shaped(data, Reading, "")
    try:
        reading = msgspec.convert(shaped, Reading, strict=True)
    except msgspec.ValidationError as error:
        raise _fault(_pointer(str(error))) from error
    for at, table in enumerate(reading.tables):
        check_table(table, f"/tables/{at}")
    return reading


def check_table(table: Table, pointer: str) -> None:
    """Hold a table's range, rows and columns together. Raises InvalidInputError."""
    if not _RANGE.fullmatch(table.range):
        raise _fault(f"{pointer}/range")
    seen: set[int] = set()
    for at, column in enumerate(table.columns):
        if column.index < 0 or column.index > 16_383 or column.index in seen:
            raise _fault(f"{pointer}/columns/{at}/index")
        seen.add(column.index)
    if any(row < 1 for row in table.header_rows):
        raise _fault(f"{pointer}/header_rows")


def _shaped(value: Any, kind: type, pointer: str) -> Any:
    """Wire names made the names of the fields; what is unknown is refused."""
    if not isinstance(value, Mapping):
        raise _fault(pointer)
    entries = dict(value)
    if kind is Coverage and "from" in entries:
        entries["source"] = entries.pop("from")
    if kind is Table and isinstance(entries.get("markers"), Mapping):
        entries["markers"] = list(entries["markers"].items())
    names = {field.name for field in fields(kind)}
    for name, inner in entries.items():
        at = f"{pointer}/{name}"
        if name not in names and not (kind is Reading and name == "id"):
            raise _fault(at)
        part = _PARTS.get(name)
        if (
            part is None
            or (kind is Question and name in ("tables", "columns"))
            or (kind is Sampled and name == "period")
        ):
            continue
        if kind is Column and name == "period":
            continue
        if isinstance(inner, list | tuple):
            entries[name] = [_shaped(each, part, f"{at}/{index}") for index, each in enumerate(inner)]
        else:
            entries[name] = _shaped(inner, part, at)
    entries.pop("id", None) if kind is Reading else None
    return entries


def _pointer(message: str) -> str:
    found = _PATH.search(message)
    steps = _STEP.findall(found[1]) if found else []
    return "".join(f"/{name or index}" for name, index in steps).replace("/source", "/from")


def _fault(pointer: str) -> InvalidInputError:
    return InvalidInputError.at(
        pointer,
        "Trường này không thuộc một cách đọc bảng hoặc có giá trị không được phép.",
        "This field does not belong to a reading or has a value that is not allowed.",
        code="bad-reading",
    )
