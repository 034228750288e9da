"""The items of a report: one event told for a person who decides: what, where, since when, how sure, and then what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from models.errors import Note
from pipelines.results.discretion import blurred, guarded, small, told
from pipelines.results.geography import name_of
from pipelines.results.neutral import clean
from pipelines.results.overview import Found, Overview
from pipelines.results.pictures import Curve, sparkline
from pipelines.results.rows import reasons_text
from pipelines.results.wording import (
    ADDITIVE,
    KINDS,
    LIKELY,
    Language,
    checks,
    consequence,
    figure,
    label,
    period,
    pick,
    step,
    sureness,
    within,
)

BEFORE: Final = 48
AFTER: Final = 12
NAMED: Final = 4


@dataclass(frozen=True, slots=True)
class Item:
    """What a page says of one event; every text is plain and is escaped by the page."""

    title: str
    kind: str
    severity: int
    since: str
    reason: str
    cause: str
    likely: str
    sure: str
    check: str
    otherwise: str
    who: str
    also: str
    source: str
    through: str
    picture: Markup | None


def item(found: Found, overview: Overview, place: int, language: Language) -> Item:
    """Tell one event; `place` numbers its picture."""
    series, event = found.series, found.event
    protected = guarded(series)
    name = name_of(series.place, series.periods[-1])
    line = since(found, language) if event.get("kind") == "row" else None
    title = " · ".join(part for part in (_unplaced(series.name, name), name, line) if part)
    more = len(overview.others(found))
    title = cut(title, 70) + (pick(Note(f" và {more} đơn vị khác", f" and {more} more"), language) if more else "")
    through = _through(found)
    through = None if through == overview.data_through else through
    return Item(
        title=title,
        kind=label(KINDS, event.get("kind"), language),
        severity=min(max(int(event.get("severity") or 0), 0), 5),
        since=since(found, language),
        reason=cut(reason(found, protected, language), 260),
        cause=str(event.get("likely")),
        likely=label(LIKELY, event.get("likely"), language),
        sure=pick(sureness(event.get("p_value")), language) if event.get("p_value") is not None else "",
        check=cut(checks(event, language), 240),
        otherwise=cut(pick(_otherwise(found, protected), language), 200),
        who=cut(_who(found, overview, language), 120),
        also=cut(_also(found, overview, language), 150),
        source=cut(_source(found.cells), 80),
        through=within(period(through, language)) if through else "",
        picture=picture(found, protected, f"p{place}", language),
    )


def cut(text: str, most: int) -> str:
    """The text on one line, ended with an ellipsis when it is longer than a page can bear."""
    text = " ".join(clean(text).split())
    return text if len(text) <= most else text[: most - 1].rstrip(" ,;.") + "…"


def since(found: Found, language: Language) -> str:
    """Since when, until when, or that it goes on."""
    first, last = found.series.periods[found.first], found.series.periods[found.last]
    start = period(first, language)
    if found.event.get("kind") == "row":
        return pick(Note(f"dòng {first}", f"row {first}"), language)
    if found.event.get("kind") == "forecast":
        ahead = found.series.output["content"][0]["periods"]
        begins, ends = within(period(ahead[0], language)), within(period(ahead[-1], language))
        return pick(Note(f"từ {begins} đến {ends}", f"{begins} to {ends}"), language)
    if found.event.get("open"):
        return pick(Note(f"từ {within(start)}, còn tiếp diễn", f"since {start}, still going on"), language)
    if first == last:
        return pick(Note(f"{within(start)}, đã qua", f"{start}, over"), language)
    end = period(last, language)
    return pick(Note(f"từ {within(start)} đến {within(end)}, đã qua", f"{start} to {end}, over"), language)


def reason(found: Found, protected: bool, language: Language) -> str:
    """The event's own sentence; where it would tell a small count, one without."""
    event = found.event
    if event.get("kind") == "forecast":
        return _forecast(found, language)
    if event.get("kind") == "row":
        vi, en = "Dòng này lạ chủ yếu vì: ", "This row is strange mainly because of: "
        return pick(Note(vi, en), language) + row_reasons(event.get("reasons") or (), language)
    if not (protected and (small(event.get("actual")) or small(event.get("expected")))):
        own: Mapping[str, str] = event.get("reason") or {}
        return own.get(language) or own.get("vi") or label(KINDS, event.get("kind"), language)
    actual, expected = (told(event.get(side), True, language) for side in ("actual", "expected"))
    return pick(
        Note(f"Ghi nhận {actual}, mức thường thấy khoảng {expected} mỗi kỳ.",
             f"{actual} reported, usually about {expected} a period."),
        language,
    )  # fmt: skip


