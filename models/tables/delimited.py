"""CSV and its kin: encoding, delimiter and quotes are found in the file itself; all cells are text.

    dialect = sniff(path)               encoding, delimiter, quotation mark, and notes on what was odd
    for row in records(path, dialect)   lists of text, one per record; record n is row n of the sheet

Decision: the file is never in memory as a whole. It is read twice: once for its encoding (as bytes, with bounded
lines), once for its records.

Decision: bytes that are not UTF-8 in a file that otherwise is are read, cell by cell, as Windows text, and the rows are
named in a note. A file without any UTF-8 is Windows-1258 or Windows-1252, whichever gives more Vietnamese words; TCVN3
and VNI come out as Latin-1 and are for `legacy`.
"""

from __future__ import annotations

import codecs
import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from models.errors import Note
from models.tables.alphabets import is_syllable, tcvn3, vni
from models.tables.archives import HEAD_BYTES, looks_like_utf16
from models.tables.grid import Row, even_rows
from models.tables.refusals import cell_too_long, line_too_long, too_many_cells, too_many_columns, unbalanced_quotes

LONGEST_CELL = 100_000
MOST_COLUMNS = 16_384
MOST_CELLS = 16_000_000
CHUNK_BYTES = 1 << 20
LINE_MIB = 4
_SAMPLE = 1 << 16
_SAMPLE_LINES = 200
_DELIMITERS = "\t;|,"
_LATIN = re.compile(r"[^\W\d_]*[^\x00-\x7f][^\W\d_]*")
_UNDECODED = re.compile("[\udc80-\udcff]")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a delimited file is written. `mixed` says that some bytes are not of the encoding."""

    encoding: str
    delimiter: str
    quote: str
    mixed: bool = False
    skip: int = 0
    """Lines before the table that only tell Excel the delimiter (`sep=;`)."""


def sniff(path: Path) -> Dialect:
    """Find out how a file is written. Raises InvalidInputError for lines without end."""
    encoding, mixed = _encoding(path)
    with _opened(path, encoding, mixed) as file:
        sample = file.read(_SAMPLE)
    lines = sample.splitlines(keepends=True)[:_SAMPLE_LINES]
    if len(sample) == _SAMPLE and len(lines) > 1:
        lines = lines[:-1]
    told = re.match(r"sep=(.)\r?\n?$", lines[0]) if lines else None
    if told:
        return Dialect(encoding, told[1], '"', mixed, 1)
    quote = _quote(lines)
    return Dialect(encoding, _delimiter(lines, quote), quote, mixed)


def records(path: Path, dialect: Dialect) -> Iterator[list[str]]:
    """The records of a file in their order. Raises InvalidInputError with the row."""
    with _opened(path, dialect.encoding, dialect.mixed) as file:
        for _ in range(dialect.skip):
            file.readline()
        if dialect.encoding == "cp1258":  # it writes tones behind their letters
            yield from ([unicodedata.normalize("NFC", cell) for cell in row] for row in _Records(file, dialect))
        else:
            yield from _Records(file, dialect)


def read_delimited(path: Path) -> tuple[tuple[Row, ...], tuple[Note, ...]]:
    """All rows of a file, and notes on what was odd. Raises InvalidInputError."""
    dialect = sniff(path)
    foreign: list[int] = []
    rows = even_rows(_bounded(path, dialect, foreign))
    return rows, (mixed_note(foreign),) if foreign else ()


def _bounded(path: Path, dialect: Dialect, foreign: list[int]) -> Iterator[list[str]]:
    cells = 0
    for index, row in enumerate(records(path, dialect)):
        cells += len(row)
        if cells > MOST_CELLS:
            raise too_many_cells(MOST_CELLS)
        if dialect.mixed and is_mixed(row):
            foreign.append(index)
            yield [repaired(cell) for cell in row]
        else:
            yield row


def mixed_note(rows: list[int]) -> Note:
    """Which rows hold bytes of another encoding (counted from 0)."""
    shown = ", ".join(str(row + 1) for row in rows[:_SHOWN]) + (", …" if len(rows) > _SHOWN else "")
    return Note(
        f"Tệp trộn nhiều bảng mã; {len(rows)} hàng không phải UTF-8 được đọc theo bảng mã Windows: hàng {shown}.",
        f"The file mixes encodings; {len(rows)} rows are not UTF-8 and were read as Windows text: rows {shown}.",
    )


def repaired(cell: str) -> str:
    """A cell whose undecoded bytes are read as Windows text."""
    if not _UNDECODED.search(cell):
        return cell
    return _windows(cell.encode("utf-8", "surrogateescape"))


def is_mixed(row: Iterable[str]) -> bool:
    """Whether a record holds bytes that are not of the file's encoding."""
    return any(_UNDECODED.search(cell) for cell in row)


