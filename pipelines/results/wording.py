"""The words of results: kinds, causes, certainty, what to check and what follows, in Vietnamese with English beside.

Nothing here is written by a model: each sentence is fixed, with numbers of the event put in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from models.anomaly.reasons import number, period_vi
from models.errors import Note

Language = Literal["vi", "en"]

KINDS: Final[Mapping[str, Note]] = {
    "spike": Note("tăng vọt", "spike"),
    "dip": Note("giảm sâu", "dip"),
    "level_shift": Note("đổi mức", "level shift"),
    "trend_change": Note("đổi xu hướng", "trend change"),
    "season_change": Note("đổi mùa vụ", "season change"),
    "missing_report": Note("thiếu báo cáo", "missing report"),
    "backfilled_report": Note("báo cáo bù", "back-filled report"),
    "unit_change": Note("sai hoặc đổi đơn vị tính", "unit change"),
    "negative_correction": Note("điều chỉnh âm", "negative correction"),
    "outbreak": Note("dấu hiệu bùng phát", "outbreak"),
    "row": Note("dòng khác thường", "strange row"),
    "forecast": Note("dự báo", "forecast"),
}
LIKELY: Final[Mapping[str, Note]] = {
    "world": Note("chuyện có thật", "something real"),
    "data": Note("lỗi số liệu", "a fault in the data"),
    "both": Note("chưa rõ: có thật hoặc lỗi số liệu", "unclear: real, or a fault in the data"),
}
LEANING: Final[Mapping[str, Note]] = {
    "world": Note("nghiêng về chuyện có thật", "look real"),
    "data": Note("nghiêng về lỗi số liệu", "look like faults in the data"),
    "both": Note("chưa rõ", "unclear"),
}
MEASURES: Final[Mapping[str, Note]] = {
    "flow": Note("phát sinh trong kỳ", "flow"),
    "stock": Note("số dư cuối kỳ", "stock"),
    "ytd": Note("cộng dồn từ đầu năm", "cumulative from January"),
    "index_prev": Note("chỉ số so kỳ trước", "index, previous period"),
    "index_same_period": Note("chỉ số so cùng kỳ", "index, same period last year"),
    "change_pct": Note("thay đổi, %", "change, %"),
    "rate": Note("tỷ lệ", "rate"),
}
TYPES: Final[Mapping[str, Note]] = {
    "anomaly.series": Note("Bất thường trong số liệu theo kỳ", "Anomalies in periodic figures"),
    "anomaly.tabular": Note("Dòng khác thường trong bảng", "Strange rows in a table"),
    "forecast": Note("Dự báo", "Forecast"),
    "outbreak": Note("Dấu hiệu bùng phát", "Signs of outbreaks"),
}
NOTICE: Final = Note("Kết quả do hệ thống AI đề xuất", "This result was proposed by an AI system.")
ADDITIVE: Final = frozenset({None, "flow", "ytd"})
"""Measures whose values may be summed over periods."""

_CHECKS: Final[Mapping[str, Note]] = {
    "world": Note(
        "hỏi đơn vị đã xảy ra việc gì; so với đơn vị lân cận và nguồn độc lập; nếu đúng thì báo cơ quan phụ trách",
        "ask the unit what happened; compare with neighbours and another source; if it holds, tell who is in charge",
    ),
    "both": Note(
        "mở ô nguồn, so với báo cáo gốc của đơn vị; nếu số đúng như báo cáo thì hỏi trong kỳ đã xảy ra việc gì",
        "open the source cell and compare with the unit's own report; if the figure stands, ask what happened",
    ),
    "data": Note(
        "mở ô nguồn, so với báo cáo gốc của đơn vị; sửa và gửi lại nếu nhập sai",
        "open the source cell and compare with the unit's own report; correct and send again if it was mistyped",
    ),
    "missing_report": Note(
        "kỳ này đơn vị đã gửi báo cáo chưa; số 0 hay ô trống là không phát sinh hay chưa báo cáo",
        "whether the unit reported for this period; whether zero or blank means none or not reported",
    ),
    "backfilled_report": Note(
        "số của các kỳ trước có dồn vào kỳ này không; nếu có, đề nghị đơn vị trả số về đúng kỳ",
        "whether figures of earlier periods were put into this one; if so, have them returned to their periods",
    ),
    "unit_change": Note(
        "đơn vị tính của ô (đồng, nghìn, triệu, tỷ; người, nghìn người) và dấu phân cách hàng nghìn",
        "the unit of the cell (dong, thousand, million; persons, thousands) and its thousands separator",
    ),
    "negative_correction": Note(
        "văn bản điều chỉnh nào làm số giảm; kỳ nào phải sửa theo",
        "which correction lowered the figure; which earlier period must be mended",
    ),
    "row": Note(
        "mở dòng nguồn, so các cột nêu trên với hồ sơ gốc", "open the source row, compare these columns with the record"
    ),
    "forecast": Note(
        "có kế hoạch hoặc thay đổi nào sắp tới mà số liệu quá khứ chưa thấy không",
        "whether plans or changes ahead are not yet visible in past figures",
    ),
}


def pick(note: Note, language: Language) -> str:
    """The sentence in the language asked for."""
    return note.en if language == "en" else note.vi


def label(table: Mapping[str, Note], word: Any, language: Language) -> str:
    """What people call a code word; the word itself when it is not known."""
    note = table.get(word) if isinstance(word, str) else None
    return pick(note, language) if note else "" if word is None else str(word)


def figure(value: float | None, language: Language) -> str:
    """A number as people write it, to four significant digits."""
    return pick(Note(*number(value)), language)


def period(name: str, language: Language) -> str:
    """A period in words; the name itself where it is not one of ours."""
    if language == "en":
        return name
    try:
        return period_vi(name)
    except (ValueError, IndexError):
        return name


def within(text: str) -> str:
    """A phrase to stand inside a sentence."""
    return text[:1].lower() + text[1:]


def step(name: str, language: Language) -> str:
    """What one period is called: month, quarter, year, week, day."""
    rest = name.partition("-")[2]
    words = (
        ("năm", "year") if not rest else ("quý", "quarter") if rest[0] == "Q" else ("tuần", "week") if rest[0] == "W"
        else ("tháng", "month") if re.fullmatch(r"\d\d", rest) else ("kỳ", "period")
    )  # fmt: skip
    return pick(Note(*words), language)


def sureness(p_value: float | None) -> Note:
    """How sure the machine is, as a frequency that needs no statistics."""
    if p_value is None or not 0 <= p_value <= 1:
        return Note("không ước được", "not estimated")
    times = min(round(1 / max(p_value, 1e-6)), 1_000_000)
    size = 10 ** (len(str(times)) - 1)
    vi, en = number(max(times // size * size, 1))
    words = (
        Note("rất cao", "very high") if times >= 10_000 else Note("cao", "high") if times >= 1_000
        else Note("khá", "fair") if times >= 100 else Note("thấp", "low")
    )  # fmt: skip
    return Note(
        f"{words.vi} (do ngẫu nhiên: khoảng 1 trên {vi} kỳ hoặc hiếm hơn)",
        f"{words.en} (by chance: about once in {en} periods, or rarer)",
    )


def checks(event: Mapping[str, Any], language: Language) -> str:
    """What to check: the event's own list where it has one, else by kind and cause."""
    own = [str(check.get(language) or check.get("vi") or "") for check in event.get("checks") or ()]
    if own:
        return "; ".join(text.rstrip(".") for text in own if text)
    return pick(
        _CHECKS.get(str(event.get("kind"))) or _CHECKS.get(str(event.get("likely"))) or _CHECKS["both"], language
    )