def row_reasons(reasons: Sequence[Mapping[str, Any]], language: Language) -> str:
    """Why a row is strange: the sentences of its columns, or their names and shares."""
    texts = [one.get("text", one.get("reason")) for one in reasons]
    said = [str(text.get(language) or "").rstrip(".") if isinstance(text, Mapping) else "" for text in texts]
    return "; ".join(said) if said and all(said) else reasons_text(reasons)


def picture(found: Found, protected: bool, id_: str, language: Language) -> Markup | None:
    """The series around its event over the range that was to be expected; None for a row of a table."""
    if found.event.get("kind") == "row" or len(found.series.periods) < 2:
        return None
    if found.event.get("kind") == "forecast":
        return _picture_ahead(found, protected, id_, language)
    series, points = found.series, found.series.output.get("points") or {}
    count = len(series.periods)
    end = min(count, found.last + 1 + AFTER)
    start = max(0, min(found.first - 6, end - BEFORE - AFTER))
    blank = [None] * count
    window = slice(start, end)
    rows = [list(points.get(name) or blank)[window] for name in ("expected", "lower", "upper")]
    values = blurred(series.values[window], protected)
    ends = period(series.periods[start], language), period(series.periods[end - 1], language)
    name = name_of(series.place, series.periods[-1]) or series.name
    curve = Curve(
        values, rows[0], rows[1], rows[2], found.first - start, found.last - start, ends,
        _top(values, found, language), cut(f"{series.name} · {name}", 120), _alt(found, ends, language),
    )  # fmt: skip
    return sparkline(curve, id_)


def _alt(found: Found, ends: tuple[str, str], language: Language) -> str:
    first, last, when = ends[0], ends[1], since(found, language)
    text = Note(
        f"Đường: số liệu từ {within(first)} đến {within(last)}. Dải: mức thường thấy. Phần tô đậm: sự kiện, {when}.",
        f"Line: figures from {first} to {last}. Band: the usual range. Shaded: the event, {when}.",
    )
    return pick(text, language)


def _top(values: Sequence[float | None], found: Found, language: Language) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    highest = told(max(known), guarded(found.series), language)
    unit = f" {found.series.unit}" if found.series.unit else ""
    return cut(pick(Note(f"cao nhất {highest}{unit}", f"highest {highest}{unit}"), language), 40)


def _picture_ahead(found: Found, protected: bool, id_: str, language: Language) -> Markup:
    series, content = found.series, found.series.output["content"][0]
    ahead, keys = list(content["mean_forecast"]), sorted(content["quantiles"], key=float)
    past = blurred(series.values[-BEFORE:], protected)
    blank: list[float | None] = [None] * len(past)
    low, high = (
        (list(content["quantiles"][key]) if keys else ahead for key in (keys[0], keys[-1])) if keys else (ahead, ahead)
    )
    ends = period(series.periods[-len(past)], language), period(content["periods"][-1], language)
    alt = Note(
        "Đường liền: số liệu đã có. Đường đứt và dải: dự báo và khoảng của nó.",
        "Solid line: figures so far. Dashed line and band: the forecast and its interval.",
    )
    curve = Curve(
        [*past, *[None] * len(ahead)], [*blank, *ahead], [*blank, *low], [*blank, *high], len(past), len(past), ends,
        _top(past, found, language), cut(series.name, 120), pick(alt, language), len(past),
    )  # fmt: skip
    return sparkline(curve, id_)