class _Records(Iterator[list[str]]):
    """Records with their bounds: number of columns, length of a cell, quotation marks that close."""

    def __init__(self, file: IO[str], dialect: Dialect) -> None:
        self._file, self._dialect = file, dialect
        self._lines: list[str] = []
        self._letters = 0
        self._row = -1
        self._last = ""
        self._reader = csv.reader(self._watched(), delimiter=dialect.delimiter, quotechar=dialect.quote)

    def _watched(self) -> Iterator[str]:
        for line in self._file:
            self._lines.append(line)
            self._letters += len(line)
            if len(self._lines) > 1 and self._letters > 2 * LONGEST_CELL:
                raise unbalanced_quotes(self._row + 1)
            yield line

    def __next__(self) -> list[str]:
        self._lines.clear()
        self._letters = 0
        try:
            row = next(self._reader)
        except StopIteration:
            self._check_end()
            raise
        except csv.Error as error:
            if len(self._lines) > 1:
                raise unbalanced_quotes(self._row + 1) from error
            raise cell_too_long(LONGEST_CELL, row=self._row + 1) from error
        self._row += 1
        if len(row) > MOST_COLUMNS:
            raise too_many_columns(MOST_COLUMNS, self._row)
        if len(self._lines) > 1:
            self._check_swallowed(row)
        if len(self._lines[0]) > LONGEST_CELL and max(map(len, row)) > LONGEST_CELL:
            raise cell_too_long(LONGEST_CELL, row=self._row)
        self._last = self._lines[0] if len(self._lines) == 1 else "".join(self._lines)
        return row

    def _check_swallowed(self, row: list[str]) -> None:
        """Refuse a cell that holds what look like further records: its quotation mark was meant as none."""
        for cell in row:
            inner = cell.split("\n")[1:-1]
            if inner and all(line.count(self._dialect.delimiter) >= max(1, len(row) - 2) for line in inner):
                raise unbalanced_quotes(self._row)

    def _check_end(self) -> None:
        """Refuse a last record whose quotation mark never closed."""
        if self._dialect.quote not in self._last:
            return
        strict = csv.reader(
            self._last.splitlines(keepends=True),
            delimiter=self._dialect.delimiter,
            quotechar=self._dialect.quote,
            strict=True,
        )
        try:
            list(strict)
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise unbalanced_quotes(self._row) from error


def _opened(path: Path, encoding: str, mixed: bool) -> IO[str]:
    errors = "surrogateescape" if mixed else "strict" if encoding.startswith("utf-8") else "replace"
    return path.open(encoding=encoding, errors=errors, newline="")


def _encoding(path: Path) -> tuple[str, bool]:
    """The encoding, and whether bytes of another one stand in between."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        _check_lines(path)
        return "utf-16", False
    if b"\x00" in head and (found := looks_like_utf16(head)):
        _check_lines(path)
        return found, False
    good, bad, sample = _check_lines(path)
    if not bad:
        return "utf-8-sig", False
    if good >= bad:
        return "utf-8-sig", True
    return _best(sample), False


def _check_lines(path: Path) -> tuple[int, int, bytes]:
    """Bound the lines; count those beyond ASCII that are UTF-8 and those that are not, and keep some of the latter."""
    good = bad = row = open_bytes = 0
    sample = bytearray()
    with path.open("rb") as file:
        rest = b""
        while chunk := file.read(CHUNK_BYTES):
            at = chunk.rfind(b"\n")
            at = chunk.rfind(b"\r") if at < 0 else at
            open_bytes = open_bytes + len(chunk) if at < 0 else len(chunk) - at
            if open_bytes > LINE_MIB << 20:
                raise line_too_long(LINE_MIB, row)
            if at < 0:
                rest += chunk
                continue
            block, rest = rest + chunk[: at + 1], chunk[at + 1 :]
            if not block.isascii():
                good, bad = _tally(block, good, bad, sample)
            row += block.count(b"\n")
    if not rest.isascii():
        good, bad = _tally(rest, good, bad, sample)
    return good, bad, bytes(sample)


def _tally(block: bytes, good: int, bad: int, sample: bytearray) -> tuple[int, int]:
    try:
        block.decode()
    except UnicodeDecodeError:
        for line in block.splitlines():
            if not line.isascii():
                try:
                    line.decode()
                    good += 1
                except UnicodeDecodeError:
                    bad += 1
                    sample += line[:1024] if len(sample) < _SAMPLE else b""
        return good, bad
    return good + 1, bad


def _best(sample: bytes) -> str:
    """Windows-1258 or Windows-1252: the one that makes more words Vietnamese, in it or in the fonts of TCVN3, VNI."""
    scores = {}
    for encoding in ("cp1252", "cp1258"):
        text = unicodedata.normalize("NFC", sample.decode(encoding, "replace"))
        words = Counter(_LATIN.findall(text))
        scores[encoding] = sum(
            count for word, count in words.items() if any(is_syllable(form) for form in (word, tcvn3(word), vni(word)))
        )
    return "cp1258" if scores["cp1258"] > scores["cp1252"] else "latin-1"


def _windows(data: bytes) -> str:
    return unicodedata.normalize("NFC", data.decode(_best(data)))


def _quote(lines: list[str]) -> str:
    """The quotation mark that fields are wrapped in: `"`, or `'` where most fields are."""
    text = "".join(lines)
    single = len(re.findall(r"(?:^|[;,\t|])'[^'\n]*'(?=[;,\t|]|\r?\n|$)", text, re.MULTILINE))
    return "'" if single > 2 * len(lines) and '"' not in text else '"'


def _delimiter(lines: list[str], quote: str) -> str:
    """The sign that cuts most lines into the same number of cells, two or more."""
    best, found = 0.0, ","
    for sign in _DELIMITERS:
        try:
            widths = Counter(len(row) for row in csv.reader(lines, delimiter=sign, quotechar=quote) if any(row))
        except csv.Error:
            continue
        split = {width: count for width, count in widths.items() if width > 1}
        if split:
            width, count = max(split.items(), key=lambda item: (item[1], item[0]))
            score = count / sum(widths.values()) * (1 + 0.05 * min(width, 20))
            if score > best * 1.2:
                best, found = score, sign
    return found