def consequence(event: Mapping[str, Any], steps: int, name: str, unit: str | None, additive: bool) -> Note:
    """What follows if nothing is done; `steps` is the event's length, `name` its last period."""
    kind, likely = event.get("kind"), event.get("likely")
    expected, actual = event.get("expected"), event.get("actual")
    if not additive or expected is None:
        return _unsummed(likely)
    vi_unit, en_unit = (f" {unit}", f" {unit}") if unit else ("", "")
    if kind == "missing_report":
        vi, en = number(max(expected - (actual or 0.0), 0.0) * steps)
        return Note(
            f"tổng của cả thời gian thiếu khoảng {vi}{vi_unit}; dự báo sau này lệch xuống theo",
            f"totals lack about {en}{en_unit}, and later forecasts sink with them",
        )
    if actual is None:
        return _unsummed(likely)
    vi, en = number(abs(actual - expected))
    more = ("vượt", "exceed") if actual > expected else ("hụt", "fall short of")
    if kind in ("backfilled_report", "unit_change", "negative_correction") or likely == "data":
        return Note(
            f"số sai ở lại trong tổng hợp: lệch khoảng {vi}{vi_unit} một kỳ; dự báo sau này lệch theo",
            f"the wrong figure stays in totals: off by about {en}{en_unit} a period, and later forecasts with it",
        )
    doubt_vi = "" if likely == "world" else "; nếu là lỗi thì số sai ở lại trong tổng hợp"
    doubt_en = "" if likely == "world" else "; if it is a fault, the wrong figure stays in totals"
    each_vi, each_en = step(name, "vi"), step(name, "en")
    return Note(
        f"nếu là thật và kéo dài, mỗi {each_vi} {more[0]} khoảng {vi}{vi_unit} so với mức thường thấy{doubt_vi}",
        f"if real and lasting, each {each_en} will {more[1]} the usual by about {en}{en_unit}{doubt_en}",
    )