def _forecast(found: Found, language: Language) -> str:
    content, accuracy = found.series.output["content"][0], found.series.output.get("accuracy") or {}
    ahead, before = found.event["actual"], found.event["expected"]
    change = 100 * (ahead - before) / abs(before) if before else 0.0
    names = [period(content["periods"][at], language) for at in (0, -1)]
    mean, share = figure(ahead, language), figure(round(abs(change), 1), language)
    side = Note("cao hơn", "above") if change >= 0 else Note("thấp hơn", "below")
    text = Note(
        f"{names[0]} đến {within(names[1])}: trung bình khoảng {mean} mỗi {step(content['periods'][0], 'vi')}, "
        f"{side.vi} {share} % so với 12 kỳ gần nhất.",
        f"{names[0]} to {names[1]}: about {mean} each {step(content['periods'][0], 'en')}, "
        f"{share} % {side.en} the last 12 periods.",
    )
    return pick(text, language) + (f" {accuracy['text_vi']}" if language == "vi" and accuracy.get("text_vi") else "")


def _otherwise(found: Found, protected: bool) -> Note:
    """What follows if nothing is done; numbers are means over the event's own points where they are known."""
    event, series = dict(found.event), found.series
    if event.get("kind") == "row":
        return Note(
            "dòng sai ở lại trong bảng và trong mọi số tổng hợp từ nó", "a wrong row stays in every total of it"
        )
    if event.get("kind") == "forecast":
        return Note(
            "kế hoạch dựa trên mức cũ sẽ lệch nếu số liệu đi như dự báo",
            "plans made for the old level will be off if figures go as forecast",
        )
    expected = (series.output.get("points") or {}).get("expected")
    if expected:
        pairs = [(expected[at], series.values[at]) for at in range(found.first, found.last + 1)]
        usual = [middle for middle, _ in pairs if middle is not None]
        seen = [value for middle, value in pairs if middle is not None and value is not None]
        if usual:
            event["expected"] = sum(usual) / len(usual)
            event["actual"] = sum(seen) / len(seen) if seen else None
    hidden = protected and (small(event.get("actual")) or small(event.get("expected")))
    gap = abs((event.get("actual") or 0.0) - (event.get("expected") or 0.0))
    additive = series.measure in ADDITIVE and not hidden and not (protected and small(gap))
    return consequence(event, found.last - found.first + 1, series.periods[found.last], series.unit, additive)


def _who(found: Found, overview: Overview, language: Language) -> str:
    steward = found.event.get("steward") or overview.result.steward
    if steward:
        return str(steward)
    sender = overview.result.organisation
    where = name_of(found.series.place, found.series.periods[-1])
    vi = " và ".join(part for part in (f"đơn vị lập số liệu ({where})" if where else "", sender or "") if part)
    en = " and ".join(part for part in (f"the unit that reported ({where})" if where else "", sender or "") if part)
    none = Note("chưa khai người phụ trách số liệu", "no steward was named")
    return pick(Note(vi or none.vi, en or none.en), language)


def _also(found: Found, overview: Overview, language: Language) -> str:
    others = overview.others(found)
    if not others:
        return ""
    names = ", ".join(str(name_of(code, found.series.periods[-1])) for code in others[:NAMED])
    more = len(others) - NAMED
    vi = f"{names} và {more} đơn vị khác" if more > 0 else names
    en = f"{names} and {more} more" if more > 0 else names
    return pick(Note(vi, en), language)


def _through(found: Found) -> str | None:
    pairs = zip(reversed(found.series.periods), reversed(found.series.values), strict=False)
    return next((name for name, value in pairs if value is not None), None)


def _source(cells: Sequence[str]) -> str:
    return "" if not cells else cells[0] if len(cells) == 1 else f"{cells[0]} … {cells[-1].rpartition('!')[2]}"


def _unplaced(name: str, place: str | None) -> str:
    """The series' name without the place that stands beside it anyway."""
    if place is None or place not in name or name == place:
        return "" if name == place else name
    return name.replace(place, "").strip(" -–—·|,:/()") or name
