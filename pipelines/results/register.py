"""Tables of events for an analyst (all that is known of each) and for an inspector (what the fingerprint covers)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from models.errors import Note
from pipelines.results.geography import name_of
from pipelines.results.items import cut, reason, since
from pipelines.results.overview import Found, Overview
from pipelines.results.wording import KINDS, LIKELY, Language, checks, figure, label, pick

Cell = tuple[str, bool]
_EVENT: Final = (
    Note("Đơn vị", "Place"), Note("Chuỗi số liệu", "Series"), Note("Khi nào", "When"), Note("Loại", "Kind"),
    Note("Mức", "Severity"), Note("Nghiêng về", "Likely"), Note("Ghi nhận", "Actual"),
    Note("Mức thường thấy", "Expected"), Note("Trị số p", "p value"), Note("Giải thích", "Reason"),
    Note("Cần kiểm tra", "To check"), Note("Ô nguồn", "Source cells"),
)  # fmt: skip
_SIGNED: Final = (
    Note("Mã sự kiện", "Event id"), Note("Chuỗi số liệu", "Series"), Note("Đơn vị", "Place"), Note("Loại", "Kind"),
    Note("Từ kỳ", "From"), Note("Đến kỳ", "Until"), Note("Ô nguồn", "Source cells"),
)  # fmt: skip
_CELLS: Final = 40


def event_titles(type_: str, language: Language) -> list[str]:
    """The titles of the analyst's table."""
    return [pick(title, language) for title in _EVENT]


def event_rows(overview: Overview, language: Language) -> Iterator[list[Cell]]:
    """The analyst's table: the most pressing first; each cell with whether it is a number."""
    for found in overview.ranked():
        series, event = found.series, found.event
        chance = event.get("p_value")
        yield [
            (name_of(series.place, series.periods[-1]) or "", False), (cut(series.name, 120), False),
            (since(found, language), False), (label(KINDS, event.get("kind"), language), False),
            (str(event.get("severity") or ""), True), (label(LIKELY, event.get("likely"), language), False),
            (_number(event.get("actual"), language), True), (_number(event.get("expected"), language), True),
            ("" if chance is None else f"{chance:.2g}", True), (cut(reason(found, False, language), 400), False),
            (cut(checks(event, language), 300), False), (_cells(found), False),
        ]  # fmt: skip


def signed_titles(language: Language) -> list[str]:
    """The titles of the inspector's table."""
    return [pick(title, language) for title in _SIGNED]


def signed_rows(overview: Overview, language: Language) -> Iterator[list[Cell]]:
    """What stands under the fingerprint, without values."""
    for found in overview.ranked():
        series, event = found.series, found.event
        yield [
            (str(event.get("id")), False), (cut(series.name, 120), False),
            (name_of(series.place, series.periods[-1]) or "", False),
            (label(KINDS, event.get("kind"), language), False), (series.periods[found.first], False),
            (series.periods[found.last], False), (_cells(found), False),
        ]  # fmt: skip


def _number(value: float | None, language: Language) -> str:
    return "" if value is None else figure(value, language)


def _cells(found: Found) -> str:
    return cut(", ".join(found.cells[:_CELLS]), 400)
