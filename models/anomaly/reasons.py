"""Saying what was found, in plain Vietnamese with English beside it.

A reason names the period, what was reported, what was usual and by how much they differ; it never repeats text that
the caller sent. Figures cumulative from January are spoken of as the period's own; indices as growth, in points.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.calendar import Axis
from models.errors import Note
from models.values import EventKind, Measure

ROMAN = ("I", "II", "III", "IV")
INDICES = frozenset({"index_prev", "index_same_period"})
IN_POINTS = INDICES | {"change_pct"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a sentence needs: numbers of the event at its strangest point, and the stretch it covers.

    `slopes` are changes a step before and after, `peaks` steps of the season's peak before and after.
    """

    kind: EventKind
    start: int
    end: int
    expected: float | None
    actual: float | None
    lower: float | None
    upper: float | None
    ratio: float
    measure: Measure | None = None
    slopes: tuple[float, float] | None = None
    peaks: tuple[int, int] | None = None
    open: bool = False


def reason(facts: Facts, axis: Axis) -> Note:
    """The sentence for an event."""
    vi, en = span(axis, facts.start, facts.end)
    if facts.measure == "ytd":
        vi, en = f"{vi} (số riêng từng kỳ, tách từ số cộng dồn)", f"{en} (each period's own, out of cumulative figures)"
    if facts.kind == "missing_report":
        return _missing(facts, vi, en)
    usual, actual = said(facts.expected, facts.measure), said(facts.actual, facts.measure)
    if facts.kind == "backfilled_report":
        return Note(
            f"{vi}: ghi nhận {actual[0]}, mức thường thấy khoảng {usual[0]}; phần vượt xấp xỉ phần thiếu của các kỳ "
            "ngay trước, có khả năng là báo cáo bù.",
            f"{en}: {actual[1]} reported, usually about {usual[1]}; the surplus about equals what the periods "
            "before lacked, probably reported late.",
        )
    if facts.kind == "unit_change":
        return _unit(facts, vi, en)
    if facts.kind == "negative_correction":
        return _negative(facts, vi, en)
    if facts.kind == "trend_change":
        return _trend(facts, *span(axis, facts.start, facts.start))
    if facts.kind == "season_change":
        return _season(facts, axis)
    return _moved(facts, vi, en)


def said(value: float | None, measure: Measure | None) -> tuple[str, str]:
    """A figure in words: a number; of an index the growth that it stands for; of a percentage with its sign."""
    if value is None or measure not in IN_POINTS:
        return number(value)
    change = value - 100 if measure in INDICES else value
    vi, en = number(abs(round(change, 2)))
    of_vi, of_en = {
        "index_prev": (" so với kỳ trước", " on the period before"),
        "index_same_period": (" so với cùng kỳ", " on the same period a year before"),
    }.get(str(measure), ("", ""))
    if change == 0:
        return f"không đổi{of_vi}", f"no change{of_en}"
    verb = ("tăng", "up") if change > 0 else ("giảm", "down")
    return f"{verb[0]} {vi} %{of_vi}", f"{verb[1]} {en} %{of_en}"


def _missing(facts: Facts, vi: str, en: str) -> Note:
    what_vi, what_en = _silence(facts)
    steps, usual = facts.end - facts.start + 1, number(facts.expected)
    return Note(
        f"{vi}: {what_vi} trong {steps} kỳ, mức thường thấy khoảng {usual[0]} mỗi kỳ; có khả năng chưa báo cáo đủ.",
        f"{en}: {what_en} for {steps} period(s), usually about {usual[1]} each; probably not fully reported.",
    )


def _unit(facts: Facts, vi: str, en: str) -> Note:
    usual, actual = number(facts.expected), number(facts.actual)
    if facts.ratio == 0.0:
        return Note(
            f"{vi}: ghi nhận {actual[0]} ở chỉ số thường quanh {usual[0]}; có khả năng ghi phần tăng, giảm thay cho "
            "chỉ số (100 là không đổi).",
            f"{en}: {actual[1]} in an index that is usually about {usual[1]}; probably the change was written in place "
            "of the index (100 means no change).",
        )
    vi_ratio, en_ratio = number(max(facts.ratio, 1 / facts.ratio))
    sides = ("lớn gấp", "times larger") if facts.ratio > 1 else ("nhỏ đi", "times smaller")
    return Note(
        f"{vi}: ghi nhận {actual[0]}, mức thường thấy khoảng {usual[0]}, {sides[0]} {vi_ratio} lần; có khả năng "
        "sai hoặc đổi đơn vị tính.",
        f"{en}: {actual[1]} reported, usually about {usual[1]}, {en_ratio} {sides[1]}; probably another "
        "unit of measure.",
    )


