"""Saying what was found, in plain Vietnamese with English beside it.

A reason names the period, what was reported, what was usual and by how much they differ; it never repeats text that
the caller sent.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.calendar import Axis
from models.errors import Note
from models.values import EventKind

ROMAN = ("I", "II", "III", "IV")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a sentence needs: numbers of the event at its strangest point, and the stretch it covers."""

    kind: EventKind
    start: int
    end: int
    expected: float | None
    actual: float | None
    lower: float | None
    upper: float | None
    ratio: float


def reason(facts: Facts, axis: Axis) -> Note:
    """The sentence for an event."""
    vi, en = span(axis, facts.start, facts.end)
    steps = facts.end - facts.start + 1
    usual, actual = number(facts.expected), number(facts.actual)
    if facts.kind == "missing_report":
        what_vi, what_en = _silence(facts)
        return Note(
            f"{vi}: {what_vi} trong {steps} kỳ, mức thường thấy khoảng {usual[0]} mỗi kỳ; có khả năng chưa báo cáo đủ.",
            f"{en}: {what_en} for {steps} period(s), usually about {usual[1]} each; probably not fully reported.",
        )
    if facts.kind == "backfilled_report":
        return Note(
            f"{vi}: ghi nhận {actual[0]}, mức thường thấy khoảng {usual[0]}; phần vượt xấp xỉ phần thiếu của các kỳ "
            "ngay trước, có khả năng là báo cáo bù.",
            f"{en}: {actual[1]} reported, usually about {usual[1]}; the surplus about equals what the periods "
            "before lacked, probably reported late.",
        )
    if facts.kind == "unit_change":
        vi_ratio, en_ratio = number(max(facts.ratio, 1 / facts.ratio))
        sides = ("lớn gấp", "times larger") if facts.ratio > 1 else ("nhỏ đi", "times smaller")
        return Note(
            f"{vi}: ghi nhận {actual[0]}, mức thường thấy khoảng {usual[0]}, {sides[0]} {vi_ratio} lần; có khả năng "
            "sai hoặc đổi đơn vị tính.",
            f"{en}: {actual[1]} reported, usually about {usual[1]}, {en_ratio} {sides[1]}; probably another "
            "unit of measure.",
        )
    if facts.kind == "negative_correction":
        return Note(
            f"{vi}: giá trị âm {actual[0]} ở chỉ tiêu không thể âm; có khả năng là số điều chỉnh giảm các kỳ trước.",
            f"{en}: negative value {actual[1]} in a figure that cannot be negative; probably corrects earlier periods.",
        )
    return _moved(facts, vi, en)


def _silence(facts: Facts) -> tuple[str, str]:
    """What stands where reports are missing: nothing, nearly nothing, or a part."""
    if facts.actual is None:
        return "không có số liệu", "no figures"
    if facts.expected is not None and facts.actual > 0.05 * facts.expected:
        vi, en = number(facts.actual)
        return f"chỉ ghi nhận trung bình {vi}", f"only {en} on average"
    return "số liệu gần bằng 0", "figures near zero"


def _moved(facts: Facts, vi: str, en: str) -> Note:
    """Spikes, dips and shifts of level."""
    usual, actual = number(facts.expected), number(facts.actual)
    more_vi, more_en = _comparison(facts.expected, facts.actual)
    if facts.kind == "level_shift":
        return Note(
            f"{vi}: mức chung chuyển từ khoảng {usual[0]} sang khoảng {actual[0]} ({more_vi}) và giữ ở mức mới.",
            f"{en}: the level moved from about {usual[1]} to about {actual[1]} ({more_en}) and stayed there.",
        )
    low, high = number(facts.lower), number(facts.upper)
    return Note(
        f"{vi}: ghi nhận {actual[0]}, mức thường thấy khoảng {usual[0]} (từ {low[0]} đến {high[0]}), {more_vi}.",
        f"{en}: {actual[1]} reported, usually about {usual[1]} ({low[1]} to {high[1]}), {more_en}.",
    )


def _comparison(expected: float | None, actual: float | None) -> tuple[str, str]:
    """How actual compares with expected, in words."""
    if expected is None or actual is None:
        return "khác thường", "unusual"
    higher = actual > expected
    if expected > 0 and actual > 0:
        ratio = actual / expected if higher else expected / actual
        if 2 <= ratio < 1e6:
            vi, en = number(round(ratio, 1))
            return (
                (f"cao gấp {vi} lần", f"{en} times as high") if higher else (f"thấp hơn {vi} lần", f"{en} times lower")
            )
        if ratio < 2:
            vi, en = number(round(100 * abs(actual - expected) / expected, 1))
            return (f"cao hơn {vi} %", f"{en} % higher") if higher else (f"thấp hơn {vi} %", f"{en} % lower")
    vi, en = number(abs(actual - expected))
    return (f"cao hơn {vi}", f"{en} higher") if higher else (f"thấp hơn {vi}", f"{en} lower")


def number(value: float | None) -> tuple[str, str]:
    """A number as written in Vietnamese (1.234,5) and in English (1,234.5), to four significant digits."""
    if value is None:
        return "không rõ", "unknown"
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-4:
        text = f"{value:.3e}"
    elif size >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.4g}"
    return text.translate(str.maketrans(",.", ".,")), text


def span(axis: Axis, start: int, end: int) -> tuple[str, str]:
    """The stretch in words, both languages."""
    first = axis.periods(start, 1)[0]
    vi, en = period_vi(first), first
    if end > start:
        last = axis.periods(end, 1)[0]
        return f"Từ {vi[0].lower()}{vi[1:]} đến {_low(period_vi(last))}", f"{en} to {last}"
    return vi, en


def _low(text: str) -> str:
    return text[0].lower() + text[1:]


def period_vi(name: str) -> str:
    """`2025-01` as `Tháng 1/2025`, `2025-Q1` as `Quý I/2025`, `2025-W05` as `Tuần 5/2025`, days as `Ngày 31/1/2025`."""
    year, _, rest = name.partition("-")
    if not rest:
        return f"Năm {int(year)}"
    if rest[0] == "Q":
        return f"Quý {ROMAN[int(rest[1]) - 1]}/{year}"
    if rest[0] == "W":
        return f"Tuần {int(rest[1:])}/{year}"
    if len(rest) == 2:
        return f"Tháng {int(rest)}/{year}"
    day, _, clock = rest.partition("T")
    month, _, number_ = day.partition("-")
    date = f"{int(number_)}/{int(month)}/{year}"
    return f"{clock} ngày {date}" if clock else f"Ngày {date}"
