"""Results as XLSX for an office: Tóm tắt (what was done, what matters), Sự kiện, Dữ liệu, Nguồn.

Every value stands beside the cell it came from, every event beside the cells it stands in. The series are walked once:
data are streamed, events and sources are collected beside them, the summary is written last and stands first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final

from models.errors import Note
from pipelines.results.geography import name_of
from pipelines.results.overview import Found, Overview, found_in
from pipelines.results.reading import facts_of
from pipelines.results.rows import Column, Row, columns_of, error_of, rows_of
from pipelines.results.spreadsheet import HEAD, TITLE, WRAPPED, Book, Page
from pipelines.results.values import JobResult, SeriesResult
from pipelines.results.wording import (
    KINDS,
    LIKELY,
    MEASURES,
    NOTICE,
    TYPES,
    Language,
    checks,
    label,
    period,
    pick,
    sureness,
)

SHEETS: Final = (
    Note("Tóm tắt", "Summary"), Note("Sự kiện", "Events"), Note("Dữ liệu", "Data"), Note("Nguồn", "Sources"),
)  # fmt: skip
TOLD: Final = 5
_WIDTHS: Final = {"text": 16.0, "number": 13.0, "flag": 11.0}
_WIDE: Final = {"series": 34.0, "place_name": 22.0, "source": 24.0, "reasons": 40.0, "table": 24.0, "error": 20.0}
_EVENT: Final = (
    (Note("Chuỗi số liệu", "Series"), 34.0), (Note("Đơn vị", "Place"), 20.0), (Note("Từ kỳ", "From"), 14.0),
    (Note("Đến kỳ", "Until"), 14.0), (Note("Còn tiếp diễn", "Still open"), 11.0), (Note("Loại", "Kind"), 18.0),
    (Note("Mức (1–5)", "Severity (1–5)"), 9.0), (Note("Ghi nhận", "Actual"), 12.0),
    (Note("Mức thường thấy", "Expected"), 12.0), (Note("Nghiêng về", "Likely"), 18.0),
    (Note("Độ chắc", "How sure"), 30.0), (Note("Giải thích", "Reason"), 60.0), (Note("Cần kiểm tra", "To check"), 50.0),
    (Note("Số liệu đến", "Data through"), 14.0), (Note("Mã sự kiện", "Event id"), 20.0),
    (Note("Ô nguồn", "Source cells"), 30.0),
)  # fmt: skip
_SOURCE: Final = (
    Note("Chuỗi số liệu", "Series"), Note("Đơn vị", "Place"), Note("Loại số liệu", "Measure"),
    Note("Đơn vị tính", "Unit"), Note("Số kỳ", "Periods"), Note("Từ kỳ", "From"), Note("Đến kỳ", "Until"),
    Note("Ô đầu", "First cell"), Note("Ô cuối", "Last cell"), Note("Lỗi", "Error"),
)  # fmt: skip


def write(
    result: JobResult, series: Iterable[SeriesResult], overview: Overview, to: BinaryIO, language: Language
) -> None:
    """Write the file; titles and words are in `language`."""
    columns = columns_of(result)
    names = [pick(name, language) for name in SHEETS]
    book = Book(to, names)
    events = book.page(names[1], [width for _, width in _EVENT], frozen=1)
    events.add([pick(title, language) for title, _ in _EVENT], HEAD)
    sources = book.page(names[3], [34, 34, 22, 16, 10, 14, 14, 24, 24, 40])
    _describe(result, sources, language)
    beside = _beside(result, series, events, sources, language)
    book.stream(
        names[2],
        [_WIDE.get(column.name, _WIDTHS[column.kind]) for column in columns],
        [column.en if language == "en" else column.vi for column in columns],
        _data(result, beside, columns, language),
    )
    events.close()
    sources.close()
    summary = book.page(names[0], [34, 90])
    _summarise(result, overview, summary, language)
    summary.close()
    book.close()


def _data(
    result: JobResult, series: Iterable[SeriesResult], columns: Sequence[Column], language: Language
) -> Iterator[Row]:
    """The rows of the table, code words replaced by what people say."""
    tables = {"kind": KINDS, "likely": LIKELY, "measure": MEASURES}
    worded = [(at, tables[column.name]) for at, column in enumerate(columns) if column.name in tables]
    rounded = [at for at, column in enumerate(columns) if column.computed]
    for one in series:
        for row in rows_of(result.type, one, columns):
            values = list(row)
            for at, table in worded:
                if values[at] is not None:
                    values[at] = label(table, values[at], language)
            for at in rounded:
                value = values[at]
                if isinstance(value, float):
                    values[at] = float(f"{value:.6g}")
            yield tuple(values)


def _beside(
    result: JobResult, series: Iterable[SeriesResult], events: Page, sources: Page, language: Language
) -> Iterator[SeriesResult]:
    """Pass the series through and write their events and sources."""
    for one in series:
        if result.type != "forecast":
            for found in found_in(result.type, one):
                events.add(_event(found, language), WRAPPED)
        cells = [cell for cell in one.cells if cell]
        place = name_of(one.place, one.periods[-1] if one.periods else None)
        ends = (one.periods[0], one.periods[-1]) if one.periods else (None, None)
        sources.add(
            (one.name, place, label(MEASURES, one.measure, language) or None, one.unit, len(one.periods), *ends,
             cells[0] if cells else None, cells[-1] if cells else None, error_of(one))
        )  # fmt: skip
        yield one


def _event(found: Found, language: Language) -> Row:
    series, event = found.series, found.event
    reason = event.get("reason") or {}
    known = [name for name, value in zip(series.periods, series.values, strict=False) if value is not None]
    opened = (
        "" if event.get("open") is None else pick(Note("có", "yes") if event["open"] else Note("không", "no"), language)
    )
    return (
        series.name, name_of(series.place, series.periods[-1]), series.periods[found.first],
        series.periods[found.last], opened,
        label(KINDS, event.get("kind"), language), event.get("severity"), event.get("actual"), event.get("expected"),
        label(LIKELY, event.get("likely"), language), pick(sureness(event.get("p_value")), language),
        reason.get(language) or reason.get("vi") or "", checks(event, language), known[-1] if known else None,
        event.get("id"), spread(found.cells),
    )  # fmt: skip


def spread(cells: Sequence[str]) -> str:
    """Where an event stands: its cell, or its first and last."""
    return "" if not cells else cells[0] if len(cells) == 1 else f"{cells[0]} … {cells[-1]}"


def _describe(result: JobResult, page: Page, language: Language) -> None:
    """The head of the sources: file, reading, model, approval; then the titles of the list of series."""
    page.add([pick(Note("Nguồn của mọi con số", "Where every figure comes from"), language)], TITLE)
    for title, text in facts_of(result, language):
        page.add([title, text], WRAPPED)
    page.add([])
    page.add([pick(title, language) for title in _SOURCE], HEAD)


def _summarise(result: JobResult, overview: Overview, page: Page, language: Language) -> None:
    title = label(TYPES, result.type, language)
    page.add([title], TITLE)
    page.add([pick(NOTICE, language)])
    for name, value in _totals(result, overview, language):
        page.add([name, value])
    page.add([])
    page.add([pick(Note("Việc cần xem trước", "Look at these first"), language), ""], HEAD)
    for found in overview.matters(TOLD) if result.type != "forecast" else ():
        since = period(found.series.periods[found.first], language)
        reason: Mapping[str, Any] = found.event.get("reason") or {}
        where = " · ".join(
            part for part in (name_of(found.series.place, found.series.periods[-1]), found.series.name) if part
        )
        cells = spread(found.cells)
        told = reason.get(language) or reason.get("vi") or label(KINDS, found.event.get("kind"), language)
        page.add([where, f"{since} · {told} [{cells}]"], WRAPPED)


def _totals(result: JobResult, overview: Overview, language: Language) -> Iterator[tuple[str, str | int]]:
    rows: list[tuple[Note, Any]] = [
        (Note("Số liệu đến", "Data through"), overview.data_through and period(overview.data_through, language)),
        (Note("Chuỗi số liệu đã xem", "Series looked at"), overview.series),
        (Note("Giá trị đã xem", "Values looked at"), overview.values),
        (Note("Chuỗi không xử lý được", "Series that failed"), overview.failed),
        (Note("Sự kiện", "Events"), None if result.type == "forecast" else overview.events),
        (Note("Sự kiện giữ lại theo hạn mức báo động", "Events held back by the alarm budget"), result.held_back),
        (Note("Hoàn thành lúc", "Finished at"), result.finished_at),
        (Note("Mã báo cáo", "Report code"), overview.code),
        (Note("Dấu vân tay", "Fingerprint"), overview.fingerprint),
    ]
    return ((pick(title, language), value) for title, value in rows if value is not None)