def _negative(facts: Facts, vi: str, en: str) -> Note:
    actual = number(facts.actual)
    if facts.measure == "ytd":
        lost = number(abs(facts.actual or 0.0))
        return Note(
            f"{vi}: số cộng dồn giảm {lost[0]} so với kỳ trước trong cùng năm, mà số cộng dồn không thể giảm; có khả "
            "năng là điều chỉnh giảm các kỳ trước hoặc nhập sai.",
            f"{en}: the cumulative figure fell by {lost[1]} within the year, which it cannot; probably corrects "
            "earlier periods, or a typing error.",
        )
    return Note(
        f"{vi}: giá trị âm {actual[0]} ở chỉ tiêu không thể âm; có khả năng là số điều chỉnh giảm các kỳ trước.",
        f"{en}: negative value {actual[1]} in a figure that cannot be negative; probably corrects earlier periods.",
    )


def _trend(facts: Facts, vi: str, en: str) -> Note:
    before, after = facts.slopes or (0.0, 0.0)
    old, new = _slope(before, max(abs(before), abs(after))), _slope(after, max(abs(before), abs(after)))
    return Note(
        f"Từ {_low(vi)}: xu hướng chuyển từ {old[0]} sang {new[0]} mỗi kỳ và kéo dài.",
        f"From {en}: the trend turned from {old[1]} to {new[1]} a period and stayed.",
    )


def _slope(change: float, larger: float) -> tuple[str, str]:
    if abs(change) < 0.1 * larger:
        return "gần như không đổi", "nearly none"
    vi, en = number(float(f"{abs(change):.2g}"))
    return (f"tăng khoảng {vi}", f"about {en} up") if change > 0 else (f"giảm khoảng {vi}", f"about {en} down")


def _season(facts: Facts, axis: Axis) -> Note:
    vi, en = span(axis, facts.start, facts.start)
    first, second = facts.peaks or (0, 0)
    if first == second:
        return Note(
            f"Từ {_low(vi)}: biên độ mùa vụ thay đổi rõ so với các năm trước.",
            f"From {en}: the season's size changed clearly against the cycles before.",
        )
    if axis.frequency.unit in ("M", "Q"):
        old, new = (period_vi(name).partition("/")[0].lower() for name in _phases(axis, facts.start, first, second))
        old_en, new_en = (name.partition("-")[2] for name in _phases(axis, facts.start, first, second))
        return Note(
            f"Từ {_low(vi)}: mùa vụ đổi dạng, đỉnh chuyển từ {old} sang {new}.",
            f"From {en}: the season changed its shape; its peak moved from {old_en} to {new_en}.",
        )
    shift = number(float(second - first))
    return Note(
        f"Từ {_low(vi)}: chu kỳ đổi dạng, đỉnh dời {shift[0]} kỳ.",
        f"From {en}: the cycle changed its shape; its peak moved by {shift[1]} periods.",
    )


def _phases(axis: Axis, start: int, first: int, second: int) -> tuple[str, str]:
    """Names of the steps of the cycle from `start` on at which the old and the new peak lie."""
    return axis.periods(start + first, 1)[0], axis.periods(start + second, 1)[0]


def _silence(facts: Facts) -> tuple[str, str]:
    """What stands where reports are missing: nothing, nearly nothing, or a part."""
    if facts.actual is None:
        return "không có số liệu", "no figures"
    if facts.expected is not None and facts.actual > 0.05 * facts.expected:
        vi, en = number(facts.actual)
        return f"chỉ ghi nhận trung bình {vi}", f"only {en} on average"
    return "số liệu gần bằng 0", "figures near zero"


