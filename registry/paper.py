"""The card on paper: PDF, A4, Vietnamese first with English beside, page numbers and the card's digest on every page.

Decisions
- The font (DejaVu Sans, free, registry/fonts) lies beside this module and is embedded: it has every Vietnamese letter,
  and what it lacks shows as a box instead of vanishing.
- No clock and no chance go into the file: the same card gives the same bytes.
- Every word of a card is text: nothing in it is read as markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from registry.canonical import digest
from registry.card_fields import BY_PATH, SECTIONS
from registry.card_text import GAP_WORDS, LAW, SOURCE_WORDS, columns_of, fields_in_order, inline
from registry.card_values import GAPS, value_of

FONTS: Final = Path(__file__).parent / "fonts"
PLAIN, BOLD = "DejaVuSans", "DejaVuSans-Bold"
WIDTH: Final = A4[0] - 36 * mm
GREY, RED, LINE = "#52525b", colors.HexColor("#8c1d18"), colors.HexColor("#a1a1aa")
_UNSEEN: Final = dict.fromkeys((*range(32), 127))
_GRID: Final = TableStyle(
    (
        ("GRID", (0, 0), (-1, -1), 0.4, LINE), ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#f4f4f5")),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 3), ("RIGHTPADDING", (0, 0), (-1, -1), 3),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5), ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
    )
)  # fmt: skip


def render_pdf(card: Mapping[str, Any]) -> bytes:
    """The whole card as PDF; the same card gives the same bytes."""
    styles = _styles()
    title = _clean(inline(value_of(card, "identity.name_vi") or card["name"]))
    mark = f"{card['name']}@{card['version']} · {digest(card)}"
    target = BytesIO()
    document = SimpleDocTemplate(
        target, pagesize=A4, leftMargin=18 * mm, rightMargin=18 * mm, topMargin=16 * mm, bottomMargin=18 * mm,
        title=f"Hồ sơ mô hình: {title}", author=_clean(inline(value_of(card, "identity.provider_org") or "")),
        subject=mark, lang="vi", invariant=1,
    )  # fmt: skip
    head = [
        Paragraph(f"Hồ sơ mô hình: {escape(title)}", styles["title"]),
        Paragraph(escape(mark), styles["small"]), Paragraph(_two(*LAW), styles["small"]), Spacer(0, 3 * mm),
    ]  # fmt: skip
    body = [part for section in SECTIONS for part in _section(section, card.get(section, {}))]
    foot = partial(_foot, mark)
    document.build([*head, *body], onFirstPage=foot, onLaterPages=foot)
    return target.getvalue()


@cache
def _styles() -> Mapping[str, ParagraphStyle]:
    """The styles; the fonts are registered with them, once."""
    pdfmetrics.registerFont(TTFont(PLAIN, str(FONTS / "DejaVuSans.ttf")))
    pdfmetrics.registerFont(TTFont(BOLD, str(FONTS / "DejaVuSans-Bold.ttf")))
    body = ParagraphStyle("body", fontName=PLAIN, fontSize=8.5, leading=12, leftIndent=4 * mm, spaceAfter=1 * mm)
    return {
        "title": ParagraphStyle("title", fontName=BOLD, fontSize=15, leading=20, spaceAfter=2 * mm),
        "small": ParagraphStyle("small", fontName=PLAIN, fontSize=7, leading=9.5, spaceAfter=1 * mm),
        "section": ParagraphStyle(
            "section", fontName=BOLD, fontSize=11, leading=15, textColor=RED, spaceBefore=4 * mm, spaceAfter=1.5 * mm,
            keepWithNext=1,
        ),
        "field": ParagraphStyle("field", fontName=BOLD, fontSize=8.5, leading=12, keepWithNext=1),
        "body": body,
        "cell": ParagraphStyle("cell", fontName=PLAIN, fontSize=6.5, leading=8.5),
        "number": ParagraphStyle("number", fontName=PLAIN, fontSize=6.5, leading=8.5, alignment=TA_RIGHT),
    }  # fmt: skip


def _section(section: str, fields: Mapping[str, Any]) -> Iterator[Flowable]:
    styles = _styles()
    yield Paragraph(_two(*SECTIONS[section]), styles["section"])
    for name in fields_in_order(section, fields):
        known, field = BY_PATH.get(f"{section}.{name}"), fields[name]
        title = _two(known.vi, known.en) if known else escape(name)
        gap = next((gap for gap in GAPS if gap in field), None)
        if gap is not None:
            yield Paragraph(title, styles["field"])
            yield Paragraph(f"{_two(*GAP_WORDS[gap])}: {_text(field[gap])}", styles["body"])
            continue
        yield Paragraph(
            f"{title} <font name={PLAIN} size=6>({_text(SOURCE_WORDS[field['source']])})</font>", styles["field"]
        )
        yield from _value(field["value"])


def _value(value: Any) -> Iterator[Flowable]:
    """A value at its full size: figures and records as tables, the rest line by line."""
    rows = value if isinstance(value, list) else []
    if rows and all(isinstance(row, Mapping) and set(row) != {"vi", "en"} for row in rows):
        yield _table(rows)
        yield Spacer(0, 2 * mm)
        return
    if isinstance(value, Mapping) and set(value) != {"vi", "en"}:
        rows = [f"{key}: {inline(inner)}" for key, inner in value.items()]
    for row in rows or [value]:
        yield Paragraph(("• " if rows else "") + _text(row), _styles()["body"])


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    styles = _styles()
    members = [(key, key) for key in dict.fromkeys(key for row in rows for key in row)]
    columns = columns_of(rows) if all("value" in row for row in rows) else members
    lines = [[Paragraph(_text(title), styles["cell"]) for _, title in columns]]
    lines += [[_cell(row.get(key)) for key, _ in columns] for row in rows]
    return Table(lines, [WIDTH / len(columns)] * len(columns), repeatRows=1, splitInRow=1, style=_GRID)


def _cell(value: Any) -> Paragraph:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Paragraph(str(value), _styles()["number"])
    shown = " … ".join(inline(item) for item in value) if isinstance(value, list) else value
    return Paragraph("" if shown is None else _text(shown), _styles()["cell"])


def _text(value: Any) -> str:
    """A value as one paragraph's markup; a pair of languages is told apart."""
    if isinstance(value, Mapping) and set(value) == {"vi", "en"}:
        return _two(inline(value["vi"]), inline(value["en"]))
    text = inline(value)
    vi, bar, en = text.partition(" | ")
    return _two(vi, en) if bar and " | " not in en else escape(_clean(text))


def _two(vi: str, en: str) -> str:
    return f'{escape(_clean(vi))} <font color="{GREY}">{escape(_clean(en))}</font>'


def _clean(text: str) -> str:
    return text.translate(_UNSEEN)


def _foot(mark: str, canvas: Canvas, document: SimpleDocTemplate) -> None:
    """The digest and the page's number."""
    canvas.setFont(PLAIN, 6)
    canvas.setFillColor(colors.HexColor(GREY))
    canvas.drawString(18 * mm, 9 * mm, mark)
    canvas.drawRightString(A4[0] - 18 * mm, 9 * mm, f"Trang | Page {document.page}")
