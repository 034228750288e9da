"""Results as CSV.

Without a locale: RFC 4180 for machines (comma, decimal point, UTF-8). With `vi` a file that Excel in Viet Nam opens by
a double click: semicolon, decimal comma, UTF-8 with byte order mark, Vietnamese titles and words.

Decision: texts are always quoted and numbers never, so a negative number stays a number and a text that looks like one
(a code with leading zeros) stays a text for readers that mind quotes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import BinaryIO, Final

from pipelines.results.neutral import for_csv
from pipelines.results.rows import Column, Value, columns_of, finite, rows_of
from pipelines.results.values import JobResult, SeriesResult
from pipelines.results.wording import KINDS, LIKELY, MEASURES, label

BATCH: Final = 2_000
_WORDS: Final = {"kind": KINDS, "likely": LIKELY, "measure": MEASURES}


def write(result: JobResult, series: Iterable[SeriesResult], to: BinaryIO, locale: str | None) -> None:
    """Write the table of a job; lines are flushed in batches and never kept."""
    columns = columns_of(result)
    vietnamese = locale == "vi"
    comma = ";" if vietnamese else ","
    titles = [column.vi if vietnamese else column.name for column in columns]
    head = comma.join(_quoted(title) for title in titles)
    to.write((("\ufeff" if vietnamese else "") + head + "\r\n").encode())
    writers = [_writer(column, vietnamese) for column in columns]
    lines: list[str] = []
    for one in series:
        for row in rows_of(result.type, one, columns):
            lines.append(comma.join([write(value) for write, value in zip(writers, row, strict=True)]))
            if len(lines) >= BATCH:
                _flush(lines, to)
    _flush(lines, to)


def _flush(lines: list[str], to: BinaryIO) -> None:
    if lines:
        to.write(("\r\n".join(lines) + "\r\n").encode("utf-8", "replace"))
        lines.clear()


def _writer(column: Column, vietnamese: bool) -> Callable[[Value], str]:
    """How the values of one column are written."""
    if column.kind == "number":
        return _vietnamese(column) if vietnamese else _plain
    if column.kind == "flag":
        return _flag_vi if vietnamese else _flag
    words = _WORDS.get(column.name) if vietnamese else None
    if words is not None:
        return lambda value: "" if value is None else _quoted(label(words, value, "vi"))
    return _text


def _plain(value: Value) -> str:
    value = finite(value)
    if value is None:
        return ""
    return repr(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else repr(value)


def _vietnamese(column: Column) -> Callable[[Value], str]:
    """Decimal comma; what a model computed is rounded to six significant digits, what was sent is not."""

    def write(value: Value) -> str:
        value = finite(value)
        if column.computed and isinstance(value, float):
            value = float(f"{value:.6g}")
        return _plain(value).replace(".", ",")

    return write


def _flag(value: Value) -> str:
    return "" if value is None else "true" if value else "false"


def _flag_vi(value: Value) -> str:
    return '"có"' if value else ""


def _text(value: Value) -> str:
    return "" if value is None else _quoted(str(value))


def _quoted(text: str) -> str:
    return '"' + for_csv(text).replace('"', '""') + '"'


def titles(columns: Sequence[Column], language: str) -> list[str]:
    """The titles of a table for people."""
    return [column.en if language == "en" else column.vi for column in columns]
