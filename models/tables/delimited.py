"""CSV and its kin: encoding, delimiter and quotes are found in the file itself. All cells are text."""

from __future__ import annotations

import csv
from pathlib import Path

from models.errors import InvalidInputError
from models.tables.grid import Row, rectangle


def read_delimited(path: Path) -> tuple[Row, ...]:
    """The rows of a delimited file. Raises InvalidInputError."""
    text = _decode(path.read_bytes())
    head = "\n".join(text.splitlines()[:50])
    delimiter = max(";\t,|", key=head.count)
    try:
        return rectangle(csv.reader(text.splitlines(keepends=True), delimiter=delimiter))
    except csv.Error as error:
        raise InvalidInputError.at("", "Tệp CSV không đọc được.", "The CSV cannot be read.", code="csv-bad") from error


def _decode(data: bytes) -> str:
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")