def _unsummed(likely: Any) -> Note:
    if likely == "world":
        return Note(
            "thay đổi thật bị bỏ lỡ; kế hoạch dựa trên mức cũ sẽ lệch",
            "a real change is missed; plans made for the old level will be off",
        )
    return Note(
        "số chưa kiểm ở lại trong báo cáo tổng hợp; dự báo sau này lệch theo",
        "an unchecked figure stays in totals, and later forecasts follow it",
    )


WORDS: Final[Mapping[str, Note]] = {
    "code": Note("Mã báo cáo", "Report code"),
    "fingerprint": Note("dấu vân tay", "fingerprint"),
    "back": Note("Truy ngược:", "The way back:"),
    "verify": Note(
        "Kiểm chứng: lập lại báo cáo của việc này rồi so dấu vân tay; tệp kết quả XLSX có ô nguồn của mọi con số.",
        "To verify: make this job's report again and compare fingerprints; the XLSX has the cell of every figure.",
    ),
    "items": Note("Việc cần xem trước", "Look at these first"),
    "severity": Note("mức", "severity"),
    "since": Note("Khi nào", "When"),
    "likely": Note("Nghiêng về", "Likely"),
    "sure": Note("Độ chắc", "How sure"),
    "also": Note("Cùng lúc ở", "Also in"),
    "check": Note("Cần kiểm tra", "To check"),
    "otherwise": Note("Nếu để vậy", "If left alone"),
    "who": Note("Ai trả lời", "Who answers"),
    "cell": Note("Ô nguồn", "Source cell"),
    "through": Note("số liệu đến", "data through"),
    "nothing": Note("Không có việc nào phải xem.", "There is nothing to look at."),
    "map": Note("Mức nặng nhất theo đơn vị", "Worst severity by unit"),
    "map_legend": Note(
        "Mỗi ô một đơn vị, số là mức 1–5 của sự kiện nặng nhất; ô nhạt: không có sự kiện.",
        "One square a unit; the digit is the severity, 1–5, of its worst event; pale: none.",
    ),
    "curve_legend": Note(
        "Hình: đường liền là số liệu, dải và đường đứt là mức thường thấy, phần tô đậm là sự kiện.",
        "Pictures: solid line, figures; band and dashes, the usual range; shaded, the event.",
    ),
    "forecast_legend": Note(
        "Hình: đường liền là số liệu đã có, đường đứt và dải là dự báo và khoảng của nó.",
        "Pictures: solid line, figures so far; dashes and band, the forecast and its interval.",
    ),
    "ahead": Note("Dự báo cho", "Forecast for"),
    "table": Note("Tất cả sự kiện", "All events"),
    "faults": Note("Phần không xử lý được", "What failed"),
    "series": Note("Chuỗi số liệu", "Series"),
    "fault": Note("Lỗi", "Fault"),
    "provenance": Note("Nguồn gốc", "Provenance"),
    "events_signed": Note("Sự kiện nằm dưới dấu vân tay", "Events under the fingerprint"),
    "inspected": Note(
        "Trang này cho người kiểm tra: kết quả đi từ tệp nào, đọc thế nào, mô hình và phê duyệt nào.",
        "This page is for an inspector: from which file, read how, by which model under which approval.",
    ),
    "how": Note("Cách kiểm chứng", "How to verify"),
    "how_text": Note(
        "1. SHA-256 của tệp gốc phải bằng giá trị trên. 2. Sổ đăng ký có thẻ mô hình và phê duyệt dưới mã băm này. "
        "3. Lượt chạy là một bản ghi trong nhật ký (aichung audit records). 4. Lập lại báo cáo phải ra cùng dấu vân "
        "tay: nó tính trên việc, tệp, mô hình, thẻ và mọi sự kiện kèm ô nguồn, không phụ thuộc định dạng, ngôn ngữ.",
        "1. The SHA-256 of the original file must equal the one above. 2. The registry holds model card and approval "
        "under this digest. 3. The run is a record of the ledger (aichung audit records). 4. Making the report again "
        "must give the same fingerprint: it covers job, file, model, card and every event with its cells.",
    ),
}
"""The fixed words of the pages."""
