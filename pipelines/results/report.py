"""The page of a job: for a leader one A4 with at most five items, for others all events, or the way back.

Decisions
- One file of HTML: no script, no font, no picture from outside, one style sheet inside whose digest is the only style
  that the page's own policy allows (`POLICY`, also for the door's header). Saved to a disk it stays as harmless.
- Every text is escaped by the template; pictures are built with escaped texts alone.
- A leader's page prints on one A4: texts are cut to a length and lines are clamped, whatever the file held.
- Small counts of persons are protected on the leader's and the inspector's page.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from models.errors import InvalidInputError, Note
from pipelines.results.geography import division_of, known, name_of, squares
from pipelines.results.items import cut, item
from pipelines.results.neutral import clean
from pipelines.results.overview import Overview
from pipelines.results.pictures import tile_map
from pipelines.results.reading import facts_of
from pipelines.results.register import event_rows, event_titles, signed_rows, signed_titles
from pipelines.results.values import JobResult
from pipelines.results.wording import LEANING, NOTICE, TYPES, WORDS, Language, figure, label, period, pick, within

FORMATS: Final = ("html",)
AUDIENCES: Final = ("leader", "analyst", "inspector")
ITEMS: Final = 5
EVENTS_SHOWN: Final = 500
PAGES: Final = Path(__file__).parent / "pages"
_STYLE: Final = (PAGES / "report.css").read_text(encoding="utf-8").strip()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'"
)
"""The Content-Security-Policy of every page."""
_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(PAGES),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    finalize=lambda value: clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
)


def write_report(
    result: JobResult, format: str = "html", audience: str = "leader", language: str = "vi"
) -> bytes:  # fmt: skip
    """The page of a finished job in UTF-8. Raises InvalidInputError (406) for what is not offered."""
    for wanted, offered in ((format, FORMATS), (audience, AUDIENCES), (language, ("vi", "en"))):
        if wanted not in offered:
            names = ", ".join(offered)
            raise InvalidInputError(f"Chỉ có: {names}.", f"Offered: {names}.", code="not-acceptable")
    tongue: Language = "en" if language == "en" else "vi"
    overview = Overview(result, kept=64 if audience == "leader" else EVENTS_SHOWN)
    for _ in overview.watch(result.series):
        pass
    make: Callable[[Overview, Language], dict[str, Any]] = {
        "leader": _leader, "analyst": _analyst, "inspector": _inspector,
    }[audience]  # fmt: skip
    page = {**_frame(overview, tongue), "audience": audience, **make(overview, tongue)}
    return _ENVIRONMENT.get_template(f"{audience}.html").render(page).encode("utf-8", "replace")


def _frame(overview: Overview, language: Language) -> dict[str, Any]:
    """What every page has: title, dates, totals, foot."""
    result, source = overview.result, overview.result.source or {}
    through = overview.data_through
    dated = Note(
        f"Số liệu đến {within(period(through, 'vi'))}" if through else "Không có mốc thời gian của số liệu",
        f"Data through {period(through, 'en')}" if through else "The data carry no dates",
    )
    return {
        "language": language, "policy": POLICY, "style": Markup(_STYLE),  # noqa: S704  our own file
        "title": label(TYPES, result.type, language),
        "words": {name: pick(note, language) for name, note in WORDS.items()},
        "subject": cut(str(source.get("filename") or WORDS_UNNAMED[language]), 110), "dated": pick(dated, language),
        "organisation": cut(result.organisation or "", 80), "notice": pick(NOTICE, language), "code": overview.code,
        "fingerprint": overview.fingerprint, "trail": _trail(result, language),
        "totals": list(_totals(overview, language)), "map": _map(overview, language),
    }  # fmt: skip


WORDS_UNNAMED: Final[Mapping[Language, str]] = {"vi": "Số liệu gửi trực tiếp", "en": "Data sent inline"}


def _leader(overview: Overview, language: Language) -> dict[str, Any]:
    found = overview.matters(ITEMS)
    items = [item(one, overview, place, language) for place, one in enumerate(found, 1)]
    return {
        "items": items, "headline": headline(overview, len(items), language),
        "rated": overview.result.type != "forecast", "curve_legend": curves(overview.result.type, language),
    }  # fmt: skip


def _analyst(overview: Overview, language: Language) -> dict[str, Any]:
    rows = list(event_rows(overview, language))
    return {
        "columns": event_titles(overview.result.type, language), "rows": rows, "faults": overview.faults,
        "headline": headline(overview, 0, language), "more": _more(overview, len(rows), language),
    }  # fmt: skip


def _inspector(overview: Overview, language: Language) -> dict[str, Any]:
    rows = list(signed_rows(overview, language))
    return {
        "columns": signed_titles(language), "rows": rows, "facts": list(facts_of(overview.result, language)),
        "headline": pick(WORDS["inspected"], language), "more": _more(overview, len(rows), language),
    }  # fmt: skip


def curves(type_: str, language: Language) -> str:
    """How to read the pictures of a page; nothing where it has none."""
    word = {"forecast": "forecast_legend", "anomaly.tabular": ""}.get(type_, "curve_legend")
    return pick(WORDS[word], language) if word else ""


def headline(overview: Overview, shown: int, language: Language) -> str:
    """The page in one sentence."""
    series, events = figure(overview.series, language), figure(overview.events, language)
    if overview.result.type == "forecast":
        return pick(Note(f"Đã dự báo {series} chuỗi số liệu; các chuỗi thay đổi nhiều nhất đứng trước.",
                         f"{series} series were forecast; those that change most stand first."), language)  # fmt: skip
    if not overview.events:
        return pick(Note(f"Không thấy điều gì bất thường trong {series} chuỗi số liệu đã xem.",
                         f"Nothing unusual was found in the {series} series looked at."), language)  # fmt: skip
    if overview.result.type == "anomaly.tabular":
        rows = figure(overview.values, language)
        return pick(Note(f"{events} trong {rows} dòng khác thường.", f"{events} of {rows} rows are strange."), language)
    parts = [(word, overview.by_likely[word]) for word in ("world", "data", "both") if overview.by_likely[word]]
    leaning = ", ".join(f"{figure(count, language)} {label(LEANING, word, language)}" for word, count in parts)
    vi, en = f"{events} sự kiện trong {series} chuỗi số liệu", f"{events} events in {series} series"
    first = Note(f" {shown} việc cần xem trước ở dưới.", f" The {shown} to look at first stand below.")
    lead = pick(Note(vi, en), language) + (f": {leaning}." if leaning else ".")
    return lead + (pick(first, language) if shown else "")


def _totals(overview: Overview, language: Language) -> Iterator[tuple[str, str]]:
    tabular = overview.result.type == "anomaly.tabular"
    rows = (
        (
            Note("Dòng đã xem", "Rows looked at") if tabular else Note("Giá trị đã xem", "Values looked at"),
            overview.values,
        ),
        (Note("Phần không xử lý được", "Parts that failed"), overview.failed),
        (Note("Sự kiện", "Events"), None if overview.result.type == "forecast" else overview.events),
        (Note("Giữ lại theo hạn mức", "Held back by budget"), overview.result.held_back or None),
    )
    if not tabular:
        yield pick(Note("Chuỗi số liệu", "Series"), language), figure(overview.series, language)
    for title, value in rows:
        if value is not None:
            yield pick(title, language), figure(value, language)


def _map(overview: Overview, language: Language) -> Markup | None:
    division = division_of(overview.places, overview.data_through)
    if overview.result.type == "forecast" or not known(overview.places, division):
        return None
    worst = sorted(overview.worst.items(), key=lambda pair: -pair[1])
    said = ", ".join(f"{name_of(code, overview.data_through)} {severity}" for code, severity in worst[:20])
    text = Note(
        f"Mức nặng nhất của từng đơn vị: {said or 'không có sự kiện'}. Có ô của Hoàng Sa và Trường Sa.",
        f"Worst severity by unit: {said or 'no event'}. Hoàng Sa and Trường Sa have squares of their own.",
    )
    title = pick(WORDS["map"], language)
    return tile_map(squares(overview.worst, division), "map", title, cut(pick(text, language), 600))


def _trail(result: JobResult, language: Language) -> str:
    """From the page back: job, file, model, card, approval."""
    source, approval, model = result.source or {}, result.approval or {}, result.model
    parts = [f"{pick(Note('việc', 'job'), language)} {result.job_id}"]
    if source.get("sha256"):
        parts.append(f"{pick(Note('tệp', 'file'), language)} {str(source['sha256']).removeprefix('sha256:')[:16]}")
    parts.append(f"{pick(Note('mô hình', 'model'), language)} {model.get('name')}@{model.get('version')}")
    parts.append(f"{pick(Note('thẻ', 'card'), language)} {str(model.get('card')).removeprefix('sha256:')[:16]}")
    if approval.get("id"):
        told = " ".join(str(approval[name]) for name in ("id", "kind") if approval.get(name))
        until = str(approval.get("valid_until") or "")[:10]
        parts.append(f"{pick(Note('phê duyệt', 'approval'), language)} {told}" + (f" → {until}" if until else ""))
    return cut(" · ".join(parts), 260)


def _more(overview: Overview, shown: int, language: Language) -> str:
    left = overview.events - shown
    if left <= 0 or overview.result.type == "forecast":
        return ""
    count = figure(left, language)
    vi = f"Còn {count} sự kiện nữa trong tệp kết quả (xlsx, csv, json, parquet)."
    return pick(Note(vi, f"{count} more events stand in the result (xlsx, csv, json, parquet)."), language)