def _moved(facts: Facts, vi: str, en: str) -> Note:
    """Spikes, dips, outbreaks and shifts of level."""
    usual, actual = said(facts.expected, facts.measure), said(facts.actual, facts.measure)
    if facts.measure in IN_POINTS and facts.expected is not None and facts.actual is not None:
        more_vi, more_en = _points(facts.actual - facts.expected)
    else:
        more_vi, more_en = _comparison(facts.expected, facts.actual)
    if facts.kind == "level_shift":
        return Note(
            f"{vi}: mức chung chuyển từ khoảng {usual[0]} sang khoảng {actual[0]} ({more_vi}) và giữ ở mức mới.",
            f"{en}: the level moved from about {usual[1]} to about {actual[1]} ({more_en}) and stayed there.",
        )
    if facts.kind == "outbreak":
        return Note(
            f"{vi}: số ca tăng nhanh và kéo dài, lên tới {actual[0]}, trong khi các kỳ trước chỉ khoảng {usual[0]} "
            f"({more_vi}); chưa từng thấy cùng thời gian các năm trước.",
            f"{en}: counts rose fast and kept rising, to {actual[1]}, from about {usual[1]} before ({more_en}); not "
            "seen at this time of earlier years.",
        )
    low, high = said(facts.lower, facts.measure), said(facts.upper, facts.measure)
    return Note(
        f"{vi}: ghi nhận {actual[0]}, mức thường thấy khoảng {usual[0]} (từ {low[0]} đến {high[0]}), {more_vi}.",
        f"{en}: {actual[1]} reported, usually about {usual[1]} ({low[1]} to {high[1]}), {more_en}.",
    )


def _points(gap: float) -> tuple[str, str]:
    """A difference of percentages, in percentage points."""
    vi, en = number(abs(round(gap, 2)))
    side = ("cao hơn", "higher") if gap > 0 else ("thấp hơn", "lower")
    return f"{side[0]} {vi} điểm phần trăm", f"{en} percentage points {side[1]}"


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


def checks(facts: Facts) -> tuple[Note, ...]:
    """What to look at first, by the kind of the event."""
    found = list(CHECKS[facts.kind])
    if facts.open and facts.kind in ("dip", "missing_report"):
        found.append(
            Note("Kỳ cuối: xem đã đủ đơn vị gửi báo cáo chưa.", "Last period: see whether all units have reported.")
        )
    return tuple(found)


_SOURCE = Note("Đối chiếu số này với báo cáo gốc của đơn vị.", "Compare the figure with the unit's own report.")
_UNITS = Note("Xem đơn vị nào đóng góp nhiều nhất vào thay đổi.", "See which units contribute most to the change.")
CHECKS: dict[str, tuple[Note, ...]] = {
    "spike": (_SOURCE, _UNITS),
    "dip": (_SOURCE, Note("Hỏi có đơn vị nào báo cáo thiếu không.", "Ask whether a unit reported only in part.")),
    "outbreak": (
        _UNITS,
        Note("Xem các địa phương lân cận và cơ sở điều trị có tăng cùng lúc.", "See whether neighbours rise as well."),
        _SOURCE,
    ),
    "level_shift": (
        Note("Hỏi có đổi cách tính, phạm vi hay địa giới từ kỳ này không.", "Ask whether definition or scope changed."),
        _SOURCE,
    ),
    "trend_change": (
        Note("Xem chính sách hay điều kiện nào đổi quanh thời điểm này.", "See what policy or condition changed then."),
    ),
    "season_change": (
        Note("Hỏi có đổi lịch báo cáo hay cách chia kỳ không.", "Ask whether the reporting calendar changed."),
    ),
    "missing_report": (
        Note("Hỏi đơn vị đã gửi báo cáo của các kỳ này chưa.", "Ask the unit whether it sent these periods' reports."),
        Note("Không coi là giảm thật cho đến khi có trả lời.", "Do not take it for a real fall until answered."),
    ),
    "backfilled_report": (
        Note("Xin số phân theo đúng kỳ phát sinh.", "Ask for the figures by the period in which they arose."),
    ),
    "unit_change": (
        Note("Xem đơn vị tính ghi trong biểu của kỳ này.", "See the unit of measure in this period's table."),
    ),
    "negative_correction": (
        Note("Hỏi kỳ nào được điều chỉnh và xin số đã sửa.", "Ask which period is corrected, and for its new figure."),
    ),
}
"""What an official checks first."""


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
