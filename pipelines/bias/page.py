"""The bias report as a page: who is hurt first, then the verdicts, then every axis with picture and data table.

One file of HTML: no script, nothing loaded from elsewhere; every text is escaped by the template.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from models.errors import Note
from pipelines.bias.document import groups_of
from pipelines.bias.pictures import Language, forest, funnel_plot, matrix_picture, name_of, verdict_map

PAGES: Final = Path(__file__).with_name("pages")
_STYLE: Final = Markup((PAGES / "bias.css").read_text(encoding="utf-8").strip())  # noqa: S704  our own file
_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, auto_reload=False
)
MOST_TABLE_ROWS: Final = 24
MOST_BESIDE: Final = 6
"""Rows of a table without a picture: what passes beside the first figure, and what is only explored."""
VERDICTS: Final = {
    "PASS": Note("ĐẠT", "PASS"),
    "FAIL": Note("KHÔNG ĐẠT", "FAIL"),
    "INSUFFICIENT_EVIDENCE": Note("CHƯA ĐỦ BẰNG CHỨNG", "NOT ENOUGH EVIDENCE"),
    "SIGNAL": Note("nên xem", "worth a look"),
}
WORDS: Final = {
    "title": Note("Báo cáo thiên lệch", "Bias report"),
    "hurt": Note("Ai chịu thiệt vì lỗi nào", "Who is hurt by which error"),
    "who": Note("Ai", "Who"),
    "error": Note("Lỗi", "Error"),
    "consequence": Note("Hậu quả", "Consequence"),
    "metric": Note("Số đo thấy được", "Figure that sees it"),
    "verdicts": Note("Kết luận theo từng trục", "Verdicts by axis"),
    "axis": Note("Trục", "Axis"),
    "verdict": Note("Kết luận", "Verdict"),
    "failed": Note("Nhóm không đạt", "Groups that fail"),
    "untested": Note("Chưa thử được, và vì sao", "What could not be tested, and why"),
    "group": Note("Nhóm", "Group"),
    "reason": Note("Lý do", "Reason"),
    "n": Note("Số ca", "Cases"),
    "value": Note("Giá trị", "Value"),
    "reference": Note("Đối chiếu", "Against"),
    "deficit": Note("Thiệt d", "Deficit d"),
    "bounds": Note("Khoảng (đã chỉnh)", "Interval (adjusted)"),
    "upper": Note("Cận trên 95 %", "95 % upper"),
    "p": Note("p đã chỉnh", "adjusted p"),
    "needed": Note("Cần bao nhiêu ca", "Cases needed"),
    "data": Note("Dữ liệu", "Data"),
    "table": Note("Bảng số liệu", "Data table"),
    "heterogeneity": Note("Các nhóm khác nhau không", "Do the groups differ"),
    "exploratory": Note("thăm dò, không tính vào kết luận", "exploratory, counts for no verdict"),
    "extremes": Note(
        "Chênh lệch lớn nhất – nhỏ nhất (không dùng để kết luận)", "Largest less smallest (gates nothing)"
    ),
    "tested": Note("nhóm có kết luận", "groups with a verdict"),
    "short": Note("nhóm thiếu số ca", "groups with too few cases"),
    "rule": Note(
        "KHÔNG ĐẠT: chắc chắn thiệt hơn mức cho phép δ (cận dưới, chỉnh theo số nhóm). ĐẠT: chắc chắn không quá δ "
        "(cận trên một phía 95 %). Còn lại: chưa đủ bằng chứng, kèm số ca cần có.",
        "FAIL: surely worse than the margin δ (lower bound, adjusted for the number of groups). PASS: surely not (95 % "
        "one-sided upper bound). Else not enough evidence, with the cases that would settle it.",
    ),
    "mirror": Note("Phần còn lại của bảng nằm trong bias.json.", "The rest of the table is in bias.json."),
}


def render_page(report: Mapping[str, Any], language: Language = "vi") -> str:
    """The page of a report in one language."""
    words = {name: note.vi if language == "vi" else note.en for name, note in WORDS.items()}
    tested, short = groups_of(report)
    axes = [_axis(axis, number, language) for number, axis in enumerate(report["axes"])]
    return _ENVIRONMENT.get_template("bias.html").render(
        report=report, words=words, language=language, style=_STYLE, axes=axes, tested=tested, short=short,
        verdict=verdict_word(report["verdict"], language),
    )  # fmt: skip


def verdict_word(verdict: str | None, language: Language) -> str:
    """A verdict as people read it; a dash where there is none."""
    note = VERDICTS.get(verdict or "")
    return (note.vi if language == "vi" else note.en) if note else "—"


def _axis(axis: Mapping[str, Any], number: int, language: Language) -> dict[str, Any]:
    measures = [
        _measure(axis, measure, f"a{number}m{at}", language) for at, measure in enumerate(axis["measures"])
    ]  # fmt: skip
    return {
        "id": axis["id"], "title": axis["title"][language], "verdict": verdict_word(axis["verdict"], language),
        "class": (axis["verdict"] or "none").lower(), "measures": measures,
        "remark": axis["remark"][language] if "remark" in axis else "",
        "failed": ", ".join(dict.fromkeys(name for one in measures for name in one["failed"])),
        "matrix": matrix_picture(axis, f"a{number}x", language),
    }  # fmt: skip


def _measure(axis: Mapping[str, Any], measure: Mapping[str, Any], id_: str, language: Language) -> dict[str, Any]:
    failed = [name_of(axis, row[0], language) for row in measure["rows"] if row[9] == "FAIL"]
    drawn = measure["confirmatory"] and (measure is axis["measures"][0] or measure["verdict"] != "PASS")
    pictures = [
        draw(axis, measure, f"{id_}{letter}", language)
        for letter, draw in (("f", forest), ("u", funnel_plot), ("m", verdict_map))
        if drawn
    ]
    ordered = sorted(measure["rows"], key=lambda row: (row[4] is None, -(row[4] or 0.0)))
    most = MOST_TABLE_ROWS if drawn else MOST_BESIDE
    return {
        **measure, "title": measure["title"][language], "verdict": verdict_word(measure["verdict"], language),
        "method": measure["method"][language], "failed": failed,
        "pictures": [one for one in pictures if one is not None],
        "remark": measure["remark"][language] if "remark" in measure else "",
        "rows": [_row(axis, row, language) for row in ordered[:most]], "cut": len(ordered) > most,
    }  # fmt: skip


def _row(axis: Mapping[str, Any], row: Any, language: Language) -> dict[str, Any]:
    return {
        "group": name_of(axis, row[0], language), "n": row[1], "value": _figure(row[2], language),
        "reference": _figure(row[3], language), "deficit": _figure(row[4], language),
        "bounds": f"{_figure(row[5], language)} … {_figure(row[6], language)}" if row[5] is not None else "—",
        "upper": _figure(row[7], language), "p": _figure(row[8], language), "verdict": verdict_word(row[9], language),
        "class": (row[9] or "none").lower(), "needed": "—" if row[10] is None or row[9] == "PASS" else row[10],
    }  # fmt: skip


def _figure(value: float | None, language: Language) -> str:
    """A number to three digits, with the decimal comma in Vietnamese."""
    if value is None:
        return "—"
    text = f"{value:.3f}"
    return text.replace(".", ",") if language == "vi" else text
